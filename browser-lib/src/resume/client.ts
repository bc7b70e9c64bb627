// What only a client's end of a stream keeps: it opens the carriers, and tries again.

import type { Limits } from "./limits.ts";
import type { Reason } from "./record.ts";

export class Client {
  /** The birth open was answered. */
  isReplied = false;
  /** Birth opens that went out. */
  births = 0;
  readonly openDeadline: number;
  /** The last error that a repeated birth open was answered with. */
  refusal: Reason | undefined;
  /** The shell was asked to open a carrier and has not said what came of it. */
  isAsked = true;
  /** When to ask it. */
  reopen: number | undefined;
  /** Tries since a proxy carrier was last proven. */
  tries = 1;
  /** The last try after a sleep ends then. */
  lastTry: number | undefined;
  readonly #random: () => number;

  constructor(openDeadline: number, random: () => number) {
    this.openDeadline = openDeadline;
    this.#random = random;
  }

  /** Sets a time to open a carrier where one is wanted. */
  plan(isWanted: boolean, limits: Limits, now: number): void {
    if (!isWanted || this.isAsked) this.reopen = undefined;
    else if (this.reopen === undefined) {
      const most = Math.min(limits.reopenMin * 2 ** Math.min(this.tries, 16), limits.reopenMax);
      this.reopen = now + most * this.#random();
      this.tries++;
    }
  }

  /** Whether a carrier that was planned is to be opened by now: the shell is asked then. */
  isDue(now: number): boolean {
    if (this.reopen === undefined || this.reopen > now) return false;
    this.reopen = undefined;
    this.isAsked = true;
    return true;
  }
}
