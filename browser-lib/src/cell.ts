// One stream as the session knows it: its two halves, the open or reply in front of its bytes, and how it ends.

import { StreamError } from "./error.ts";
import { FrameReader, frame } from "./framing.ts";
import type { JsonObject } from "./json.ts";
import { APPLICATION_CODE_MIN, codeNumber, isApplicationCode } from "./mux/codes.ts";
import { PRIORITY } from "./mux/entry.ts";
import { ReadHalf } from "./reading.ts";
import type { Kind } from "./resume/carrier.ts";
import { settler } from "./settler.ts";
import { WriteHalf } from "./writing.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How a resumable stream has fared so far. */
export interface Resumption {
  /** Times that it went on over another connection. */
  readonly moves: number;
  /** Bytes that were sent more than once for it. */
  readonly resent: number;
  /** Bytes that came, and bytes of ours that the other side holds for certain; of a sealed stream that is the proxy's word. */
  readonly received: number;
  readonly acknowledged: number;
}

/** What went over one kind of carrier, and how often the stream moved to it. */
export interface Carried {
  /** Bytes, those that were said again and what is said about them included. */
  readonly sent: number;
  readonly received: number;
  readonly moves: number;
}

/** What a stream asks of what carries it: of its session, or of the resumable stream that goes from one session to the next. */
export interface Host {
  readonly resumption?: Resumption | undefined;
  readonly carrier?: Kind;
  readonly carried?: Readonly<Record<Kind, Carried>> | undefined;
  /** Queues bytes; how many the stream has queued now. */
  send(id: number, bytes: Uint8Array): number;
  /** How much of that has not left. */
  unsent(id: number): number;
  /** How the stream stands to others that have something to send. */
  prioritize(id: number, priority: number): void;
  finish(id: number): void;
  /** The message is for the other side, where something carries it. */
  reset(id: number, code: number, message?: string): void;
  resetBehind(id: number, code: number): void;
  consumed(id: number, bytes: number): void;
}

/** Who a cell's bytes and its end are for, if not for its user: the resumable stream that it carries. */
export interface Sink {
  /** Writes come in the next microtasks. */
  readonly isBusy: boolean;
  data(bytes: Bytes): void;
  /** The message is parsed, or another stream's bytes follow in it. */
  settle(): void;
  finished(): void;
  sent(queued: number, finished: boolean): void;
  fail(error: StreamError, keep: boolean): void;
  ended(clean: boolean): void;
}

/** What to do with the first frame: the peer's open or its reply, or why there is none. */
export type First = (value: JsonObject | StreamError) => void;

const CANCELLED = codeNumber("cancelled");
/** Four bytes a code point at most: a message fits into the 512 bytes that pass the proxy. */
const MESSAGE_CHARS_MAX = 128;

export class Cell implements Sink {
  /** What carries it; a resumable stream that turns out to be none goes on on its session. */
  host: Host;
  /** The id there. */
  id = 0;
  /** Set where its own halves are not used. */
  sink: Sink | undefined;
  /** Another kind of carrier took it over. */
  moved = (_: Kind): void => {};
  readonly read: ReadHalf;
  readonly write: WriteHalf;
  /** Resolves when the stream was accepted, by us or by the peer. */
  readonly opened: Promise<void>;
  /** Resolves when both directions finished. */
  readonly closed: Promise<void>;
  #frames: FrameReader | undefined;
  readonly #first: First;
  #settleOpened = settler();
  #settleClosed = settler();
  #over: StreamError | "finished" | undefined;
  #readCancelled = false;
  #peerFinished = false;
  #finished = false;
  #answered = false;
  /** Our open or reply is still queued. */
  #frameWaits = false;
  #priority = PRIORITY;

  /** `bodyMax` bounds the first frame that comes in; without it none does. */
  constructor(host: Host, bodyMax?: number, first: First = () => {}) {
    this.host = host;
    this.#first = first;
    this.#frames = bodyMax === undefined ? undefined : new FrameReader(bodyMax);
    this.opened = this.#settleOpened.promise;
    this.closed = this.#settleClosed.promise;
    this.read = new ReadHalf({
      consumed: (bytes) => this.host.consumed(this.id, bytes),
      cancelled: () => this.#cancelRead(),
    });
    this.write = new WriteHalf({
      send: (bytes) => this.host.send(this.id, bytes),
      unsent: () => this.host.unsent(this.id),
      finish: () => this.#finish(),
      aborted: (reason) => this.reset(new StreamError(abortCode(reason))),
    });
  }

  /** Whether the stream ended, one way or another. */
  get isOver(): boolean {
    return this.#over !== undefined;
  }

