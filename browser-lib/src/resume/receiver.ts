// One direction as its receiver knows it: what came, what was read, and what the peer must be told of that.

import { type Budget, Share } from "./budget.ts";
import type { Limits } from "./limits.ts";
import { ACK, integers } from "./record.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Room is told in steps of a quarter of the window, so a sender that stopped stands at one of this many. */
const STEPS = 4;
/** Up to here a copy costs less than one more chunk and the memory that it would hold on to. */
const SHORT = 256;
/** Short chunks are joined up to this size. */
const TAIL_MAX = 16 * 1024;
const EMPTY: Bytes = new Uint8Array();

/** Bytes are held from the moment they come until they are taken to be read; room is given back when they were consumed. */
export class Receiver {
  /** Bytes received. */
  received = 0;
  /** The direction's length, once FIN came. */
  total: number | undefined;
  /** The peer must be told at once. */
  isDue = false;
  #unread: Bytes[] = [];
  /** Where short chunks are joined: the last unread one lies in it, or it is of no use. */
  #tail = EMPTY;
  /** How much was taken to be read, and how much of that the application is through with. */
  #taken = 0;
  #read = 0;
  /** Something was dropped unread: what is left is no clean end. */
  #dropped = false;
  /** The highest `received + room` that the peer was told, and the last few of those. */
  #granted: number;
  #steps: number[];
  #window: number;
  /** The position that was last told on a current carrier. */
  #told = 0;
  /** When the peer must be told of bytes that are too few to be told at once. */
  #dueAt: number | undefined;
  readonly #share: Share;
  readonly #limits: Limits;

  constructor(limits: Limits, budget: Budget) {
    this.#limits = limits;
    this.#share = new Share(budget);
    this.#granted = this.#window = limits.windowMin;
    this.#steps = Array<number>(STEPS).fill(this.#window);
  }

  /** A direction of which `position` was received; nothing more is taken, and nothing is to be read. */
  static buried(limits: Limits, budget: Budget, position: number, total: number | undefined): Receiver {
    const receiver = new Receiver(limits, budget);
    receiver.received = receiver.#taken = receiver.#read = receiver.#granted = total ?? position;
    receiver.total = total;
    receiver.#dropped = true;
    return receiver;
  }

  /** Bytes received, and one more for FIN. */
  get position(): number {
    return this.received + Number(this.total !== undefined);
  }

  /** Everything that comes was taken to be read. */
  get isRead(): boolean {
    return this.total === this.#taken && !this.#dropped;
  }

  get isReadable(): boolean {
    return this.#unread.length > 0;
  }

  /** Whether DATA neither leaves a hole nor goes beyond what was granted, or beyond the end. */
  takes(offset: number, length: number): boolean {
    return offset <= this.received && offset + length <= Math.min(this.#granted, this.total ?? Infinity);
  }

  /** Payload: skips what is here already, keeps the rest. Whether there was one; `undefined` if it cannot be. */
  payload(offset: number, bytes: Bytes, now: number): boolean | undefined {
    // Another carrier may have brought FIN since the head came.
    if (!this.takes(offset, bytes.length)) return undefined;
    const news = bytes.subarray(this.received - offset);
    if (news.length === 0) return false;
    this.#keep(news);
    this.received += news.length;
    if (this.received - this.#told >= Math.min(this.#limits.ackBytes, this.#window / 4)) this.isDue = true;
    else this.#dueAt ??= now + this.#limits.ackDelay;
    return true;
  }

  /** FIN: all of the direction must be here; it is acknowledged at once. */
  fin(total: number): boolean | undefined {
    if (total !== this.received) return undefined;
    const isNews = this.total === undefined;
    this.total = total;
    this.isDue = true;
    return isNews;
  }

  read(): Bytes | undefined {
    const chunk = this.#unread.shift();
    this.#taken += chunk?.length ?? 0;
    if (!this.isReadable) this.#tail = EMPTY;
    return chunk;
  }

  /**
   * The application is through with that many of the bytes that it took: room for as many, and a larger window if the window was what held the sender
   * up: it reached the end of a step, and nothing is left to read.
   */
  consumed(bytes: number): void {
    this.#read = Math.min(this.#read + bytes, this.#taken);
    if (this.total !== undefined) return;
    const isHeldUp = this.#read === this.received && this.#steps.includes(this.#read);
    if (isHeldUp && this.#window < this.#limits.windowMax && this.#share.take(this.#window)) this.#window *= 2;
    this.isDue ||= this.#hasNewRoom;
  }

  /** Appends what the peer must know now. On the current carrier that settles it; on another it may be lost without anybody noticing. */
  tell(isCurrent: boolean, out: number[]): void {
    if (this.total === undefined && this.#hasNewRoom) {
      this.#granted = this.#read + this.#window;
      this.#steps = [...this.#steps.slice(1), this.#granted];
    }
    if (isCurrent) {
      this.#told = this.position;
      this.isDue = false;
      this.#dueAt = undefined;
    }
    integers(out, ACK, this.position, Math.max(0, this.#granted - this.position));
  }

  get deadline(): number | undefined {
    return this.isDue ? undefined : this.#dueAt;
  }

  tick(now: number): void {
    this.isDue ||= this.#dueAt !== undefined && this.#dueAt <= now;
  }

  /** Nothing will be read any more. */
  clear(): void {
    this.#dropped = this.isReadable;
    this.#unread = [];
    this.#taken = this.#read = this.received;
    this.stop();
  }

  /** Nothing will come any more; what is here stays readable. */
  stop(): void {
    this.#dueAt = undefined;
    this.#share.giveBack();
  }

  /**
   * As it is if it is long, or the only one: who reads at once gets all of a message as its slices. Else copied behind the short ones before it, so that a
   * byte costs no chunk.
   */
  #keep(bytes: Bytes): void {
    if (bytes.length > SHORT || !this.isReadable) {
      this.#unread.push(bytes);
      return;
    }
    const last = this.#unread.at(-1);
    const isOpen = last?.buffer === this.#tail.buffer;
    const [from, to] = isOpen ? [last.byteOffset, last.byteOffset + last.length] : [0, 0];
    if (isOpen && to + bytes.length <= this.#tail.length) {
      this.#tail.set(bytes, to);
      this.#unread[this.#unread.length - 1] = this.#tail.subarray(from, to + bytes.length);
    } else {
      this.#tail = new Uint8Array(isOpen ? Math.min(TAIL_MAX, 2 * this.#tail.length) : SHORT);
      this.#tail.set(bytes);
      this.#unread.push(this.#tail.subarray(0, bytes.length));
    }
  }

  get #hasNewRoom(): boolean {
    return this.#read + this.#window >= this.#granted + this.#window / 4;
  }
}
