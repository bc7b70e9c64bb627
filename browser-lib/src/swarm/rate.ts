// How fast a peer gives, by what came of late.

/** Taken for a peer of which nothing is known: two pieces a second. Bytes a second. */
const ASSUMED = 512 * 1024;
/** So long is measured before it counts, and so long before it changes what was measured. Milliseconds. */
const FIRST_MS = 50;
const FOLD_MS = 500;

export class Rate {
  #measured: number | undefined;
  #bytes = 0;
  #since = 0;

  /** Something is asked for again: the time in which nothing was does not count. */
  begin(now: number): void {
    this.#since = now;
    this.#bytes = 0;
  }

  add(bytes: number, now: number): void {
    this.#bytes += bytes;
    const ms = now - this.#since;
    if (ms < (this.#measured === undefined ? FIRST_MS : FOLD_MS)) return;
    const sample = (this.#bytes * 1000) / ms;
    this.#measured = this.#measured === undefined ? sample : (this.#measured + sample) / 2;
    this.begin(now);
  }

  get isMeasured(): boolean {
    return this.#measured !== undefined;
  }

  /** Bytes a second. */
  get value(): number {
    return this.#measured ?? ASSUMED;
  }
}