  get priority(): number {
    return this.#priority;
  }

  set priority(priority: number) {
    this.#priority = priority;
    this.host.prioritize(this.id, priority);
  }

  get isBusy(): boolean {
    return (this.sink ?? this.write).isBusy;
  }

  /** Sends the open, the reply or a note. Throws `bad_request` if it is too long, before anything is sent. */
  sendFrame(value: object): void {
    this.host.send(this.id, frame(value));
    this.#frameWaits = true;
  }

  /** The stream was accepted, by the peer's reply or ours. */
  accepted(): void {
    this.#answered = true;
    this.#settleOpened.resolve();
  }

  /** Answers the peer's open with an error; nobody gets to see the stream. */
  refuse(error: StreamError): void {
    if (this.isOver) return;
    const code = error.number < APPLICATION_CODE_MIN ? error.code : error.number;
    this.sendFrame({ error: { code, message: cut(error.detail) } });
    this.host.finish(this.id);
    this.fail(error, false);
    this.host.resetBehind(this.id, CANCELLED);
  }

  /** Aborts both directions with this error here, and on the other side with its number or another. */
  reset(error: StreamError, number: number = error.number, message?: string): void {
    if (this.isOver) return;
    this.fail(error, false);
    // A reset drops what is queued; without the reply in front of it, it would read as a refusal.
    if (this.#frameWaits && this.#answered && !message) this.host.resetBehind(this.id, number);
    else this.host.reset(this.id, number, message);
  }

  /** The stream failed. With `keep`, what came in before is still read. */
  fail(error: StreamError, keep: boolean): void {
    if (this.isOver) return;
    this.#over = error;
    const frames = this.#frames;
    this.#frames = undefined;
    this.read.fail(error, keep);
    this.write.fail(error);
    this.#settleOpened.reject(error);
    this.#settleClosed.reject(error);
    if (frames) this.#first(error);
    this.sink?.fail(error, keep);
  }

  /** The session: bytes came. */
  data(bytes: Bytes): void {
    let rest = bytes;
    if (this.#frames) {
      const used = this.#takeFirst(this.#frames, bytes);
      rest = bytes.subarray(used);
    }
    if (rest.length === 0 || this.isOver) return;
    if (this.sink) this.sink.data(rest);
    else if (!this.#readCancelled) this.read.push(rest);
  }

  settle(): void {
    (this.sink ?? this.read).settle();
  }

  /** The session: the peer finished. */
  finished(): void {
    if (this.#frames) return this.#malformed(new StreamError("bad_request", "the stream ended too early"));
    if (this.sink) return this.sink.finished();
    this.#peerFinished = true;
    this.read.finish();
  }

  /** The session: frames left; what is still queued, and whether the finish was among them. */
  sent(queued: number, finished: boolean): void {
    this.#frameWaits = false;
    (this.sink ?? this.write).sent(queued, finished);
  }

  /** The session: both directions finished, which is `clean`, or a reset went out. */
  ended(clean: boolean): void {
    if (!clean) this.fail(new StreamError("cancelled"), false);
    if (this.isOver) return;
    this.#over = "finished";
    this.#settleClosed.resolve();
    this.sink?.ended(clean);
  }

  #takeFirst(frames: FrameReader, bytes: Bytes): number {
    try {
      const { used, value } = frames.push(bytes);
      // The open and the reply are ours to read: their credit goes back at once.
      this.host.consumed(this.id, used);
      if (value) {
        this.#frames = undefined;
        this.#first(value);
      }
      return used;
    } catch (error) {
      this.#malformed(StreamError.from(error));
      return bytes.length;
    }
  }

  #malformed(error: StreamError): void {
    this.#frames = undefined;
    this.#first(error);
  }

  #finish(): void {
    this.#finished = true;
    this.host.finish(this.id);
    if (this.#readCancelled && !this.#peerFinished) this.host.resetBehind(this.id, CANCELLED);
  }

  #cancelRead(): void {
    this.#readCancelled = !this.#peerFinished;
    if (this.#finished && this.#readCancelled) this.host.resetBehind(this.id, CANCELLED);
  }
}

/** The code for what a WritableStream was aborted with: one that was meant for it, else `cancelled`. */
function abortCode(reason: unknown): string | number {
  if (reason instanceof StreamError) return reason.code;
  return typeof reason === "number" && isApplicationCode(reason) ? reason : "cancelled";
}

/** The start of a text that is not too long, no character cut in two. */
function cut(text: string): string {
  // Two units a code point at most.
  return Array.from(text.slice(0, 2 * MESSAGE_CHARS_MAX))
    .slice(0, MESSAGE_CHARS_MAX)
    .join("");
}
