// Which piece is asked of whom, and when: facts go in, orders come out. It knows neither sockets nor clocks.
//
// The origin is asked for a piece that no holder is trusted with: none has it but those that have no room now, or are *late*. Late is who was asked and
// - has proved nothing, and sends nothing for the patience of `trust.ts` (1.5 s, or eight words to the proxy and back, 3 s at most), or no whole piece in 2 s;
// - has *proved* itself, by a piece that was verified, and sends no other in 2 s, nor in four times what a piece took it so far.
// Once a stranger was late, others hold the origin back only from what they were asked for.
// So no piece that a proved holder has is asked of the origin as long as that holder goes on giving; and a fetch with an origin waits for strangers once,
// and not for long. Who is late stays asked, and is trusted again with the first piece that it sends; who sends nothing for `STALL_MS` is dropped.

import type { Bitmap } from "./bitmap.ts";
import { expected, hasRoom, hoped, isReady, type Peer, pieceMs, serves } from "./peer.ts";
import { Rate } from "./rate.ts";
import { patienceFor, Trust } from "./trust.ts";
import { type Demand, Wanted } from "./wanted.ts";

/** What is to be done. */
export type Order =
  | { readonly type: "ask" | "cancel"; readonly peer: string; readonly piece: number }
  /** Asked of the origin in one request. */
  | { readonly type: "request"; readonly first: number; readonly count: number }
  /** That peer is none any more. */
  | { readonly type: "drop"; readonly peer: string; readonly why: "stalled" | "lied" };

export interface Terms {
  /** Those that are there. */
  readonly has: Bitmap;
  lengthOf(piece: number): number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** There is an origin. */
  readonly hasOrigin: boolean;
  /** Peers that together give a sequential reader less than this are helped by the origin. Bytes a second. */
  readonly slow?: number | undefined;
  /** What a peer that has proved nothing may take for its first byte. Milliseconds. */
  readonly patience?: (() => number) | undefined;
}

/** A peer that owes us something and sends nothing for so long is none. */
export const STALL_MS = 4_000;
/** After so long without a byte it is expected to take as long again, and another is asked near the end. */
const SILENT_MS = 1_000;
/** A peer that has no room is asked again after half a second, then ever later. */
const REFUSED_MS = 500;
const REFUSED_MS_MAX = 8_000;
/** The most that is asked of the origin in one request, before it is looked again whether a peer has the rest. Pieces. */
const RUN = 16;
/** A piece is asked twice where the other one is expected so much earlier, and so often: 8 times, and once for each 16 pieces. */
const HEDGE_GAIN = 1.5;
export const hedgesMax = (pieces: number): number => 8 + Math.floor(pieces / 16);

export class Schedule {
  readonly #terms: Terms;
  readonly #wanted: Wanted;
  readonly #peers = new Map<string, Peer>();
  /** Who was asked for it: peers. */
  readonly #askers = new Map<number, Peer[]>();
  readonly #orders: Order[] = [];
  /** What the origin was asked for and did not give yet. */
  readonly #run = new Set<number>();
  #isRequested = false;
  #hasOrigin: boolean;
  #originFrom = 0;
  #hopeUntil = 0;
  #hedges = 0;
  #reopened = 0;
  /** Since when peers had no room, and no piece came. */
  #refusedSince: number | undefined;
  /** A stranger was late: no other stranger holds the origin back. */
  #isWary = false;

  constructor(terms: Terms) {
    this.#terms = terms;
    this.#hasOrigin = terms.hasOrigin;
    this.#wanted = new Wanted(terms.has, terms.random);
  }

  /** Pieces that were asked twice so far. */
  get hedges(): number {
    return this.#hedges;
  }

  /** Pieces that were open again although those who were late with them might still send them. */
  get reopened(): number {
    return this.#reopened;
  }

  demand(demand: Demand): void {
    this.#wanted.demand(demand);
  }

