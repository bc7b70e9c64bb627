// The far side of a session in memory: a socket that is no socket, and a little proxy behind it that does what a test says.

import { FrameReader, frame } from "../src/framing.ts";
import { MuxDemux, type MuxDemuxOptions } from "../src/index.ts";
import type { JsonObject } from "../src/json.ts";
import { Connection } from "../src/mux/connection.ts";
import { Outbound } from "../src/mux/frame.ts";
import type { WebSocketLike } from "../src/websocket.ts";

/** Waits for a condition, for as long as things keep happening. */
export async function until(what: string, condition: () => unknown): Promise<void> {
  for (let turn = 0; turn < 2000; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never: ${what}`);
}

/** Lets everything happen that is under way. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** How a promise ended: `"ok"` or the error's code. */
export function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "ok",
    (error: { code?: string }) => error.code ?? String(error),
  );
}

/** One stream as the far side sees it. */
export class FarStream {
  id: number;
  readonly #core: Connection<FarStream>;
  readonly #peer: Peer;
  readonly #frames = new FrameReader(9 * 1024);
  /** The open or reply, and the notes behind it where a test reads such. */
  first: JsonObject | undefined;
  readonly #chunks: Uint8Array[] = [];
  length = 0;
  isFinished = false;
  resetCode: number | undefined;
  isOver = false;
  /** Gives no credit while it is false. */
  reads = true;

  constructor(id: number, core: Connection<FarStream>, peer: Peer) {
    this.id = id;
    this.#core = core;
    this.#peer = peer;
  }

  /** What came behind the first frame. */
  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#chunks));
  }

  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  /** The notes that came. */
  get notes(): JsonObject[] {
    return this.notesOf(8 * 1024);
  }

  /** The same, of so many bytes at most. */
  notesOf(max: number): JsonObject[] {
    const notes: JsonObject[] = [];
    let rest = this.bytes;
    const frames = new FrameReader(max);
    while (rest.length > 0) {
      const { used, value } = frames.push(rest);
      rest = rest.subarray(used);
      if (value) notes.push(value);
    }
    return notes;
  }

  take(bytes: Uint8Array): void {
    let rest = bytes;
    if (!this.first) {
      const { used, value } = this.#frames.push(bytes);
      if (value) this.first = value;
      rest = bytes.subarray(used);
    }
    this.#chunks.push(rest);
    this.length += rest.length;
    if (this.reads) this.#core.consumed(this.id, bytes.length);
  }

  /** Reads what it had left unread. */
  read(bytes: number): void {
    this.#core.consumed(this.id, bytes);
    this.#peer.pump();
  }

  frame(value: object): this {
    return this.send(frame(value));
  }

  send(data: string | Uint8Array): this {
    this.#core.send(this.id, typeof data === "string" ? new TextEncoder().encode(data) : data);
    this.#peer.pump();
    return this;
  }

  finish(): this {
    this.#core.finish(this.id);
    this.#peer.pump();
    return this;
  }

  reset(code: number): void {
    this.#core.reset(this.id, code);
    this.#peer.pump();
  }
}

/** The far side of one socket. */
export class Peer {
  readonly streams: FarStream[] = [];
  readonly messages: Uint8Array[] = [];
  closedWith: { code: number; reason: string } | undefined;
  goAway: number | undefined;
  /** Holds back what it would send, pongs included. */
  isMute = false;
  /** Is told of every part of a stream's data. */
  onData: (stream: FarStream) => void = () => {};
  readonly core: Connection<FarStream>;
  readonly #socket: FakeSocket;
  readonly #out = new Outbound(256 * 1024);

  constructor(socket: FakeSocket) {
    this.#socket = socket;
    const far = (id: number): FarStream => {
      const stream = new FarStream(id, this.core, this);
      this.streams.push(stream);
      return stream;
    };
    this.core = new Connection<FarStream>(
      "acceptor",
      {
        opened: far,
        data: (stream, bytes) => {
          stream.take(bytes);
          this.onData(stream);
        },
        finished: (stream) => {
          stream.isFinished = true;
        },
        reset: (stream, code) => {
          stream.resetCode = code;
        },
        credit: () => {},
        ended: (stream) => {
          stream.isOver = true;
        },
        sent: () => {},
        pong: () => {},
        goAway: (code) => {
          this.goAway = code;
        },
      },
      0,
    );
  }

  /** The newest stream that was opened to this path. */
  to(path: string): FarStream {
    const stream = this.streams.findLast(({ first }) => first?.path === path);
    if (!stream) throw new Error(`nobody opened ${path}`);
    return stream;
  }

  async opened(path: string): Promise<FarStream> {
    await until(`${path} opened`, () => this.streams.some(({ first }) => first?.path === path));
    return this.to(path);
  }

  /** Opens a stream to the page. */
  open(value: object): FarStream {
    const stream = this.openRaw();
    return stream.frame(value);
  }

  /** Opens a stream and says nothing yet. */
  openRaw(): FarStream {
    const stream = new FarStream(0, this.core, this);
    stream.id = this.core.open(stream);
    this.streams.push(stream);
    this.pump();
    return stream;
  }

  receive(bytes: Uint8Array): void {
    this.messages.push(bytes);
    this.core.receive(new Uint8Array(bytes), 0);
    this.pump();
  }

  pump(): void {
    while (!this.isMute) {
      this.#out.length = 0;
      this.core.transmit(this.#out);
      if (this.#out.length === 0) return;
      this.inject(this.#out.bytes.slice(0, this.#out.length));
    }
  }

  /** Puts bytes on the wire as they are. */
  inject(bytes: Uint8Array<ArrayBuffer>): void {
    queueMicrotask(() => this.#socket.onmessage?.({ data: bytes.buffer }));
  }

  /** Cuts the connection without a word. */
  cut(code = 1006): void {
    this.#socket.onclose?.({ code, reason: "" });
  }
}

/** What a session takes for a WebSocket. */
class FakeSocket implements WebSocketLike {
  binaryType = "blob";
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: ArrayBuffer | string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly peer = new Peer(this);

  send(bytes: Uint8Array<ArrayBuffer>): void {
    const copy = bytes.slice();
    queueMicrotask(() => this.peer.receive(copy));
  }

  close(code = 1000, reason = ""): void {
    this.peer.closedWith ??= { code, reason };
  }
}

/** As {@link dial}, also where nothing is dialed at once. */
export function dialing(options: MuxDemuxOptions & { hold?: boolean } = {}) {
  const dials: { socket: FakeSocket; peer: Peer; url: string; protocols: string[] }[] = [];
  const behaviour = { hold: options.hold === true };
  class Socket extends FakeSocket {
    constructor(url: string, protocols: string[]) {
      super();
      dials.push({ socket: this, peer: this.peer, url, protocols });
      if (!behaviour.hold) queueMicrotask(() => this.onopen?.({}));
    }
  }
  const mdm = MuxDemux("ws://proxy.test/mux", { ...options, WebSocket: Socket });
  /** The newest connection, once there are so many. */
  const redialed = async (count: number) => {
    await until(`${count} dials`, () => dials.length >= count);
    const last = dials.at(-1);
    if (dials.length !== count || !last) throw new Error(`${dials.length} dials instead of ${count}`);
    return last;
  };
  return { mdm, dials, redialed, behaviour };
}

/** A page's handle and the far side of its connections, each of which opens by itself unless `hold` is set. */
export function dial(options: MuxDemuxOptions & { hold?: boolean } = {}) {
  const dialed = dialing(options);
  const [first] = dialed.dials;
  if (!first) throw new Error("nobody dialed");
  return { ...first, ...dialed };
}

/** A stream that was accepted, and its far end. */
export async function pair(options: { path?: string; signal?: AbortSignal } = {}) {
  const { mdm, peer } = dial();
  const stream = mdm.createStream(undefined, { path: "/x", ...options });
  const far = await peer.opened("/x");
  far.frame({ id: "unique" });
  await stream.opened;
  return { mdm, peer, stream, far };
}
