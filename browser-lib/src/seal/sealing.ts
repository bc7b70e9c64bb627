// One end of a sealed stream: seals what its user writes onto the stream below, and opens what comes from there.

import type { Carried, Cell, Host, Resumption, Sink } from "../cell.ts";
import { COPY_MAX } from "../chunk.ts";
import { StreamError } from "../error.ts";
import { codeNumber } from "../mux/codes.ts";
import { Fifo } from "../mux/queue.ts";
import type { Kind } from "../resume/carrier.ts";
import { TAG_BYTES } from "./noise.ts";
import type { Bytes } from "./primitives.ts";
import { Cutter, framed, type Numbered, PLAIN_MAX } from "./records.ts";

const BAD_REQUEST = codeNumber("bad_request");
/** Bytes that are being sealed at once: WebCrypto answers from a thread of its own, which on a busy machine takes milliseconds. */
const SEALING_MAX = 512 * 1024;
/** Bytes that may wait below while more are sealed. */
const QUEUED_MAX = 256 * 1024;

/** The keys of both directions. */
export interface Directions {
  readonly out: Numbered;
  readonly in: Numbered;
}

/** The user's cell rides on it, and it takes what comes of the cell below. */
export class Sealing implements Host, Sink {
  readonly #user: Cell;
  readonly #below: Cell;
  #keys: Directions | undefined;
  /** What the user wrote and still owns. */
  readonly #written = new Fifo<Uint8Array>();
  #owned = 0;
  /** A record that is not full, copied. */
  readonly #part = new Uint8Array(PLAIN_MAX);
  #copied = 0;
  /** Records that are being sealed, and the bytes in them. */
  #records = 0;
  #sealing = 0;
  /** What waits below. */
  #queued = 0;
  #finish: "wanted" | "sealed" | "passed" | undefined;
  #behind: number | undefined;
  /** Records leave, and come, in order. */
  #leaving: Promise<unknown> = Promise.resolve();
  #arriving: Promise<unknown> = Promise.resolve();
  readonly #cutter = new Cutter();
  /** Bytes that came, those of them that are records' and that the user has not read, and for how many credit was given back. */
  #came = 0;
  #unread = 0;
  #credited = 0;
  /** No record can be found any more in what comes. */
  #isBroken = false;
  /** The peer's last record came. */
  #isEnded = false;

  constructor(user: Cell, below: Cell) {
    this.#user = user;
    this.#below = below;
    user.host = this;
    below.sink = this;
    below.priority = user.priority;
    below.moved = (carrier) => user.moved(carrier);
  }

