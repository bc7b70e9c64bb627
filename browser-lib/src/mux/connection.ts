// The protocol of one session as a state machine: bytes and an instant in, events and frames out. No socket, no clock, no promise.
//
// Everything is O(1) per frame and per open: streams with something to send stand in a round, those with news for the peer in a queue, and an
// ended stream leaves stale entries there that are skipped when their turn comes.

import { Control } from "./control.ts";
import { Entry, PRIORITY } from "./entry.ts";
import type { Config, Events } from "./event.ts";
import {
  ACK,
  DATA,
  FIN,
  GO_AWAY,
  HEADER_BYTES,
  type Outbound,
  PING,
  RST,
  SYN,
  type Trace,
  u32,
  Violation,
  WINDOW_UPDATE,
} from "./frame.ts";
import { LIBRARY_LIVENESS, Liveness } from "./liveness.ts";
import { ROOM_MIN, Round } from "./round.ts";
import { Growth, INITIAL_WINDOW } from "./window.ts";

/** What is left of a write may wait for the next one if it is no more than this: it is copied. */
export const REST_MAX = 4 * 1024;
const ID_MAX = 0xffff_ffff;
const CREDIT_MAX = 0xffff_ffff;

export class Connection<T> {
  readonly #events: Events<T>;
  readonly #parity: 0 | 1;
  readonly #trace: Trace | undefined;
  readonly #entries = new Map<number, Entry<T>>();
  readonly #round = new Round<T>();
  readonly #control = new Control<T>();
  readonly #growth = new Growth();
  readonly #liveness: Liveness;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  /** The frame whose payload is on its way, or whose FIN is to be acted on. */
  #payload = 0;
  #fin = false;
  #target: Entry<T> | undefined;
  #nextId: number;
  #queued = 0;
  #dropped = 0;
  #violation: Violation | undefined;
  /** Whether pings are answered: an owner that cannot get rid of pongs stops it. */
  answersPings = true;
  #gone = false;
  #peerGone = false;

  /** `opener` is the peer of a proxy and opens odd ids; `acceptor` is the proxy. */
  constructor(role: "opener" | "acceptor", events: Events<T>, now: number, config: Config = {}) {
    this.#parity = role === "opener" ? 1 : 0;
    this.#nextId = role === "opener" ? 1 : 2;
    this.#events = events;
    this.#trace = config.trace;
    this.#liveness = new Liveness(config.liveness ?? LIBRARY_LIVENESS, now);
  }

  /** How many streams live. */
  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of payload that wait to leave. */
  get queued(): number {
    return this.#queued;
  }

  /** Frames, or parts of them, that had no meaning. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Milliseconds between our last answered ping and its answer. */
  get rtt(): number | undefined {
    return this.#liveness.rtt;
  }

  /** Whether streams are to have unequal shares. */
  get isWeighted(): boolean {
    return this.#round.isWeighted;
  }

  /** Whether the peer still takes streams. */
  get takesStreams(): boolean {
    return !this.#gone && !this.#peerGone && !this.#violation && this.#nextId <= ID_MAX;
  }

