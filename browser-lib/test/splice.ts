// A little proxy in memory between pages: it splices connects to whoever listens, and its connections can be cut anywhere.

import { vi } from "vitest";
import { FrameReader, frame } from "../src/framing.ts";
import { MuxDemux, type MuxDemuxOptions } from "../src/index.ts";
import type { JsonObject } from "../src/json.ts";
import { codeNumber } from "../src/mux/codes.ts";
import { Connection } from "../src/mux/connection.ts";
import { Outbound } from "../src/mux/frame.ts";
import type { WebSocketLike } from "../src/websocket.ts";

const LOST = codeNumber("lost");
const PREFIX = "/browser-server";

/** Waits for a condition while the fake clock runs, a millisecond a turn. */
export async function passes(what: string, condition: () => unknown, turns = 20_000): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(1);
  }
  throw new Error(`never: ${what}`);
}

/** One end of a splice. */
export class Leg {
  id = 0;
  readonly line: Line;
  readonly frames = new FrameReader(9 * 1024);
  first: JsonObject | undefined;
  twin: Leg | undefined;
  /** What came before the twin was there. */
  waiting: Uint8Array[] = [];
  isFinished = false;
  /** Passes nothing on any more, although its connection lives. */
  hangs = false;
  /** Bytes that lie queued towards it. */
  queued = 0;

  constructor(line: Line) {
    this.line = line;
  }

  take(bytes: Uint8Array): void {
    let rest = bytes;
    if (!this.first) {
      const { used, value } = this.frames.push(bytes);
      rest = bytes.subarray(used);
      this.line.core.consumed(this.id, used);
      if (value) {
        const said = this.line.proxy.says(value, this);
        this.first = said;
        if (this.twin) this.twin.send(frame({ id: "unique", ...said }));
        else this.line.proxy.opened(this, said);
      }
    }
    if (rest.length === 0 || this.hangs) return;
    if (!this.twin) {
      this.waiting.push(rest.slice());
      return this.line.proxy.heard(this);
    }
    const passed = this.line.proxy.passes(rest.slice(), this);
    if (passed.length > 0) this.twin.send(passed);
  }

  send(bytes: Uint8Array): void {
    this.queued += bytes.length;
    this.line.core.send(this.id, bytes);
    this.line.pump();
  }

  /** So much of what was queued is left: the other end gets credit for what left. */
  sent(queued: number): void {
    const { twin } = this;
    if (twin) {
      twin.line.core.consumed(twin.id, this.queued - queued);
      queueMicrotask(() => twin.line.pump());
    }
    this.queued = queued;
  }

  finish(): void {
    this.line.core.finish(this.id);
    this.line.pump();
  }

  reset(code: number): void {
    if (code === LOST) this.line.core.resetBehind(this.id, code);
    else this.line.core.reset(this.id, code);
    this.line.pump();
  }
}

/** One connection. */
export class Line implements WebSocketLike {
  binaryType = "blob";
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: ArrayBuffer | string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly proxy: Switch;
  readonly owner: string;
  readonly core: Connection<Leg>;
  readonly legs = new Set<Leg>();
  isCut = false;
  /** It is cut when so many more bytes came from the page, or went to it. */
  cutIn = { up: Infinity, down: Infinity };
  readonly #out = new Outbound(64 * 1024);
  /** Says and hears nothing, and is not closed. */
  isMute = false;

  constructor(proxy: Switch, owner: string) {
    this.proxy = proxy;
    this.owner = owner;
    const leg = (id: number): Leg => {
      const leg = new Leg(this);
      leg.id = id;
      this.legs.add(leg);
      return leg;
    };
    this.core = new Connection<Leg>(
      "acceptor",
      {
        opened: leg,
        data: (leg, bytes) => leg.take(bytes),
        finished: (leg) => {
          leg.isFinished = true;
          leg.twin?.finish();
          proxy.finished(leg);
        },
        reset: (leg, code) => leg.twin?.reset(code),
        credit: () => {},
        ended: (leg) => this.legs.delete(leg),
        sent: (leg, queued) => leg.sent(queued),
        pong: () => {},
        goAway: () => {},
      },
      0,
    );
    if (!proxy.isClosed) queueMicrotask(() => this.onopen?.({}));
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    const copy = bytes.slice();
    queueMicrotask(() => {
      if (this.isCut || this.isMute) return;
      const part = copy.subarray(0, this.cutIn.up);
      this.cutIn.up -= part.length;
      this.core.receive(part, 0);
      this.pump();
      if (this.cutIn.up === 0) this.cut();
    });
  }

  /** Behind what was sent. */
  close(): void {
    queueMicrotask(() => this.cut(1000));
  }