  /** The other end is who it should be: what was written may leave, and what comes is taken. */
  start(keys: Directions): void {
    // Under other keys numbers would begin anew, or under the same be used twice.
    if (this.#keys) throw new StreamError("internal", "a stream is sealed once");
    this.#keys = keys;
    this.#user.accepted();
    this.#pump();
  }

  get resumption(): Resumption | undefined {
    return this.#below.host.resumption;
  }

  get carrier(): Kind {
    return this.#below.host.carrier ?? "proxy";
  }

  get carried(): Readonly<Record<Kind, Carried>> | undefined {
    return this.#below.host.carried;
  }

  get isBusy(): boolean {
    return this.#user.isBusy;
  }

  /** A large chunk is its writer's until all of it was sealed or copied. */
  send(_: number, bytes: Uint8Array): number {
    this.#written.push(bytes);
    this.#owned += bytes.length;
    this.#pump();
    return bytes.length > COPY_MAX && this.#owned > 0 ? Infinity : this.#owned;
  }

  unsent(): number {
    return this.#owned + this.#copied + this.#sealing + this.#below.host.unsent(this.#below.id);
  }

  prioritize(_: number, priority: number): void {
    this.#below.priority = priority;
  }

  finish(): void {
    this.#finish ??= "wanted";
    this.#pump();
  }

  /** A message would be nothing that the other side could trust. */
  reset(_: number, number: number): void {
    this.#below.reset(new StreamError("cancelled"), number);
  }

  resetBehind(_: number, number: number): void {
    this.#behind = number;
    if (this.#finish === "passed") this.#below.host.resetBehind(this.#below.id, number);
  }

  consumed(_: number, bytes: number): void {
    this.#unread -= bytes;
    this.#credit();
  }

  data(bytes: Bytes): void {
    if (this.#user.isOver || this.#isBroken) return;
    try {
      for (let rest = bytes; rest.length > 0; ) {
        const { used, record } = this.#cutter.push(rest);
        rest = rest.subarray(used);
        if (record) this.#open(record);
      }
      this.#came += bytes.length;
      this.#credit();
    } catch {
      this.#isBroken = true;
      this.#then(() => this.#tampered("a record of a length that none has"));
    }
  }

  settle(): void {}

  finished(): void {
    this.#then(() => {
      if (this.#isEnded) this.#user.finished();
      else this.#tampered("it was cut short");
    });
  }

  sent(queued: number, finished: boolean): void {
    this.#queued = queued;
    this.#pump();
    if (this.#owned === 0) this.#user.sent(0, finished);
  }

  /** What came before is still read, once it was opened. */
  fail(error: StreamError, keep: boolean): void {
    const isLocal = !this.#keys || error.code === "lost";
    const shown = isLocal ? error : new StreamError(error.code);
    const fail = () => this.#user.fail(shown, keep);
    if (keep) this.#then(fail);
    else fail();
  }

  ended(clean: boolean): void {
    this.#then(() => this.#user.ended(clean));
  }

  /** Seals as much as may be under way. */
  #pump(): void {
    while (this.#keys && !this.#below.isOver && this.#sealing < SEALING_MAX && this.#queued < QUEUED_MAX) {
      const first = this.#written.peek();
      if (this.#copied === 0 && first && first.length >= PLAIN_MAX) {
        this.#seal(first.subarray(0, PLAIN_MAX) as Bytes);
        this.#take(first, PLAIN_MAX);
      } else {
        this.#gather();
        // A part waits only as long as others are being sealed: then it holds what was written meanwhile.
        if (this.#copied < PLAIN_MAX && (this.#copied === 0 || this.#records > 0)) break;
        this.#seal(this.#part.subarray(0, this.#copied));
        this.#copied = 0;
      }
    }
    if (this.#finish === "wanted" && this.#keys && this.#owned + this.#copied === 0) {
      this.#finish = "sealed";
      this.#seal(new Uint8Array(0));
    }
    if (this.#owned === 0) this.#user.sent(0, false);
  }

  /** Copies what was written into the part. */
  #gather(): void {
    for (let chunk = this.#written.peek(); chunk && this.#copied < PLAIN_MAX; chunk = this.#written.peek()) {
      const some = chunk.subarray(0, PLAIN_MAX - this.#copied);
      this.#part.set(some, this.#copied);
      this.#copied += some.length;
      this.#take(chunk, some.length);
    }
  }

  #take(chunk: Uint8Array, length: number): void {
    this.#owned -= length;
    if (length < chunk.length) this.#written.replaceFront(chunk.subarray(length));
    else this.#written.shift();
  }

  #seal(plain: Bytes): void {
    const { length } = plain;
    const sealed = (this.#keys as Directions).out.seal(plain);
    this.#records++;
    this.#sealing += length;
    sealed.catch(ignore);
    this.#leaving = this.#leaving.then(async () => {
      const record = framed(await sealed);
      this.#records--;
      this.#sealing -= length;
      const { host, id, isOver } = this.#below;
      if (isOver) return;
      this.#queued = host.send(id, record);
      if (length === 0) this.#passFinish();
      this.#pump();
    });
    this.#leaving.catch((error) => this.#user.reset(StreamError.from(error)));
  }

  #passFinish(): void {
    const { host, id } = this.#below;
    this.#finish = "passed";
    host.finish(id);
    if (this.#behind !== undefined) host.resetBehind(id, this.#behind);
  }

  /**
   * Gives credit back for all but what the user has yet to read. A record that is not whole counts as read: nobody could read it, and a window grows only where nothing is
   * left to read.
   */
  #credit(): void {
    const due = this.#came - this.#unread - this.#credited;
    if (due <= 0) return;
    this.#credited += due;
    this.#below.host.consumed(this.#below.id, due);
  }

  #open(record: Bytes): void {
    this.#unread += record.length - TAG_BYTES;
    if (!this.#keys) return this.#then(() => this.#tampered("records came before the answer"));
    const opened = this.#keys.in.open(record);
    opened.catch(ignore);
    this.#then(async () => {
      const plain = await opened.catch(ignore);
      if (this.#user.isOver) return;
      if (!plain) return this.#tampered("a record was altered, left out or put elsewhere");
      if (this.#isEnded) return this.#tampered("something stands behind its end");
      this.#isEnded = plain.length === 0;
      if (this.#isEnded) return;
      this.#user.data(plain);
      this.#user.settle();
    });
  }

  /** Behind what came before. */
  #then(action: () => unknown): void {
    this.#arriving = this.#arriving.then(action);
  }

  #tampered(detail: string): void {
    if (this.#user.isOver) return;
    this.#user.fail(new StreamError("tampered", detail), true);
    this.#below.reset(new StreamError("tampered"), BAD_REQUEST);
  }
}

function ignore(): undefined {}
