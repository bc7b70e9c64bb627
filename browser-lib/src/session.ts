// The shell around the mux core: puts frames into messages, feeds streams, opens and accepts them, and notices when the peer is gone.

import { Cell, type Host } from "./cell.ts";
import { Drain } from "./drain.ts";
import { StreamError } from "./error.ts";
import { ACCEPT_BODY_MAX, BODY_MAX } from "./framing.ts";
import { later, type Timer } from "./later.ts";
import { heard } from "./mux/codes.ts";
import { Connection, REST_MAX } from "./mux/connection.ts";
import type { Events } from "./mux/event.ts";
import { describe, HEADER_BYTES, Outbound } from "./mux/frame.ts";
import type { LivenessLimits } from "./mux/liveness.ts";
import type { Introduction, OpenRequest } from "./open-request.ts";
import { Opening } from "./opening.ts";
import { readReply, refusal } from "./reply.ts";
import { settler } from "./settler.ts";
import type { SessionStats } from "./stats.ts";
import { Stream, type StreamInfo } from "./stream.ts";
import type { CloseInfo, Transport } from "./transport.ts";

/** The most bytes in one message: what Chromium's pipe for a WebSocket holds. Twelve more, and an upload is half as fast. */
const MESSAGE_MAX = 64 * 1024;
/** Streams that a peer may have open here. */
const STREAMS_MAX = 16 * 1024;
const TICK_MS = 10_000;
/** How long a stream waits for a connection, unless it says otherwise: an answer may take 15 s, and a name 2 s to come. */
const PATIENCE_MS = 17_000;
/** So many microtasks in a row without a write, and what was written together leaves together. */
const QUIET_TURNS = 4;
/** Microtasks after which an end, and a next or first write, have come through their WritableStream. */
export const WRITE_TURNS = 16;

/** The next microtask, for less than `queueMicrotask` costs a page. */
const turn = Promise.resolve();

/** What a session tells its owner. */
export interface SessionHooks {
  open(): void;
  /** The connection could not be made. What was opened goes on waiting: give it another, or {@link Session.end} it. */
  missed(info: CloseInfo): void;
  /** The session is over. All its streams have ended. */
  close(info: CloseInfo): void;
  error(error: StreamError, cause?: unknown): void;
  /** A stream that no route took. */
  opening(opening: Opening): void;
  /** The peer opened a stream, and may have said nothing on it yet. */
  opened?(): void;
  /** The peer takes no more streams. */
  goAway(code: number): void;
  /** Whether more is to be sent in the next microtasks. */
  isBusy(): boolean;
  /** It will be closed now: the last words. */
  leaving(): void;
  /** Sees to a reset whose message is to reach the peer; without it the code alone does. */
  tell?(id: number, code: number, message: string): void;
}

/** What rides on one connection, from before it is made until it is gone. Streams may be opened all the while. */
export class Session implements Host {
  /** Who takes the streams that the peer opens, by path. */
  readonly routes = new Map<string, (opening: Opening) => void>();
  /** The proxy answered: this was a connection, not just a socket. */
  isProven = false;
  /** Why there is no connection, where that is known: what its streams fail with, unless they fail with {@link error}. */
  why: string | undefined;
  error: StreamError | undefined;
  /** The proxy refused us here, and with us all that we opened: another session may do better. */
  isRefused = false;
  /** The stream that introduced us: it alone keeps nothing alive. */
  hello: Stream | undefined;
  #introduce: (() => void) | undefined;
  readonly #up = settler();
  #transport: Transport | undefined;
  readonly #hooks: SessionHooks;
  readonly #core: Connection<Cell>;
  readonly #out = new Outbound(MESSAGE_MAX);
  readonly #drain = new Drain();
  #state: "connecting" | "open" | "closed" = "connecting";
  #isRetiring = false;
  #isReceiving = false;
  #received = 0;
  /** Whose bytes came last in the message that is being parsed. */
  #fed: Cell | undefined;
  #scheduled = false;
  #timer: Timer | undefined;

