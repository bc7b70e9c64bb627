// How fast something goes, lately, and how long it will take.

/** How much an old speed counts after a second. */
const FADING = 0.5;
const SHORTEST_S = 0.25;

export class Pace {
  /** Bytes a second. */
  rate = 0;
  #at = performance.now();
  #bytes: number;

  /** Begins with what is there already, which took no time. */
  constructor(bytes = 0) {
    this.#bytes = bytes;
  }

  /** Takes the speed of what came since the last time. */
  measure(bytes: number, now = performance.now()): void {
    const seconds = (now - this.#at) / 1000;
    if (seconds < SHORTEST_S) return;
    const rate = Math.max(0, bytes - this.#bytes) / seconds;
    const old = this.rate === 0 ? 0 : FADING ** seconds;
    this.rate = old * this.rate + (1 - old) * rate;
    this.#at = now;
    this.#bytes = bytes;
  }

  /** Seconds for so many bytes; nothing as long as none came. */
  secondsFor(bytes: number): number | undefined {
    return this.rate > 0 ? bytes / this.rate : undefined;
  }
}