  release(demand: Demand): void {
    this.#wanted.release(demand);
  }

  isMet(demand: Demand): boolean {
    return this.#wanted.isMet(demand);
  }

  /** Until then peers may come, and the origin is left alone. */
  hope(until: number): void {
    this.#hopeUntil = until;
  }

  /** A peer that has these, with what is known of it. What it had before is what it has no more. */
  have(name: string, bitmap: Bitmap, trust = new Trust()): void {
    const peer = this.#peers.get(name) ?? this.#join(name, trust);
    this.#count(peer, -1);
    peer.has = bitmap.copy();
    this.#count(peer, 1);
    peer.pausedUntil = 0;
  }

  got(name: string, piece: number): void {
    const peer = this.#peers.get(name);
    if (!peer?.has?.add(piece)) return;
    this.#wanted.holds(piece, 1);
    peer.pausedUntil = 0;
  }

  /** The peer is gone, and with it what it was asked. */
  left(name: string): void {
    const peer = this.#peers.get(name);
    if (!peer) return;
    this.#peers.delete(name);
    this.#count(peer, -1);
    for (const piece of peer.asks) this.#unask(peer, piece);
  }

  /** Something came from that peer, be it for somebody else. */
  heard(name: string, now: number): void {
    const peer = this.#peers.get(name);
    if (peer) peer.heardAt = peer.trust.heardAt = now;
  }

