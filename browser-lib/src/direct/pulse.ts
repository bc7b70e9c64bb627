// Time as a page lives through it: a page that stood still has heard nothing, which says nothing of the other side.

import { later, type Timer } from "../later.ts";

const BEAT_MS = 500;
/** A beat that comes later, beyond what pages in the background are given, was held up: it counts for nothing, since what came meanwhile is yet to be heard. */
const LATE_MS = 1200;

export class Pulse {
  readonly #beat: (ms: number) => void;
  #last = performance.now();
  #timer: Timer | undefined;

  /** Calls `beat` twice a second with the milliseconds that passed for the page, until it is stopped. */
  constructor(beat: (ms: number) => void) {
    this.#beat = beat;
    this.#wait();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(): void {
    this.#timer = later(() => {
      const now = performance.now();
      const passed = now - this.#last;
      this.#last = now;
      this.#wait();
      this.#beat(passed > LATE_MS ? 0 : passed);
    }, BEAT_MS);
  }
}
