// A schedule against peers and an origin that are made up, on a clock that is, too.

import { Bitmap } from "../../src/swarm/bitmap.ts";
import { PIECE_BYTES } from "../../src/swarm/manifest.ts";
import { type Order, Schedule } from "../../src/swarm/schedule.ts";
import type { Demand } from "../../src/swarm/wanted.ts";

/** What a peer does. */
export type Kind = "honest" | "dead" | "drip" | "liar" | "full" | "leaver";

export interface PeerPlan {
  readonly kind: Kind;
  /** Which pieces it has: those whose bit is set, over and over. */
  readonly has: readonly boolean[];
  readonly bytesPerSecond: number;
  readonly joinsAt: number;
  /** A leaver leaves then. */
  readonly leavesAt: number;
  /** So long it thinks about its first piece. */
  readonly pauseMs?: number;
}

export interface Plan {
  readonly pieces: number;
  readonly peers: readonly PeerPlan[];
  readonly order: "rarest" | "sequential";
  /** The origin fails so often before it works; nothing where there is none. */
  readonly originFails: number | undefined;
  readonly seed: number;
}

interface SimPeer extends PeerPlan {
  readonly name: string;
  readonly queue: number[];
  isLive: boolean;
  isSending: boolean;
}

const ORIGIN_MS = 40;
const REFUSAL_MS = 10;

export class Simulation {
  now = 0;
  asks = 0;
  requests = 0;
  /** Pieces that the origin was asked for, and pieces that came from each peer. */
  readonly fromOrigin: number[] = [];
  readonly given = new Map<string, number>();
  readonly dropped: string[] = [];
  /** What a live and healthy holder that had given something would have served when the origin was asked for it. */
  readonly needless: number[] = [];
  readonly duplicates: number[] = [];
  readonly order: number[] = [];
  readonly schedule: Schedule;
  readonly demand: Demand;
  readonly #plan: Plan;
  readonly #peers: SimPeer[];
  readonly #has: Bitmap;
  #events: { at: number; act: () => void }[] = [];
  #fails: number;
  #random: number;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#random = plan.seed;
    this.#has = new Bitmap(plan.pieces);
    this.#fails = plan.originFails ?? 0;
    this.schedule = new Schedule({
      has: this.#has,
      lengthOf: () => PIECE_BYTES,
      random: () => this.#next(),
      hasOrigin: plan.originFails !== undefined,
    });
    this.demand = { first: 0, last: plan.pieces - 1, order: plan.order, at: 0 };
    this.schedule.demand(this.demand);
    this.#peers = plan.peers.map((peer, at) => ({
      ...peer,
      name: `p${at}`,
      queue: [],
      isLive: false,
      isSending: false,
    }));
    for (const peer of this.#peers) this.#in(peer.joinsAt, () => this.#join(peer));
  }

  /** Runs until all is there; how long that took, or nothing where it was not after so long. */
  run(untilMs: number): number | undefined {
    // Who is there from the start is there before anything is asked.
    for (const { act } of this.#events.filter(({ at }) => at === 0)) act();
    this.#events = this.#events.filter(({ at }) => at > 0);
    this.#obey(this.schedule.plan(this.now));
    while (!this.schedule.isMet(this.demand)) {
      this.#events.sort((one, other) => one.at - other.at);
      const wake = this.schedule.wake(this.now);
      const [event] = this.#events;
      const at = Math.min(wake, event?.at ?? Number.POSITIVE_INFINITY);
      if (at > untilMs) return undefined;
      this.now = Math.max(this.now, at);
      if (event && event.at <= this.now) {
        this.#events.shift();
        event.act();
      }
      this.#obey(this.schedule.plan(this.now));
    }
    return this.now;
  }

  #join(peer: SimPeer): void {
    peer.isLive = true;
    const bitmap = new Bitmap(this.#plan.pieces);
    for (let piece = 0; piece < this.#plan.pieces; piece++) if (peer.has[piece % peer.has.length]) bitmap.add(piece);
    this.schedule.have(peer.name, bitmap);
    if (peer.kind !== "leaver") return;
    this.#in(peer.leavesAt, () => {
      if (peer.isLive) this.schedule.left(peer.name);
      peer.isLive = false;
    });
  }

  #obey(orders: Order[]): void {
    for (const order of orders) {
      if (order.type === "request") this.#request(order.first, order.count);
      else {
        const peer = this.#peers.find(({ name }) => name === order.peer) as SimPeer;
        if (order.type === "ask") this.#ask(peer, order.piece);
        else if (order.type !== "drop")
          peer.queue.splice(0, peer.queue.length, ...peer.queue.filter((p) => p !== order.piece));
        else {
          this.dropped.push(`${peer.name} ${order.why}`);
          peer.isLive = false;
        }
      }
    }
  }

  #ask(peer: SimPeer, piece: number): void {
    this.asks++;
    if (!peer.isLive) throw new Error(`${peer.name} was asked although it is gone`);
    if (peer.kind === "full")
      return this.#in(REFUSAL_MS, () => this.schedule.refused(peer.name, piece, true, this.now));
    if (peer.kind === "dead") return;
    if (peer.kind === "drip") return this.#heard(peer, 60_000);
    peer.queue.push(piece);
    if (!peer.isSending) this.#send(peer);
  }

  #send(peer: SimPeer): void {
    const piece = peer.queue.shift();
    peer.isSending = piece !== undefined && peer.isLive;
    if (piece === undefined || !peer.isLive) return;
    const pauseMs = this.given.has(peer.name) ? 0 : (peer.pauseMs ?? 0);
    const ms = (PIECE_BYTES * 1000) / peer.bytesPerSecond;
    this.#in(pauseMs + ms, () => {
      if (!peer.isLive) return;
      if (peer.kind === "liar") this.schedule.lied(peer.name);
      else this.#arrive(piece, peer.name);
      this.#send(peer);
    });
    if (pauseMs === 0) this.#heard(peer, ms);
  }

  /** Bytes come all the while. */
  #heard(peer: SimPeer, ms: number): void {
    for (let at = 100; at < ms; at += 400) this.#in(at, () => this.schedule.heard(peer.name, this.now));
  }

  #request(first: number, count: number): void {
    this.requests++;
    for (let piece = first; piece < first + count; piece++) {
      this.fromOrigin.push(piece);
      const isServed = this.#peers.some(
        ({ isLive, kind, has, name }) => isLive && kind === "honest" && has[piece % has.length] && this.given.has(name),
      );
      if (isServed) this.needless.push(piece);
    }
    if (this.#fails > 0) {
      this.#fails--;
      return this.#in(ORIGIN_MS, () => this.schedule.requested(this.now + 500));
    }
    for (let at = 0; at < count; at++) this.#in((at + 1) * ORIGIN_MS, () => this.#arrive(first + at, undefined));
    this.#in(count * ORIGIN_MS, () => this.schedule.requested(this.now));
  }

  #arrive(piece: number, from: string | undefined): void {
    this.#has.add(piece);
    if (!this.schedule.arrived(piece, from, this.now)) this.duplicates.push(piece);
    else this.order.push(piece);
    if (from) this.given.set(from, (this.given.get(from) ?? 0) + 1);
    if (this.#plan.order === "sequential") {
      this.demand.at = this.#has.firstMissing(this.demand.at, this.demand.last) ?? this.demand.last;
    }
  }

  #in(ms: number, act: () => void): void {
    this.#events.push({ at: this.now + ms, act });
  }

  /** A small generator, so that a schedule can be run again. */
  #next(): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#random / 2 ** 32;
  }
}