  /** With a proxy, unless it is said how else. */
  constructor(hooks: SessionHooks, debug: boolean, role: "opener" | "acceptor" = "opener", liveness?: LivenessLimits) {
    this.#hooks = hooks;
    // biome-ignore lint/suspicious/noConsole: the frame log is what `debug` asks for
    const log = (arrow: string) => (bytes: Uint8Array, at: number) => console.debug(arrow, describe(bytes, at));
    if (debug) this.#out.trace = log("→");
    const trace = debug ? log("←") : undefined;
    this.#core = new Connection<Cell>(role, this.#events(), now(), { trace, liveness });
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get isConnecting(): boolean {
    return this.#state === "connecting";
  }

  /** Whether it takes no more streams, although it lives. */
  get isSpent(): boolean {
    return this.isOpen && !this.#core.takesStreams;
  }

  /** Whether a stream that ended so is to be opened again on the next session. */
  leavesOver(error: StreamError): boolean {
    return error.code === "draining" || this.isRefused || (error.code === "lost" && !this.isOpen);
  }

  /** Takes the connection that is being made: the first, or another after one that was missed. */
  dial(transport: Transport): void {
    this.#transport = transport;
    transport.onopen = () => this.#opened();
    transport.onmessage = (bytes) => this.#receive(bytes);
    transport.onroom = () => this.#schedule();
    transport.onclose = (info) => this.gone(info);
  }

  /** The connection is gone, or none could be made. */
  gone(info: CloseInfo): void {
    if (this.#state === "connecting") this.#hooks.missed(info);
    else this.end(info);
  }

  /** Opens a stream at once; what goes wrong shows on the stream. Throws `bad_request` if what it says is too long. */
  open(request: OpenRequest): Stream {
    const { path, meta, fields, patience = PATIENCE_MS, replied, isParting, us, ...options } = request;
    const info: StreamInfo = { id: undefined, path, meta };
    const cell: Cell = new Cell(this, BODY_MAX, (reply) => {
      const error = us && !cell.isOver && refusal(reply);
      if (error) us.refused(error);
      readReply(cell, info, reply, replied);
    });
    const stream = new Stream(cell, info, options);
    if (this.#isRetiring && !isParting) cell.fail(new StreamError("gone", "the mux was closed"), false);
    if (!cell.isOver) this.start(cell, { path, meta, ...fields }, us);
    if (!cell.isOver && this.#state === "connecting" && patience < Infinity) this.#bound(cell, patience);
    return stream;
  }

  /** Opens a cell's stream with this open; the cell fails where the session takes no streams. Throws `bad_request` if the open is too long. */
  start(cell: Cell, open: object, us?: Introduction): void {
    if (this.#state === "closed" || !this.#core.takesStreams) {
      return cell.fail(this.#state === "closed" ? this.#lost : new StreamError("draining", this.why), false);
    }
    cell.id = this.#core.open(cell);
    this.#core.prioritize(cell.id, cell.priority);
    try {
      if (us) this.#introduce = () => this.#core.send(cell.id, us.hello());
      else cell.sendFrame(open);
    } catch (error) {
      cell.reset(StreamError.from(error));
      throw error;
    }
  }

  /** Sends what was written and may leave, then closes. Streams that are still open end `lost`, here and there. Call it after `open`. */
  async close(): Promise<void> {
    // What was just written is still on its way through its WritableStream; it stops at the latest where credit does.
    for (let quiet = 0; quiet < WRITE_TURNS; quiet++) {
      await null;
      if (this.#core.values().some((cell) => cell.isBusy) || this.#hooks.isBusy()) quiet = 0;
      else this.#flush(true);
    }
    if (this.#state === "closed") return;
    this.#hooks.leaving();
    this.#core.goAway(0);
    this.#flush(true);
    this.#transport?.close(1000, "");
    this.end({ code: 1000, reason: "" });
  }

  /** Closes as soon as no stream is left. */
  retire(): void {
    this.#isRetiring = true;
    this.hello?.reset();
    if (this.#core.size === 0) void this.close();
  }

  /** Asks the peer for a sign of life, and looks for it as soon as it may be missed. */
  probe(): void {
    if (this.#state !== "open") return;
    this.#core.ping(now());
    this.#schedule();
    this.#look();
  }

  /** Ends it for this error, and closes the connection with this code. */
  fail(error: StreamError, code: number, reason: string, cause?: unknown): void {
    this.#flush();
    this.#hooks.error(error, cause);
    this.#transport?.close(code, reason);
    this.end({ code, reason });
  }

  /** The connection is gone, or none came: all streams end `lost`, or as {@link error} says. */
  end(info: CloseInfo): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#timer);
    for (const cell of this.#core.values()) cell.fail(this.#lost, true);
    this.#hooks.close(info);
  }

  stats(): SessionStats {
    const { size: streams, queued, rtt, dropped } = this.#core;
    const { sent, allowance } = this.#drain;
    return { streams, queued, sent, received: this.#received, allowance, rtt, dropped };
  }

  send(id: number, bytes: Uint8Array): number {
    this.#core.send(id, bytes);
    // A full message has nothing to wait for; but the core is not asked for frames while it takes some in.
    if (this.#core.queued >= MESSAGE_MAX && !this.#isReceiving) this.#flush();
    this.#schedule();
    return this.#core.queuedOn(id);
  }

  unsent(id: number): number {
    return this.#core.queuedOn(id);
  }

  prioritize(id: number, priority: number): void {
    this.#core.prioritize(id, priority);
  }

  finish(id: number): void {
    this.#core.finish(id);
    this.#schedule();
  }

  reset(id: number, code: number, message?: string): void {
    if (message && this.#hooks.tell) return this.#hooks.tell(id, code, message);
    this.#core.reset(id, code);
    this.#schedule();
  }

  resetBehind(id: number, code: number): void {
    this.#core.resetBehind(id, code);
    this.#schedule();
  }

  consumed(id: number, bytes: number): void {
    this.#core.consumed(id, bytes);
    this.#schedule();
  }

  /** The peer says why the stream failed; its reset follows. */
  failed(id: number, error: StreamError): void {
    this.#core.value(id)?.fail(error, true);
  }

  get #lost(): StreamError {
    return this.error ?? new StreamError("lost", this.why);
  }

  /** Whether payload may leave now. */
  get #pours(): boolean {
    return this.#drain.isOpen && !this.#transport?.isFull;
  }

  #events(): Events<Cell> {
    return {
      opened: (id) => this.#accept(id),
      data: (cell, bytes) => {
        if (this.#fed !== cell) this.#fed?.settle();
        this.#fed = cell;
        cell.data(bytes);
      },
      finished: (cell) => cell.finished(),
      reset: (cell, code) => cell.fail(new StreamError(heard(code)), true),
      credit: () => {},
      ended: (cell, clean) => {
        cell.ended(clean);
        if (this.#isRetiring) this.retire();
      },
      sent: (cell, queued, finished) => cell.sent(queued, finished),
      pong: (token) => {
        this.#drain.pong(token, now());
        if (this.#drain.isPingDue) this.#mark();
      },
      goAway: (code) => this.#hooks.goAway(code),
    };
  }

  #accept(id: number): Cell {
    const cell: Cell = new Cell(this, ACCEPT_BODY_MAX, (open) => {
      const opening = Opening.read(cell, open);
      if (opening) (this.routes.get(opening.path) ?? this.#hooks.opening)(opening);
    });
    cell.id = id;
    this.#hooks.opened?.();
    // Behind this call, when the core knows the stream.
    if (this.#core.size >= STREAMS_MAX) queueMicrotask(() => cell.reset(new StreamError("limit")));
    return cell;
  }

  #opened(): void {
    if (this.#state !== "connecting") return;
    this.#state = "open";
    this.#up.resolve();
    this.#introduce?.();
    this.#tick();
    this.#flush();
    this.#hooks.open();
  }

  #receive(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#state !== "open") return;
    this.#received += bytes.length;
    this.#core.answersPings = this.#drain.takesPongs;
    this.#isReceiving = true;
    try {
      this.#core.receive(bytes, now());
      this.#fed?.settle();
      this.#fed = undefined;
      this.#isReceiving = false;
      this.#schedule();
    } catch (error) {
      this.fail(new StreamError("internal", `the peer broke the protocol: ${error}`), 4002, "protocol", error);
    }
  }

  /** Lets what is written together leave together: waits until nothing more is written in this turn, never for time to pass. */
  #schedule(turns = QUIET_TURNS): void {
    if (this.#scheduled || this.#state !== "open" || !this.#core.hasOutput(this.#pours)) return;
    this.#scheduled = true;
    let seen = -1;
    let quiet = 0;
    const look = (): void => {
      const { queued } = this.#core;
      quiet = queued === seen ? quiet + 1 : 0;
      seen = queued;
      if (quiet < turns && queued < MESSAGE_MAX) return void turn.then(look);
      this.#scheduled = false;
      this.#flush();
    };
    turn.then(look);
  }

  /** Puts out all that may leave; with `all`, without waiting for pongs, nor for a write that would fill the last message. */
  #flush(all = false): void {
    const out = this.#out;
    while (this.#state === "open") {
      out.length = 0;
      this.#core.transmit(out, all || this.#pours);
      if (out.length === 0) return;
      this.#transport?.send(out.bytes.subarray(0, out.length));
      if (this.#drain.add(out.length)) this.#mark();
      // A stream that is to have more than its share must be asked for more before others have it.
      if (this.#core.isWeighted && !all) return this.#schedule(WRITE_TURNS);
      const isFull = out.room < HEADER_BYTES;
      if (isFull && !all && this.#core.queued <= REST_MAX) return this.#schedule(WRITE_TURNS);
    }
  }

  /** A ping goes behind what was sent: ahead of what follows, in the same message. */
  #mark(): void {
    const at = now();
    this.#drain.mark(this.#core.ping(at), at);
  }

  /** Only to notice that the peer is gone: nothing that keeps a session alive needs a timer, which a hidden page may not get. */
  #tick(): void {
    if (!this.#core.tick(now())) {
      return this.fail(new StreamError("lost", "the proxy does not answer any more"), 4000, "no answer");
    }
    this.#schedule();
    this.#look();
  }

  #look(): void {
    clearTimeout(this.#timer);
    this.#timer = later(() => this.#tick(), TICK_MS);
  }

  /** The stream fails if no connection comes in time; what happens then is the proxy's to judge. */
  #bound(cell: Cell, patience: number): void {
    const timer = setTimeout(() => cell.reset(new StreamError("timeout", this.why)), patience);
    const stop = () => clearTimeout(timer);
    cell.closed.then(stop, stop);
    this.#up.promise.then(stop);
  }
}

function now(): number {
  return performance.now();
}
