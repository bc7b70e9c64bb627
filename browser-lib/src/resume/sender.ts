// One direction as its sender knows it: what was written, what the peer holds, and what goes out next.

import { type Budget, Share } from "./budget.ts";
import { DATA_MAX, type Limits } from "./limits.ts";
import { DATA, FIN, integers } from "./record.ts";
import { Replay } from "./replay.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Positions count the direction's bytes, and FIN as one more. */
export class Sender {
  /** What the peer acknowledged. */
  base: number;
  finished = false;
  /** Bytes of DATA that went out more than once. */
  resent = 0;
  /** What goes next on the current carrier. */
  next: number;
  /** The bytes from `base` on. */
  readonly #replay: Replay;
  /** The highest room that the peer told. */
  #limit: number;
  /** The highest position that ever went out. */
  #sent: number;
  /** How much may be held with what was taken of the budget, and how much with what would be taken when it is needed. */
  #bound: number;
  #wanted: number;
  readonly #share: Share;
  readonly #limits: Limits;

  /** A direction of which `base` was acknowledged. */
  constructor(limits: Limits, budget: Budget, base = 0) {
    this.#limits = limits;
    this.#share = new Share(budget);
    this.#bound = limits.replayMin;
    this.#wanted = limits.replay;
    this.#limit = limits.windowMin;
    this.#replay = new Replay(base);
    this.base = this.next = this.#sent = base;
  }

  get written(): number {
    return this.#replay.end;
  }

  get isAcknowledged(): boolean {
    return this.base === this.written + Number(this.finished);
  }

  get isFinAcknowledged(): boolean {
    return this.finished && this.isAcknowledged;
  }

  /** Whether something that went out on the current carrier is not acknowledged yet. */
  get isWaiting(): boolean {
    return this.base < this.next;
  }

  /** Bytes that were written and did not go out yet. */
  get ahead(): number {
    return Math.max(0, this.written - Math.max(this.next, this.base));
  }

  /** How many bytes a writer may hand in now. */
  get writable(): number {
    return this.finished ? 0 : Math.max(0, this.#reach - this.#held);
  }

  write(bytes: Uint8Array): number {
    const part = bytes.subarray(0, this.writable);
    if (this.#held + part.length > this.#bound && this.#share.take(this.#wanted - this.#bound))
      this.#bound = this.#wanted;
    if (part.length > 0) this.#replay.push(part);
    return part.length;
  }

  /** The peer holds everything below `received` and may be sent `room` beyond: whether that was news; `undefined` if it cannot be. */
  acknowledged(received: number, room: number): boolean | undefined {
    if (received > this.#sent) return undefined;
    const isNews = received > this.base;
    if (isNews) {
      this.base = received;
      this.#replay.release(received);
    }
    this.#limit = Math.max(this.#limit, received + room);
    this.#wanted = Math.max(this.#wanted, Math.min(room, this.#limits.replayMax));
    if (this.base >= this.written) {
      this.#share.giveBack();
      this.#bound = this.#limits.replayMin;
    }
    return isNews;
  }

  /** A carrier becomes current: nothing that went out on another counts as sent. */
  take(): void {
    this.next = this.base;
  }

  /** The bytes behind a birth open. */
  early(max: number): Bytes[] {
    const length = Math.min(this.written, max);
    const out: Bytes[] = [];
    this.#replay.slices(0, length, out);
    this.resent += Math.min(this.#sent, length);
    this.#sent = Math.max(this.#sent, length);
    return out;
  }

  get wantsTransmit(): boolean {
    const next = Math.max(this.next, this.base);
    return next < Math.min(this.written, this.#limit) || this.#mayFin(next);
  }

  /** Puts out what may go now, behind what stands in `head` already: at most `room` bytes of DATA, then FIN. */
  transmit(room: number, head: number[], out: Bytes[]): void {
    this.next = Math.max(this.next, this.base);
    const end = Math.min(this.written, this.#limit, this.next + room);
    while (this.next < end) {
      const length = Math.min(end - this.next, DATA_MAX);
      integers(head, DATA, this.next, length);
      out.push(Uint8Array.from(head.splice(0)));
      this.#replay.slices(this.next, length, out);
      this.resent += Math.max(0, Math.min(this.#sent - this.next, length));
      this.next += length;
    }
    if (this.#mayFin(this.next)) {
      integers(head, FIN, this.written);
      this.next++;
    }
    this.#sent = Math.max(this.#sent, this.next);
  }

  /** Forgets what nobody will be sent any more. */
  clear(): void {
    this.#replay.release(this.written);
    this.#share.giveBack();
    // What the peer still says of its window takes nothing any more.
    this.#bound = Infinity;
  }

  /** Everything from `offset` on, for a stream that turned out not to be resumable. */
  rest(offset: number): Bytes[] {
    const out: Bytes[] = [];
    this.#replay.slices(offset, this.written - offset, out);
    this.#share.giveBack();
    return out;
  }

  /** Bytes that are not acknowledged. */
  get #held(): number {
    return Math.max(0, this.written - this.base);
  }

  /** How much could be held. */
  get #reach(): number {
    return this.#share.has(this.#wanted - this.#bound) ? this.#wanted : this.#bound;
  }

  #mayFin(next: number): boolean {
    return this.finished && next === this.written;
  }
}
