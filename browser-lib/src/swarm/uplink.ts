// What we give away a second: a bucket that fills at that rate, and a line of those who wait for their slice.

import { later, type Timer } from "../later.ts";
import { Fifo } from "../mux/queue.ts";

/** Sent at once, so that everybody who fetches from us gets some in turn. Bytes. */
export const SLICE = 16 * 1024;
/** What may be used at once after a pause. Milliseconds. */
const BURST_MS = 50;
/** More than can be sent in this time is not promised. Milliseconds. */
const PROMISED_MS = 2_000;

export class Uplink {
  #rate: number;
  #tokens = 0;
  #at = performance.now();
  readonly #waiting = new Fifo<{ readonly bytes: number; readonly go: () => void }>();
  #timer: Timer | undefined;
  /** Bytes that were promised and not sent. */
  #promised = 0;
  /** Those to whom nothing was promised, and who want to know when something can be. */
  readonly #refused = new Set<() => void>();

  /** Bytes a second; 0 for nothing, `Infinity` for as much as goes. */
  constructor(rate: number) {
    this.#rate = rate;
  }

  get rate(): number {
    return this.#rate;
  }

  set rate(rate: number) {
    this.#fill();
    this.#rate = rate;
    this.#pump();
  }

  /** Promises to send so much; false where that would take too long. */
  promise(bytes: number): boolean {
    const isTooMuch = this.#promised > 0 && this.#promised + bytes > (this.#rate * PROMISED_MS) / 1000;
    if (this.#rate === 0 || isTooMuch) return false;
    this.#promised += bytes;
    return true;
  }

  /** So much of what was promised was sent, or is not wanted any more. */
  settle(bytes: number): void {
    this.#promised -= bytes;
    // One at a time: what is free is not enough for all.
    const [first] = this.#refused;
    if (!first || this.#rate === 0) return;
    this.#refused.delete(first);
    first();
  }

  /** Calls it when something was sent, after those who wait already. */
  hasRoom(call: () => void): void {
    this.#refused.add(call);
  }

  /** It is not to be called any more. */
  forget(call: () => void): void {
    this.#refused.delete(call);
  }

  /** Resolves when so many bytes may be sent: in the order of the calls. */
  take(bytes: number): Promise<void> | undefined {
    if (this.#rate === Number.POSITIVE_INFINITY) return undefined;
    return new Promise((go) => {
      this.#waiting.push({ bytes, go });
      this.#pump();
    });
  }

  #fill(): void {
    const now = performance.now();
    const most = Math.max(SLICE, (this.#rate * BURST_MS) / 1000);
    // Without a limit there is no line.
    this.#tokens =
      this.#rate === Number.POSITIVE_INFINITY
        ? most
        : Math.min(most, this.#tokens + ((now - this.#at) * this.#rate) / 1000);
    this.#at = now;
  }

  #pump(): void {
    clearTimeout(this.#timer);
    this.#fill();
    for (let next = this.#waiting.peek(); next && next.bytes <= this.#tokens; next = this.#waiting.peek()) {
      this.#waiting.shift();
      if (this.#rate < Number.POSITIVE_INFINITY) this.#tokens -= next.bytes;
      next.go();
    }
    const next = this.#waiting.peek();
    if (!next || this.#rate === 0) return;
    this.#timer = later(() => this.#pump(), Math.max(1, ((next.bytes - this.#tokens) * 1000) / this.#rate));
  }
}