  /** A piece is there, verified: from a peer, from the origin (`undefined`), or by another way. Whether it was missing. */
  arrived(piece: number, from: string | undefined, now: number): boolean {
    const peer = from === undefined ? undefined : this.#peers.get(from);
    if (peer) {
      peer.rate.add(this.#terms.lengthOf(piece), now);
      peer.trust.gave(now);
      peer.heardAt = now;
      peer.refusals = 0;
      peer.asks.delete(piece);
    }
    this.#refusedSince = undefined;
    this.#run.delete(piece);
    for (const asker of this.#askers.get(piece) ?? []) {
      // Who is late shows with this one whether it gives anything.
      if (asker === peer || asker.trust.isLate) continue;
      asker.asks.delete(piece);
      this.#orders.push({ type: "cancel", peer: asker.name, piece });
    }
    this.#askers.delete(piece);
    return this.#wanted.arrived(piece);
  }

  /** It was there, and is no more. */
  lost(piece: number): void {
    this.#wanted.lost(piece);
  }

  /** A peer sent what is not that piece. */
  lied(name: string): void {
    this.#drop(name, "lied");
  }

  /** A peer gives no piece now: for want of room, or because it does not have it. */
  refused(name: string, piece: number, isFull: boolean, now: number): void {
    const peer = this.#peers.get(name);
    if (!peer) return;
    peer.heardAt = now;
    if (peer.asks.delete(piece)) this.#unask(peer, piece);
    if (!isFull) {
      if (peer.has?.delete(piece)) this.#wanted.holds(piece, -1);
      return;
    }
    this.#refusedSince ??= now;
    if (peer.pausedUntil > now) return;
    peer.pausedUntil = now + Math.min(REFUSED_MS * 2 ** peer.refusals++, REFUSED_MS_MAX);
  }

  /** The request is over; what it did not give is open again, for the origin from `next` on. Without that there is no origin any more. */
  requested(next: number | undefined): void {
    for (const piece of this.#run) this.#wanted.missed(piece);
    this.#run.clear();
    this.#isRequested = false;
    this.#hasOrigin &&= next !== undefined;
    this.#originFrom = next ?? 0;
  }

  /** There is an origin, be it one that there was not before. */
  originIsThere(): void {
    this.#hasOrigin = true;
  }

  /** Orders as of now. */
  plan(now: number): Order[] {
    for (const peer of this.#peers.values()) {
      if (peer.asks.size > 0 && now >= peer.heardAt + STALL_MS) this.#drop(peer.name, "stalled");
      else this.#doubt(peer, now);
    }
    this.#askPeers(now);
    this.#askOrigin(now);
    this.#hedge(now);
    this.#tryLate(now);
    return this.#orders.splice(0);
  }

  /** When to plan again, if nothing happens before. */
  wake(now: number): number {
    let at = Number.POSITIVE_INFINITY;
    for (const peer of this.#peers.values()) {
      const { asks, heardAt, pausedUntil, trust } = peer;
      if (asks.size > 0) at = Math.min(at, heardAt + (heardAt + SILENT_MS > now ? SILENT_MS : STALL_MS));
      if (asks.size > 0 && !trust.isLate) at = Math.min(at, this.#due(peer));
      if (asks.size === 0 && trust.isLate && trust.trialAt > now) at = Math.min(at, trust.trialAt);
      if (pausedUntil > now) at = Math.min(at, pausedUntil);
    }
    if (this.#hasOrigin && !this.#isRequested)
      at = Math.min(at, ...[this.#originFrom, this.#hopeUntil].filter((when) => when > now));
    return at;
  }

  /** Whether nothing is left but peers that have had no room for so long. */
  isRefused(now: number, ms: number): boolean {
    return !this.#hasOrigin && this.#askers.size === 0 && now >= (this.#refusedSince ?? now) + ms;
  }

  /** Whether something is under way, or would be as soon as it may. */
  hasWays(now: number): boolean {
    if (this.#hasOrigin || this.#hopeUntil > now || this.#askers.size > 0) return true;
    return [...this.#peers.values()].some((peer) => this.#wanted.next(serves(peer)) !== undefined);
  }

  /** When a peer is late with what it owes. */
  #due({ trust, askedAt, rate }: Peer): number {
    return trust.due(askedAt, this.#terms.patience?.() ?? patienceFor(), pieceMs(rate));
  }

  /** What is owed by those who are late, and by nobody else, is open again. */
  #doubt(peer: Peer, now: number): void {
    const { asks, trust } = peer;
    if (asks.size === 0) return;
    if (!trust.isLate) {
      if (now < this.#due(peer)) return;
      trust.late(now);
      this.#isWary ||= !trust.isProved;
    }
    for (const piece of asks) {
      const isOwed = this.#askers.get(piece)?.every((asker) => asker.trust.isLate);
      if (isOwed && !this.#run.has(piece) && this.#wanted.missed(piece)) this.#reopened++;
    }
  }

  /** Peers that are late are tried again: with what nobody else gives, and else now and then. */
  #tryLate(now: number): void {
    for (const peer of this.#peers.values()) {
      if (!peer.trust.isLate || peer.asks.size > 0 || peer.pausedUntil > now) continue;
      const isAlone = !this.#hasOrigin || now < this.#originFrom;
      if (!isAlone && now < peer.trust.trialAt) continue;
      const serve = serves(peer);
      const piece = this.#wanted.next(serve) ?? (isAlone ? undefined : [...this.#run].find(serve));
      if (piece === undefined) continue;
      peer.trust.late(now);
      this.#ask(peer, piece, now);
    }
  }

  #join(name: string, trust: Trust): Peer {
    const peer: Peer = {
      name,
      has: undefined,
      asks: new Set(),
      rate: new Rate(),
      trust,
      askedAt: 0,
      heardAt: 0,
      pausedUntil: 0,
      refusals: 0,
    };
    this.#peers.set(name, peer);
    return peer;
  }

  #drop(name: string, why: "stalled" | "lied"): void {
    if (!this.#peers.has(name)) return;
    this.left(name);
    this.#orders.push({ type: "drop", peer: name, why });
  }

  /** The peer will not give it any more. */
  #unask(peer: Peer, piece: number): void {
    const others = (this.#askers.get(piece) ?? []).filter((asker) => asker !== peer);
    if (others.length > 0) this.#askers.set(piece, others);
    else {
      this.#askers.delete(piece);
      if (!this.#run.has(piece)) this.#wanted.missed(piece);
    }
  }

  #count({ has }: Peer, by: 1 | -1): void {
    if (has) for (let piece = 0; piece < has.length; piece++) if (has.has(piece)) this.#wanted.holds(piece, by);
  }

  #ask(peer: Peer, piece: number, now: number): void {
    if (peer.asks.size === 0) {
      peer.askedAt = peer.heardAt = now;
      peer.rate.begin(now);
    }
    peer.asks.add(piece);
    this.#askers.set(piece, [...(this.#askers.get(piece) ?? []), peer]);
    this.#wanted.asked(piece);
    this.#orders.push({ type: "ask", peer: peer.name, piece });
  }

  /** One piece after the other goes to whoever is expected to be done with it first. */
  #askPeers(now: number): void {
    const free = new Set([...this.#peers.values()].filter((peer) => isReady(peer, now) && hasRoom(peer)));
    while (free.size > 0) {
      const peer = [...free].reduce((best, other) => (hoped(other) < hoped(best) ? other : best));
      const piece = this.#wanted.next(serves(peer));
      if (piece !== undefined) this.#ask(peer, piece, now);
      if (piece === undefined || !hasRoom(peer)) free.delete(peer);
    }
  }

  /** The origin gives what no peer would. */
  #askOrigin(now: number): void {
    if (!this.#hasOrigin || this.#isRequested || now < this.#originFrom || now < this.#hopeUntil) return;
    const peers = this.#isSlow() ? [] : [...this.#peers.values()].filter((peer) => this.#isTrusted(peer, now));
    const isForOrigin = (piece: number) => !peers.some(({ has }) => has?.has(piece));
    const isDue = (piece: number) => this.#wanted.isOpen(piece) && isForOrigin(piece);
    let first = this.#wanted.next(isForOrigin);
    if (first === undefined) return;
    // From the start of its block on: others who begin elsewhere leave no gaps, and each asks for whole blocks.
    while (first % RUN > 0 && isDue(first - 1)) first--;
    let end = first;
    for (; end < first + RUN && isDue(end); end++) this.#run.add(end);
    for (const piece of this.#run) this.#wanted.asked(piece);
    this.#isRequested = true;
    this.#orders.push({ type: "request", first, count: end - first });
  }

  #isTrusted(peer: Peer, now: number): boolean {
    return isReady(peer, now) && (peer.trust.isProved || !this.#isWary);
  }

  /** Whether a sequential reader waits, and peers give it less than it was said to need. */
  #isSlow(): boolean {
    const { slow } = this.#terms;
    const measured = [...this.#peers.values()].filter(({ rate }) => rate.isMeasured);
    if (slow === undefined || measured.length === 0 || this.#wanted.awaited === undefined) return false;
    return measured.reduce((sum, { rate }) => sum + rate.value, 0) < slow;
  }

  /** Near the end who has nothing to do is asked for what another is slow with. */
  #hedge(now: number): void {
    for (const peer of this.#peers.values()) {
      if (peer.asks.size > 0 || !isReady(peer, now) || !peer.has) continue;
      let [worst, gain]: [number | undefined, number] = [undefined, HEDGE_GAIN];
      for (const [piece, [asker, ...others]] of this.#askers) {
        if (!asker || others.length > 0 || !peer.has.has(piece)) continue;
        const silentMs = now - asker.heardAt;
        const ratio = (expected(asker, 0) + (silentMs < SILENT_MS ? 0 : 2 * silentMs)) / expected(peer, 1);
        if (ratio > gain) [worst, gain] = [piece, ratio];
      }
      if (worst === undefined || this.#hedges >= hedgesMax(this.#terms.has.length)) continue;
      this.#hedges++;
      this.#ask(peer, worst, now);
    }
  }
}
