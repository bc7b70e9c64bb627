// How many fetches of a page may ask the origin for what strangers keep them waiting for: few at first, for whoever is slow may be about to give to all.

/** As many may as have doubled so often since the first, and after this many times all. */
const STAGES = 5;

export class Doubt {
  /** Since when strangers are late, and none has proved itself. */
  #since: number | undefined;
  readonly #granted = new Set<object>();

  /** When that fetch may: one at once, two a fifth of the patience later, then four, and all once it has passed a second time. */
  from(fetch: object, now: number, patienceMs: number): number {
    this.#since ??= now;
    const stageMs = patienceMs / STAGES;
    const stage = Math.floor((now - this.#since) / stageMs);
    if (stage >= STAGES || this.#granted.has(fetch)) return now;
    if (this.#granted.size >= 2 ** stage) return this.#since + stageMs * Math.ceil(Math.log2(this.#granted.size + 1));
    this.#granted.add(fetch);
    return now;
  }

  /** Somebody gave a piece. */
  settle(): void {
    this.#since = undefined;
    this.#granted.clear();
  }
}
