// The pieces that somebody waits for and nobody was asked for, and which of them is next.

import type { Bitmap } from "./bitmap.ts";

/** What a fetch wants: these pieces, both included; in `sequential` order from `at` on, which is where its reader is. */
export interface Demand {
  readonly first: number;
  readonly last: number;
  readonly order: "rarest" | "sequential";
  at: number;
}

/** Of so many at most the rarest is looked for. */
const LOOKED_AT = 4096;
/** So far ahead of its reader a sequential fetch asks: 8 MiB. Pieces. */
export const AHEAD = 32;

const MISSING = 0;
const ASKED = 1;
const THERE = 2;

export class Wanted {
  readonly #state: Uint8Array;
  readonly #demands: Demand[] = [];
  /** How many peers have each. */
  readonly #holders: Uint16Array;
  readonly #random: () => number;
  /** Missing pieces of fetches that take any order, and where each stands. */
  #open: number[] = [];
  readonly #place: Int32Array;

  constructor(has: Bitmap, random: () => number) {
    this.#state = Uint8Array.from({ length: has.length }, (_, piece) => (has.has(piece) ? THERE : MISSING));
    this.#holders = new Uint16Array(has.length);
    this.#place = new Int32Array(has.length).fill(-1);
    this.#random = random;
  }

  demand(demand: Demand): void {
    this.#demands.unshift(demand);
    this.#collect();
  }

  release(demand: Demand): void {
    const at = this.#demands.indexOf(demand);
    if (at < 0) return;
    this.#demands.splice(at, 1);
    this.#collect();
  }

  /** Whether all that this fetch wants is there. */
  isMet({ first, last }: Demand): boolean {
    for (let piece = first; piece <= last; piece++) if (this.#state[piece] !== THERE) return false;
    return true;
  }

  isThere(piece: number): boolean {
    return this.#state[piece] === THERE;
  }

  holds(piece: number, by: 1 | -1): void {
    this.#holders[piece] = (this.#holders[piece] ?? 0) + by;
  }

  asked(piece: number): void {
    this.#become(piece, ASKED);
  }

  /** Whoever was asked for it does not give it, or not yet. Whether it was open to nobody. */
  missed(piece: number): boolean {
    const isNew = this.#state[piece] === ASKED;
    if (isNew) this.#become(piece, MISSING);
    return isNew;
  }

  /** It was there, and is gone. */
  lost(piece: number): void {
    this.#become(piece, MISSING);
  }

  /** Whether it was missing. */
  arrived(piece: number): boolean {
    const isNew = this.#state[piece] !== THERE;
    this.#become(piece, THERE);
    return isNew;
  }

  /** What is to be asked next of whoever serves these: what a reader needs first, then the rarest. */
  next(serves: (piece: number) => boolean): number | undefined {
    for (const demand of this.#demands) {
      for (const piece of this.#ahead(demand)) if (this.#state[piece] === MISSING && serves(piece)) return piece;
    }
    let best: number | undefined;
    const from = Math.floor(this.#random() * this.#open.length);
    const count = Math.min(this.#open.length, LOOKED_AT);
    for (let step = 0; step < count; step++) {
      const piece = this.#open[(from + step) % this.#open.length] as number;
      const isRarer = best === undefined || (this.#holders[piece] ?? 0) < (this.#holders[best] ?? 0);
      if (isRarer && serves(piece)) best = piece;
    }
    return best;
  }

  /** The piece that a sequential reader waits for, if it does. */
  get awaited(): number | undefined {
    const demand = this.#demands.find(({ order, at }) => order === "sequential" && this.#state[at] !== THERE);
    return demand?.at;
  }

  /** Whether it may be asked now: missing, and within what is wanted. */
  isOpen(piece: number): boolean {
    if (this.#state[piece] !== MISSING) return false;
    return (this.#place[piece] ?? -1) >= 0 || this.#demands.some((demand) => isAhead(demand, piece));
  }

  *#ahead({ order, at, last }: Demand): Generator<number> {
    if (order === "rarest") return;
    for (let piece = at; piece <= Math.min(last, at + AHEAD - 1); piece++) yield piece;
  }

  #become(piece: number, state: number): void {
    this.#state[piece] = state;
    const place = this.#place[piece] ?? -1;
    if (state === MISSING && place < 0 && this.#isInAnyOrder(piece)) this.#place[piece] = this.#open.push(piece) - 1;
    if (state === MISSING || place < 0) return;
    const last = this.#open.pop() as number;
    this.#place[piece] = -1;
    if (last === piece) return;
    this.#open[place] = last;
    this.#place[last] = place;
  }

  #isInAnyOrder(piece: number): boolean {
    return this.#demands.some(({ order, first, last }) => order === "rarest" && piece >= first && piece <= last);
  }

  #collect(): void {
    this.#open = [];
    this.#place.fill(-1);
    for (let piece = 0; piece < this.#state.length; piece++) {
      if (this.#state[piece] === MISSING && this.#isInAnyOrder(piece)) this.#place[piece] = this.#open.push(piece) - 1;
    }
  }
}

function isAhead({ order, at, last }: Demand, piece: number): boolean {
  return order === "sequential" && piece >= at && piece <= last && piece < at + AHEAD;
}
