// How far a holder is trusted with what an origin could give at once: of each link, for all contents that are fetched over it.

/** What a holder that has proved nothing may take for its first byte: eight times as long as a word to the proxy and back, within these; an honest one on a busy machine takes a second. Milliseconds. */
const WAYS = 8;
export const PATIENCE_MS = 1_500;
const PATIENCE_MS_MAX = 3_000;
/** In this time a holder that sends something sends a piece; one that is slower, but has proved itself, in four times what a piece takes it. Milliseconds. */
const PIECE_MS = 2_000;
const PIECE_TIMES = 4;
/** A holder that is late is tried with one piece so often, as long as there is an origin. Milliseconds. */
const TRIAL_MS = 1_000;

/** How long others may take, by how long a word to the proxy and back did, if that is known. Milliseconds. */
export function patienceFor(roundTripMs = 0): number {
  return Math.min(Math.max(WAYS * roundTripMs, PATIENCE_MS), PATIENCE_MS_MAX);
}

export class Trust {
  /** It has not said what it has, although it had the time. */
  isSilent = false;
  /** When something came of it. */
  heardAt = Number.NEGATIVE_INFINITY;
  #isProved = false;
  #isLate = false;
  #gaveAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;

  /** It gave a piece that was verified. */
  get isProved(): boolean {
    return this.#isProved;
  }

  /** It owes a piece for longer than it may, and has given none since. */
  get isLate(): boolean {
    return this.#isLate;
  }

  /** A piece of it was verified. */
  gave(now: number): void {
    this.#isProved = true;
    this.#gaveAt = now;
    this.#isLate = false;
  }

  /** It has sent what it owed, and nobody needs it any more. */
  paid(): void {
    this.#isLate = false;
  }

  /** When it is late with what it was asked for at `askedAt`: a piece, of which each takes it `pieceMs`, or a word, which may come behind one. */
  due(askedAt: number, patienceMs: number, pieceMs = 0): number {
    const isGiving = this.#isProved || this.heardAt > askedAt;
    const ms = isGiving ? Math.max(PIECE_MS, this.#isProved ? PIECE_TIMES * pieceMs : 0) : patienceMs;
    return Math.max(askedAt, this.#gaveAt) + Math.max(ms, patienceMs);
  }

  late(now: number): void {
    this.#isLate = true;
    this.#triedAt = now;
  }

  /** When it may be tried, late as it is. */
  get trialAt(): number {
    return this.#triedAt + TRIAL_MS;
  }
}
