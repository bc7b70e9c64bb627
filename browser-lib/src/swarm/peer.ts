// What a schedule knows of one peer, and what it makes of that.

import type { Bitmap } from "./bitmap.ts";
import { PIECE_BYTES } from "./manifest.ts";
import type { Rate } from "./rate.ts";
import type { Trust } from "./trust.ts";

/** So much of what a peer gives is asked ahead: as much as comes in a second, from one piece to sixteen. */
const AHEAD_MS = 1_000;
const ASKS_MAX = 16;

export interface Peer {
  readonly name: string;
  has: Bitmap | undefined;
  readonly asks: Set<number>;
  readonly rate: Rate;
  readonly trust: Trust;
  /** When it was asked for the first of what it owes. */
  askedAt: number;
  heardAt: number;
  pausedUntil: number;
  refusals: number;
}

/** How long a piece takes at that rate. Milliseconds. */
export function pieceMs({ value }: Rate): number {
  return (PIECE_BYTES * 1000) / value;
}

/** Whether it is asked for anything now. */
export function isReady({ pausedUntil, trust }: Peer, now: number): boolean {
  return pausedUntil <= now && !trust.isLate;
}

export function hasRoom({ asks, rate }: Peer): boolean {
  const ahead = Math.ceil((rate.value * AHEAD_MS) / 1000 / PIECE_BYTES);
  return asks.size < Math.min(Math.max(ahead, 1), ASKS_MAX);
}

/** How long it takes a peer to give what it was asked, and so many pieces more. Milliseconds. */
export function expected({ asks, rate }: Peer, more: number): number {
  return (asks.size + more) * pieceMs(rate);
}

/** The same, with whom to begin: a peer that has proved itself before one of which nothing is known. */
export function hoped(peer: Peer): number {
  return expected(peer, 1) * (peer.trust.isProved ? 1 : 2);
}

/** What it can be asked for. */
export function serves({ has, asks }: Peer): (piece: number) => boolean {
  return (piece) => has?.has(piece) === true && !asks.has(piece);
}
