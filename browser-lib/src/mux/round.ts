// The streams that have something to send, and how much each sends in its turn.

import { type Entry, PRIORITY } from "./entry.ts";
import { HEADER_BYTES } from "./frame.ts";
import { Fifo } from "./queue.ts";

/** The most payload in one frame. */
const FRAME_MAX = 64 * 1024;
/** The most payload of one stream while others wait, for each of its priority: 16 KiB unless stated. */
const TURN_PART = 1024;
/** Below this much a rest of a message, or of a turn, is only crumbs. */
export const ROOM_MIN = 1024;

/**
 * Deficit round robin, with those ahead that say little (as FQ-CoDel does, RFC 8290, section 4.1): what a stream says now and then does not wait behind
 * everybody's bulk. What it says there is taken off its share; when that is used up it waits until all others have had their turns.
 */
export class Round<T> {
  readonly #sparse = new Fifo<Entry<T>>();
  readonly #waiting = new Fifo<Entry<T>>();
  /** Turns that those who wait have had. */
  #turns = 0;
  /** Streams of another priority than usual. */
  #weighted = 0;

  get length(): number {
    return this.#sparse.length + this.#waiting.length;
  }

  /** Whether streams are to have unequal shares. */
  get isWeighted(): boolean {
    return this.#weighted > 0;
  }

  weigh(entry: Entry<T>, priority: number): void {
    this.#weighted += Number(priority !== PRIORITY) - Number(entry.priority !== PRIORITY);
    entry.priority = priority;
  }

  /** Puts the stream into the round if it has something that may leave: where it belongs, or at once if its turn is not over. */
  rouse(entry: Entry<T>): void {
    if (entry.inRound || !entry.canSend) return;
    entry.inRound = true;
    if (entry.turnLeft > 0) this.#sparse.unshift(entry);
    else if (entry.share >= ROOM_MIN || this.#turns >= entry.shareUntil) this.#sparse.push(entry);
    else this.#waiting.push(entry);
  }

  /** Puts a stream back that has had its turn, if it has more. */
  stay(entry: Entry<T>): void {
    if (entry.inRound || !entry.canSend) return;
    entry.inRound = true;
    if (entry.turnLeft > 0) this.#sparse.unshift(entry);
    else this.#waiting.push(entry);
  }

  /** Takes out the stream whose turn it is; it may have ended meanwhile. */
  next(): Entry<T> | undefined {
    const ahead = this.#sparse.shift();
    const entry = ahead ?? this.#waiting.shift();
    if (!entry) return undefined;
    entry.inRound = false;
    if (!ahead) this.#turns++;
    if (!ahead || (entry.turnLeft === 0 && this.#turns >= entry.shareUntil)) {
      entry.share = entry.priority * TURN_PART;
      entry.shareUntil = this.#turns + Math.max(this.#waiting.length, 1);
    }
    return entry;
  }

  /** How much the stream that was taken out may send. */
  turn(entry: Entry<T>): number {
    return this.length === 0 ? FRAME_MAX : entry.turnLeft || entry.share;
  }

  /**
   * It sent so much, with so much room in the message. Its turn goes on if the message cut it short, and where shares are unequal also if it has no more just
   * now: its writer may have, at once.
   */
  took(entry: Entry<T>, bytes: number, room: number): void {
    const rest = this.turn(entry) - bytes;
    const isCut = bytes === room || (this.isWeighted && entry.queue.bytes === 0);
    entry.turnLeft = isCut && this.length > 0 && rest >= ROOM_MIN ? rest : 0;
    if (bytes > 0) entry.share = Math.max(entry.share - bytes - HEADER_BYTES, 0);
  }
}
