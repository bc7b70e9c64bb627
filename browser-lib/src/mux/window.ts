// What the peer may still send on one stream, and when it gets more.
//
// The window doubles when the sender had to stop although the reader had read everything: credit, not the reader, was what held it up.

import { Violation } from "./frame.ts";

export const INITIAL_WINDOW = 256 * 1024;
export const WINDOW_MAX = 4 * 1024 * 1024;
/** What all windows of a session together may have grown by. */
export const SESSION_GROWTH_MAX = 16 * 1024 * 1024;

/** What a session gave beyond the initial windows. */
export class Growth {
  granted = 0;

  take(bytes: number): boolean {
    const fits = this.granted + bytes <= SESSION_GROWTH_MAX;
    if (fits) this.granted += bytes;
    return fits;
  }
}

export class Window {
  readonly #growth: Growth;
  #size = INITIAL_WINDOW;
  /** What the peer may still send, grants that have not left included. */
  #credit = INITIAL_WINDOW;
  /** The part of it that the peer was not told yet. */
  #untold = 0;
  #lastGrant = 0;
  #unread = 0;
  /** Consumed and not given back. */
  #owed = 0;

  constructor(growth: Growth) {
    this.#growth = growth;
  }

  get size(): number {
    return this.#size;
  }

  get credit(): number {
    return this.#credit;
  }

  get hasNews(): boolean {
    return this.#untold > 0;
  }

  /** Takes a frame's bytes out of what the peer was told that it may send. */
  receive(bytes: number): void {
    if (bytes > this.#credit - this.#untold) throw new Violation("window");
    this.#credit -= bytes;
    this.#unread += bytes;
  }

  /** Credit beside the policy. */
  grant(bytes: number): void {
    const most = Math.min(bytes, 0xffff_ffff - this.#credit);
    this.#lastGrant = this.#untold === 0 ? most : this.#lastGrant + most;
    this.#credit += most;
    this.#untold += most;
  }

  /** The reader took bytes: credit goes back once a step's worth is owed. */
  consume(bytes: number): void {
    const read = Math.min(bytes, this.#unread);
    if (read === 0) return;
    this.#unread -= read;
    this.#owed += read;
    const stopped = this.#credit === 0 || this.#credit === this.#lastGrant;
    if (this.#unread === 0 && stopped && this.#size < WINDOW_MAX && this.#growth.take(this.#size)) {
      this.#owed += this.#size;
      this.#size *= 2;
    }
    if (this.#owed >= this.#step) {
      this.grant(this.#owed);
      this.#owed = 0;
    }
  }

  /**
   * Half a window while it grows: one grant is on its way then, which tells a sender that stopped. Of a grown one an eighth: what is owed when a sender
   * stops, it gets a round trip late.
   */
  get #step(): number {
    return this.#size < WINDOW_MAX ? this.#size / 2 : this.#size / 8;
  }

  /** The credit to put into a WINDOW_UPDATE now. */
  tell(): number {
    const untold = this.#untold;
    this.#untold = 0;
    return untold;
  }

  /** The stream ended: gives back what the window had grown by. */
  release(): void {
    this.#growth.granted -= this.#size - INITIAL_WINDOW;
    this.#size = INITIAL_WINDOW;
  }
}
