// What only a client's end of a stream keeps: it opens the carriers, and tries again.

import type { Limits } from "./limits.ts";
import type { Reason } from "./record.ts";

export class Client {
  /** The birth open was answered. */
  isReplied = false;
  /** Birth opens that went out. */
  births = 0;
  /** Those of them that no proxy can have answered. */
  unheard = 0;
  openDeadline: number;
  /** The last error that a repeated birth open was answered with. */
  refusal: Reason | undefined;
  /** The shell was asked to open a carrier and has not said what came of it. */
  isAsked = true;
  /** When to ask it. */
  reopen: number | undefined;
  /** Tries since a byte was last received or acknowledged: a carrier that is proven and dies at once is no progress. */
  tries = 1;
  /** The last try after a sleep ends then. */
  lastTry: number | undefined;
  readonly #openTimeout: number;
  readonly #random: () => number;

  constructor(openTimeout: number, random: () => number, now: number) {
    this.#openTimeout = openTimeout;
    this.openDeadline = now + openTimeout;
    this.#random = random;
  }

  /** A birth open leaves. The wait for a connection took none of its time. */
  bears(now: number): void {
    this.isAsked = false;
    if (this.births++ === 0) this.openDeadline = now + this.#openTimeout;
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
