// What a connection knows about one stream.

import { SYN } from "./frame.ts";
import { SendQueue } from "./queue.ts";
import { type Growth, INITIAL_WINDOW, Window } from "./window.ts";

/** The priority of a stream that has none: so many KiB are its turn. */
export const PRIORITY = 16;

export class Entry<T> {
  readonly id: number;
  readonly value: T;
  readonly queue = new SendQueue();
  readonly window: Window;
  /** What the peer lets us send. */
  credit = INITIAL_WINDOW;
  /** Our SYN has not left. */
  synDue: boolean;
  /** The peer has not acknowledged our SYN yet. */
  ackAwaited: boolean;
  /** The peer's SYN is not acknowledged yet. */
  ackDue: boolean;
  /** Stands in the queue of window updates. */
  hasNews = false;
  inRound = false;
  priority = PRIORITY;
  /** What is left of a turn that was cut short, by the end of a message or because the writer had no more just then. */
  turnLeft = 0;
  /** What it may still send ahead of the others in this round; nothing if it is new: opening streams is no way past them. */
  share = 0;
  /** The turn with which that round is over. */
  shareUntil = Number.POSITIVE_INFINITY;
  /** We finished; the FIN may still be behind the queue. */
  finished = false;
  finSent = false;
  peerFinished = false;
  /** The code of a reset that waits behind the queue. */
  resetBehind: number | undefined;
  over = false;

  constructor(id: number, value: T, growth: Growth, ours: boolean) {
    this.id = id;
    this.value = value;
    this.window = new Window(growth);
    this.synDue = this.ackAwaited = ours;
    this.ackDue = !ours;
  }

  /** The SYN flag, if it has to ride on the frame that leaves now. */
  takeSyn(): number {
    const flag = this.synDue ? SYN : 0;
    this.synDue = false;
    return flag;
  }

  get takesBytes(): boolean {
    return !this.over && !this.finished && this.resetBehind === undefined;
  }

  /** Whether data may still come that somebody wants. */
  get wantsData(): boolean {
    return !this.over && !this.peerFinished && this.resetBehind === undefined;
  }

  /** Whether a turn in the round would put something out. */
  get canSend(): boolean {
    if (this.over) return false;
    if (this.queue.bytes > 0) return this.credit > 0;
    return this.synDue || (this.finished && !this.finSent) || this.resetBehind !== undefined;
  }
}