  values(): T[] {
    return Array.from(this.#entries.values(), (entry) => entry.value);
  }

  value(id: number): T | undefined {
    return this.#entries.get(id)?.value;
  }

  queuedOn(id: number): number {
    return this.#entries.get(id)?.queue.bytes ?? 0;
  }

  /** How a live stream stands: what we may send, and what the peer may. */
  credits(id: number): { send: number; receive: number } | undefined {
    const entry = this.#entries.get(id);
    return entry && { send: entry.credit, receive: entry.window.credit };
  }

  /** Opens a stream; its SYN rides on the first frame that leaves. Ask {@link takesStreams} first. */
  open(value: T): number {
    const id = this.#nextId;
    this.#nextId += 2;
    const entry = new Entry(id, value, this.#growth, true);
    this.#entries.set(id, entry);
    this.#round.rouse(entry);
    return id;
  }

  /** Queues bytes; `false` if the stream takes none any more. The bytes must not change until they left. */
  send(id: number, bytes: Uint8Array): boolean {
    const entry = this.#entries.get(id);
    if (!entry?.takesBytes) return false;
    entry.queue.push(bytes);
    this.#queued += bytes.length;
    this.#round.rouse(entry);
    return true;
  }

  /** Sets how much a stream sends in its turn while others wait. */
  prioritize(id: number, priority: number): void {
    const entry = this.#entries.get(id);
    if (entry) this.#round.weigh(entry, priority);
  }

  /** Finishes our direction behind what is queued. */
  finish(id: number): boolean {
    const entry = this.#entries.get(id);
    if (!entry?.takesBytes) return false;
    entry.finished = true;
    this.#round.rouse(entry);
    return true;
  }

  /** Resets the stream ahead of everything; what is queued is dropped. If its SYN has not left, the peer never hears of it. */
  reset(id: number, code: number): boolean {
    const entry = this.#entries.get(id);
    if (!entry) return false;
    if (!entry.synDue) this.#control.resets.push([id, code]);
    this.#end(entry);
    return true;
  }

  /** Resets the stream behind what is queued, its FIN included; what the peer still sends is dropped and gives no credit. */
  resetBehind(id: number, code: number): boolean {
    const entry = this.#entries.get(id);
    if (!entry || entry.resetBehind !== undefined) return false;
    if (entry.synDue && entry.queue.bytes === 0 && !entry.finished) return this.reset(id, code);
    entry.resetBehind = code;
    this.#round.rouse(entry);
    return true;
  }

  /** The reader took bytes: credit goes back by the window's policy. */
  consumed(id: number, bytes: number): void {
    const entry = this.#entries.get(id);
    if (!entry?.wantsData) return;
    entry.window.consume(bytes);
    this.#announce(entry);
  }

  /** Credit beside the policy. */
  grant(id: number, bytes: number): void {
    const entry = this.#entries.get(id);
    if (!entry?.wantsData) return;
    entry.window.grant(bytes);
    this.#announce(entry);
  }

  /** Queues a ping; its token comes back with the pong. */
  ping(now: number): number {
    const token = this.#liveness.ping(now);
    this.#control.pings.push(token);
    return token;
  }

  /** Tells the peer that the session ends: 0 normal, 1 protocol, 2 internal. */
  goAway(code: number): void {
    this.#gone = true;
    this.#control.goAway = code;
  }

  /** Call it every ten seconds or so, late calls included; whether the peer lives. */
  tick(now: number): boolean {
    const verdict = this.#liveness.tick(now);
    if (typeof verdict === "number") this.#control.pings.push(verdict);
    return verdict !== "dead";
  }

  /** Takes bytes in. Throws a {@link Violation} if they break the protocol; after it only the GO_AWAY is sent. */
  receive(input: Uint8Array<ArrayBuffer>, now: number): void {
    if (this.#violation) throw this.#violation;
    if (input.length > 0) this.#liveness.heard(now);
    try {
      this.#parse(input, now);
    } catch (error) {
      if (error instanceof Violation) {
        this.#violation = error;
        this.goAway(1);
      }
      throw error;
    }
  }

  /** Whether {@link transmit} would put anything out, or nearly so: what ended meanwhile counts, too. */
  hasOutput(withData: boolean): boolean {
    return !this.#control.isEmpty || (withData && this.#round.length > 0);
  }

  /**
   * Appends whole frames to `out` until it is full, `max` bytes are there, or nothing may leave.
   *
   * PING, GO_AWAY, WINDOW_UPDATE and RST first, then the streams in turn, unless `withData` is false. Where shares are unequal it stops when a stream is
   * emptied, which may be written to before the others go on.
   */
  transmit(out: Outbound, withData = true, max: number = out.bytes.length): void {
    if (this.#violation) return this.#control.putGoAway(out);
    const hasRoom = () => out.length < max && out.room >= ROOM_MIN;
    while (hasRoom() && this.#control.putNext(out)) {}
    while (withData && hasRoom()) {
      const entry = this.#round.next();
      if (!entry) return;
      if (!entry.over) this.#takeTurn(entry, out);
      if (this.isWeighted && entry.queue.bytes === 0 && out.length > 0) return;
    }
  }

  #takeTurn(entry: Entry<T>, out: Outbound): void {
    const ending = entry.finished || entry.resetBehind !== undefined;
    // Room for the header, and for a FIN and an RST behind the data.
    const room = out.room - (ending ? 3 : 1) * HEADER_BYTES;
    const most = Math.min(this.#round.turn(entry), entry.queue.bytes, entry.credit, room);
    const finishing = entry.finished && !entry.finSent;
    if (most > 0) {
      out.header(DATA, entry.takeSyn(), entry.id, most);
      entry.queue.take(out.payload(most));
      if (entry.queue.bytes <= REST_MAX) entry.queue.own(REST_MAX);
      entry.credit -= most;
      this.#queued -= most;
    } else if (entry.synDue && !finishing) {
      out.header(WINDOW_UPDATE, entry.takeSyn(), entry.id, 0);
    }
    const emptied = entry.queue.bytes === 0;
    if (emptied && finishing) {
      entry.finSent = true;
      out.header(DATA, entry.takeSyn() | FIN, entry.id, 0);
    }
    const both = entry.finSent && entry.peerFinished;
    const behind = emptied && !both && entry.resetBehind !== undefined;
    if (behind) out.header(WINDOW_UPDATE, RST, entry.id, entry.resetBehind ?? 0);
    this.#round.took(entry, most, room);
    if (most > 0 || finishing) this.#events.sent(entry.value, entry.queue.bytes, entry.finSent);
    if (both || behind) this.#end(entry);
    else this.#round.stay(entry);
  }

  #parse(input: Uint8Array<ArrayBuffer>, now: number): void {
    let at = 0;
    while (true) {
      if (this.#payload > 0) {
        const part = input.subarray(at, at + this.#payload);
        if (part.length === 0) return;
        at += part.length;
        this.#payload -= part.length;
        if (this.#target?.wantsData) this.#events.data(this.#target.value, part);
      } else if (this.#fin) {
        this.#finishPeer();
      } else {
        const used = Math.min(input.length - at, HEADER_BYTES - this.#headerBytes);
        if (used === 0) return;
        for (let i = 0; i < used; i++) this.#header[this.#headerBytes++] = input[at++] ?? 0;
        if (this.#headerBytes < HEADER_BYTES) return;
        this.#headerBytes = 0;
        this.#frame(now);
      }
    }
  }

  #finishPeer(): void {
    this.#fin = false;
    const entry = this.#target;
    if (!entry || entry.over) return;
    if (entry.peerFinished) {
      this.#dropped++;
      return;
    }
    const wanted = entry.wantsData;
    entry.peerFinished = true;
    if (wanted) this.#events.finished(entry.value);
    if (entry.finSent) this.#end(entry);
  }

  #frame(now: number): void {
    const header = this.#header;
    this.#trace?.(header, 0);
    const kind = header[1] ?? 0;
    const flags = ((header[2] ?? 0) << 8) | (header[3] ?? 0);
    const id = u32(header, 4);
    const length = u32(header, 8);
    if (header[0] !== 0) throw new Violation("version");
    if (kind > GO_AWAY) throw new Violation("type");
    if (flags > 15) this.#dropped++;
    if (kind === PING) this.#pingFrame(flags, length, now);
    else if (kind === GO_AWAY) {
      this.#peerGone = true;
      this.#events.goAway(length);
    } else this.#streamFrame(kind, flags, id, length);
  }

  #pingFrame(flags: number, token: number, now: number): void {
    if (flags & SYN) {
      if (!this.answersPings || !this.#control.pong(token)) this.#dropped++;
    } else if (flags & ACK && this.#liveness.pong(token, now)) this.#events.pong(token);
    else this.#dropped++;
  }

  #streamFrame(kind: number, flags: number, id: number, length: number): void {
    if (id === 0) throw new Violation("stream_zero");
    let entry = this.#entries.get(id);
    if (flags & SYN) {
      if (id % 2 === this.#parity) throw new Violation("parity");
      if (entry) throw new Violation("reuse");
      if (!(flags & RST)) {
        // Judged before anybody hears of it.
        if (kind === DATA && length > INITIAL_WINDOW) throw new Violation("window");
        if (kind === WINDOW_UPDATE && length > CREDIT_MAX - INITIAL_WINDOW) throw new Violation("credit_overflow");
        entry = new Entry(id, this.#events.opened(id), this.#growth, false);
        this.#entries.set(id, entry);
        this.#announce(entry);
      }
    }
    this.#payload = kind === DATA ? length : 0;
    this.#target = entry;
    if (!entry) {
      this.#dropped++;
      return;
    }
    if (kind === DATA) {
      if (entry.peerFinished) throw new Violation("after_fin");
      entry.window.receive(length);
    } else if (!(flags & RST) && length > 0) this.#credit(entry, length, (flags & SYN) === 0);
    if (flags & ACK) {
      if (!entry.ackAwaited) this.#dropped++;
      entry.ackAwaited = false;
    }
    if (flags & RST) {
      // Out of the way first: whatever the event makes its reader do, a reset is not answered.
      this.#entries.delete(id);
      this.#events.reset(entry.value, kind === WINDOW_UPDATE ? length : 0);
      this.#end(entry);
    } else this.#fin = (flags & FIN) !== 0;
  }

  #credit(entry: Entry<T>, bytes: number, tell: boolean): void {
    entry.credit += bytes;
    if (entry.credit > CREDIT_MAX) throw new Violation("credit_overflow");
    this.#round.rouse(entry);
    if (tell) this.#events.credit(entry.value);
  }

  /** Puts the stream into the queue of window updates if the peer must hear of something. */
  #announce(entry: Entry<T>): void {
    if (entry.hasNews || !(entry.ackDue || entry.window.hasNews)) return;
    entry.hasNews = true;
    this.#control.news.push(entry);
  }

  #end(entry: Entry<T>): void {
    if (entry.over) return;
    entry.over = true;
    this.#round.weigh(entry, PRIORITY);
    this.#entries.delete(entry.id);
    entry.window.release();
    this.#queued -= entry.queue.clear();
    this.#events.ended(entry.value, entry.finSent && entry.peerFinished);
  }
}