  /** The connection breaks: what is under way is lost, and its streams with it. */
  cut(code = 1006): void {
    if (this.isCut) return;
    this.isCut = true;
    for (const { twin } of this.legs) twin?.reset(LOST);
    this.proxy.lines.delete(this);
    queueMicrotask(() => this.onclose?.({ code, reason: "" }));
  }

  /** Tells the page something on its session stream. */
  note(note: object): void {
    for (const leg of this.legs) if (leg.first?.path === "/session") leg.send(frame(note));
  }

  open(value: object): Leg {
    const leg = new Leg(this);
    leg.id = this.core.open(leg);
    this.legs.add(leg);
    leg.send(frame(value));
    return leg;
  }

  pump(): void {
    while (!this.isCut && !this.isMute) {
      this.#out.length = 0;
      this.core.transmit(this.#out);
      if (this.#out.length === 0) return;
      const bytes = this.#out.bytes.slice(0, this.#out.length);
      queueMicrotask(() => {
        if (this.isCut || this.isMute) return;
        const part = bytes.slice(0, this.cutIn.down);
        this.cutIn.down -= part.length;
        this.onmessage?.({ data: part.buffer });
        if (this.cutIn.down === 0) this.cut();
      });
    }
  }
}

/** The proxy. */
export class Switch {
  readonly lines = new Set<Line>();
  /** Opens of clients, as they came. */
  readonly opens: JsonObject[] = [];
  /** Does not pass `resume` on, as if one end were a stock peer. */
  isDeaf = false;
  /** What it says of servers for direct connections; an old proxy has no such route. And how often it was asked. */
  ice: object | undefined;
  asked = 0;
  /** What it makes of an open or a reply, and of the bytes of a splice; an honest one leaves both as they are. */
  says = (value: JsonObject, _from: Leg): JsonObject => value;
  passes = (bytes: Uint8Array, _from: Leg): Uint8Array => bytes;
  /** Something came on a stream that is not spliced. */
  heard = (_: Leg): void => {};
  /** Where its servers live. */
  prefix = PREFIX;
  /** Takes no more connections. */
  isClosed = false;
  readonly #names = new Map<string, Line>();
  #waiting: Leg[] = [];

  /** A page that is connected to it. */
  page(owner: string, options: MuxDemuxOptions = {}): MuxDemux {
    const dialed = () => {
      const line = new Line(this, owner);
      this.lines.add(line);
      return line;
    };
    class Socket {
      constructor() {
        // biome-ignore lint/correctness/noConstructorReturn: the line is the socket
        return dialed();
      }
    }
    return MuxDemux("ws://proxy.test/mux", {
      ...options,
      WebSocket: Socket as unknown as NonNullable<MuxDemuxOptions["WebSocket"]>,
    });
  }

  /** A page's present connection. */
  line(owner: string): Line {
    const line = [...this.lines].findLast((line) => line.owner === owner);
    if (!line) throw new Error(`${owner} has no connection`);
    return line;
  }

  opened(leg: Leg, open: JsonObject): void {
    const [, verb, name = ""] = String(open.path).slice(this.prefix.length).split("/");
    if (open.path === "/session") leg.send(frame({ session: "s" }));
    else if (open.path === "/ice") this.#ice(leg);
    else if (verb === "listen") {
      leg.send(frame({ id: "claim", lease: { name } }));
      this.#names.set(name, leg.line);
      for (const waiting of this.#waiting.splice(0)) this.#connect(waiting);
    } else {
      this.opens.push(open);
      this.#connect(leg);
    }
  }

  #ice(leg: Leg): void {
    this.asked++;
    const error = { code: "not_found", message: "an old proxy" };
    leg.send(frame(this.ice ? { id: "servers", ice: this.ice } : { error }));
    leg.finish();
  }

  /** A server lets go of its name. */
  finished(leg: Leg): void {
    if (String(leg.first?.path).startsWith(`${this.prefix}/listen/`)) leg.finish();
  }

  #refuse(leg: Leg): void {
    leg.send(frame({ error: { code: "not_found", message: "nobody" } }));
    leg.finish();
  }

  #connect(leg: Leg): void {
    const { path, meta, resume, seal, need } = leg.first ?? {};
    const name = String(path).split("/").at(-1) ?? "";
    const line = this.#names.get(name);
    if (!line && leg.first?.wait === 0) return this.#refuse(leg);
    if (!line || line.isCut) return void this.#waiting.push(leg);
    const twin = line.open({
      path: `${this.prefix}/accept/${name}`,
      id: "unique",
      meta,
      peer: { session: leg.line.owner },
      need,
      resume: this.isDeaf ? undefined : resume,
      seal,
    });
    [leg.twin, twin.twin] = [twin, leg];
    for (const bytes of leg.waiting.splice(0)) twin.send(bytes);
    if (leg.isFinished) twin.finish();
  }
}
