// Gets one content for all who fetch it: finds holders, learns the manifest, and does what the schedule orders.

import { StreamError } from "../error.ts";
import { later, type Timer } from "../later.ts";
import type { Bitmap } from "./bitmap.ts";
import { type Holder, Holders } from "./holders.ts";
import { Learning } from "./learning.ts";
import { Ledger } from "./ledger.ts";
import { CONNECT_MS } from "./link.ts";
import type { Links } from "./links.ts";
import { Manifest } from "./manifest.ts";
import { Origin } from "./origin.ts";
import { type Order, Schedule } from "./schedule.ts";
import type { Content, Shelf } from "./shelf.ts";
import type { Tracker } from "./tracker.ts";
import { patienceFor } from "./trust.ts";
import type { Demand } from "./wanted.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a download has of its swarm. */
export interface Kit {
  readonly tracker: Tracker;
  readonly links: Links;
  readonly shelf: Shelf;
  readonly random: () => number;
  /** A holder sent what is not the content. */
  lied(name: string, id: string): void;
  /** So many bytes came twice, or were not the content's. */
  wasted(bytes: number): void;
  /** Nobody fetches it any more. */
  over(download: Download): void;
}

/** Somebody who fetches the content, or a part of it. */
export interface User {
  /** It is known what the content is: says what of it is wanted, or throws. */
  opened(content: Content): Demand;
  /** A piece is there. */
  came(piece: number): void;
  /** So many bytes came of a content that nobody can verify yet. */
  unverified(bytes: number): void;
  /** All that was wanted is there; or why it will not come. */
  over(error?: StreamError): void;
}

export interface Ways {
  readonly origins: readonly string[];
  readonly manifest: string | undefined;
  readonly slow: number | undefined;
}

const CANDIDATES_MAX = 32;
/** While fewer holders than this give, it is looked for more so often. Milliseconds. */
const ENOUGH = 8;
const SEEK_MS = 10_000;
/** The first answer of the tracker, which may wait for the connection to the proxy, is worth so much to who has an origin. Milliseconds. */
const FIND_MS = 1_000;
/** Holders that have nothing of what is missing may get it, within this time. Milliseconds. */
const PATIENCE_MS = 15_000;
/** Holders that have no room are asked for so long without a piece from anybody, where there is no origin. Milliseconds. */
const FULL_MS = 30_000;

export class Download {
  readonly id: string;
  readonly ledger = new Ledger();
  content: Content | undefined;
  readonly #kit: Kit;
  readonly #slow: number | undefined;
  readonly #manifest: string | undefined;
  readonly #learning: Learning;
  readonly #users = new Map<User, Demand | undefined>();
  readonly #holders: Holders;
  readonly #origin: Origin;
  readonly #abort = new AbortController();
  /** Whose piece is being put where it stays. */
  readonly #taking = new Map<number, Holder | undefined>();
  #schedule: Schedule | undefined;
  #timer: Timer | undefined;
  #isFinding = false;
  #hopeUntil = 0;
  #seekAt: number | undefined;
  /** Nobody came of the last search. */
  #hasSought = false;
  #progressAt = now();
  #error: StreamError | undefined;
  #isOver = false;

  constructor(id: string, { origins, manifest, slow }: Ways, kit: Kit) {
    this.id = id;
    this.#kit = kit;
    this.#manifest = manifest;
    this.#slow = slow;
    this.#origin = new Origin(origins);
    this.#holders = new Holders(id, kit.links, {
      have: (holder) => this.#have(holder),
      got: ({ name }, piece) => this.#then(() => this.#schedule?.got(name, piece)),
      heard: ({ name }) => this.#schedule?.heard(name, now()),
      manifest: (holder, bytes) => {
        if (!this.content && !this.#isOver) void this.#learning.heard(holder, bytes);
      },
      piece: (holder, piece, bytes) => void this.#take(piece, bytes, holder),
      refused: ({ name }, piece, isFull) => this.#then(() => this.#schedule?.refused(name, piece, isFull, now())),
      left: ({ name }) => this.#then(() => this.#schedule?.left(name)),
    });
    this.#learning = new Learning(id, this.#holders, this.#origin, this.#abort.signal, {
      learned: (bytes) => this.#learned(bytes),
      lied: (holder) => this.#lied(holder),
      isKnown: () => this.content !== undefined,
      unverified: (bytes) => {
        for (const user of this.#users.keys()) user.unverified(bytes);
      },
      take: (piece, bytes) => this.#take(piece, bytes),
      step: () => this.#step(),
    });
    void this.#start();
  }

  join(user: User): void {
    this.#users.set(user, undefined);
    if (this.content) this.#open(user, this.content);
    this.#step();
  }

  /** Somebody knows more origins of it. */
  widen({ origins }: Ways): void {
    if (this.#origin.add(origins)) this.#schedule?.originIsThere();
  }

  /** That one wants it no more. */
  leave(user: User): void {
    const demand = this.#users.get(user);
    this.#users.delete(user);
    if (demand) this.#schedule?.release(demand);
    if (this.#users.size === 0) this.#finish();
  }

  /** A reader went on. */
  moved(): void {
    this.#step();
  }

  /** A piece is on the shelf. */
  came(piece: number): void {
    const isOurs = this.#taking.has(piece);
    const holder = this.#taking.get(piece);
    const from = holder ? holder.link.carrier : isOurs ? "origin" : "kept";
    this.ledger.enter(piece, from, holder?.name);
    this.#progressAt = now();
    this.#hasSought = false;
    if (!isOurs) this.#schedule?.arrived(piece, undefined, now());
    for (const user of this.#users.keys()) user.came(piece);
  }

  /** A piece was on the shelf and is not any more. */
  lost(piece: number): void {
    this.#then(() => this.#schedule?.lost(piece));
  }

  /** It ends for everybody. */
  fail(error: StreamError): void {
    const users = [...this.#users.keys()];
    this.#users.clear();
    this.#finish();
    for (const user of users) user.over(error);
  }

  async #start(): Promise<void> {
    await this.#kit.shelf.ready;
    if (this.#isOver) return;
    const kept = this.#kit.shelf.find(this.id);
    if (kept) this.#know(kept);
    if (this.#isOver) return;
    if (!kept && this.#manifest !== undefined) void this.#learning.fetch(this.#manifest);
    this.#seek(true);
    this.#step();
  }

  /** Asks the tracker who has it. For the first time, or where nobody is left, the origin waits for what comes of it. */
  #seek(isHoping: boolean): void {
    if (this.#isFinding) return;
    this.#isFinding = true;
    this.#hasSought = true;
    this.#seekAt = now() + SEEK_MS;
    if (isHoping) this.#hopeUntil = now() + CONNECT_MS;
    const { tracker } = this.#kit;
    const abort = new AbortController();
    const timer = later(() => abort.abort(), CONNECT_MS);
    this.#abort.signal.addEventListener("abort", () => abort.abort(), { signal: abort.signal });
    const found = tracker.find(this.id, CANDIDATES_MAX, abort.signal).then(({ candidates }) => {
      if (isHoping) this.#hopeUntil = now() + CONNECT_MS;
      if (!this.#isOver) this.#holders.approach(candidates);
    });
    const over = () => {
      clearTimeout(timer);
      this.#isFinding = false;
      this.#step();
    };
    found.then(over, (error) => {
      this.#error = StreamError.from(error);
      over();
    });
  }

  async #learned(bytes: Bytes): Promise<void> {
    const content = await this.#kit.shelf.begin(this.id, Manifest.read(bytes));
    if (!this.content && !this.#isOver) this.#know(content);
  }

  #know(content: Content): void {
    this.content = content;
    content.pins++;
    const { manifest, has } = content;
    for (let piece = 0; piece < manifest.pieces; piece++) if (has.has(piece)) this.ledger.enter(piece, "kept");
    this.#schedule = new Schedule({
      has,
      lengthOf: (piece) => manifest.lengthOf(piece),
      random: this.#kit.random,
      hasOrigin: this.#origin.isThere,
      slow: this.#slow,
      patience: () => this.#patience,
    });
    for (const user of [...this.#users.keys()]) this.#open(user, content);
    for (const holder of this.#holders.all) if (holder.has) this.#have(holder);
    this.#step();
  }

  #open(user: User, content: Content): void {
    try {
      const demand = user.opened(content);
      this.#users.set(user, demand);
      this.#schedule?.demand(demand);
    } catch (error) {
      this.#users.delete(user);
      user.over(StreamError.from(error));
    }
  }

  #have(holder: Holder): void {
    const { name, has, link } = holder;
    if (this.content && has && has.length !== this.content.manifest.pieces) return this.#lied(holder);
    this.#then(() => this.#schedule?.have(name, has as Bitmap, link.trust));
  }

  #lied(holder: Holder): void {
    this.#kit.lied(holder.name, this.id);
    this.#holders.drop(holder, "lied");
  }

  /** A piece came, from a holder or from the origin; whether it is the content's. */
  async #take(piece: number, bytes: Bytes, holder?: Holder): Promise<boolean> {
    const { content } = this;
    if (!content || this.#isOver) return true;
    const isNew = !content.has.has(piece) && !this.#taking.has(piece);
    if (isNew) this.#taking.set(piece, holder);
    const isGood = content.has.has(piece)
      ? await content.manifest.isPiece(piece, bytes)
      : await this.#kit.shelf.put(content, piece, bytes);
    if (isNew) this.#taking.delete(piece);
    if (!isGood || !isNew) this.#waste(bytes.length);
    if (this.#isOver) return isGood;
    if (isGood) this.#schedule?.arrived(piece, holder?.name, now());
    else if (holder) {
      this.#kit.lied(holder.name, this.id);
      this.#schedule?.lied(holder.name);
    }
    this.#step();
    return isGood;
  }

  #waste(bytes: number): void {
    this.ledger.wasted += bytes;
    this.#kit.wasted(bytes);
  }

  #then(act: () => unknown): void {
    if (this.#isOver) return;
    act();
    this.#step();
  }

  /** Does what is to be done now, and comes back when time has changed that. */
  #step(): void {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    const at = now();
    // It is not known yet what is here.
    if (this.#seekAt === undefined && !this.#schedule) return;
    const wake = this.#schedule ? this.#fetch(this.#schedule, at) : this.#learn(at);
    if (this.#isOver) return;
    const seekAt = this.#seekAt ?? Number.POSITIVE_INFINITY;
    if (this.#holders.size < ENOUGH && !this.#isFinding && at >= seekAt) this.#seek(false);
    const next = Math.min(wake, seekAt > at ? seekAt : Number.POSITIVE_INFINITY);
    if (next < Number.POSITIVE_INFINITY) this.#timer = later(() => this.#step(), Math.max(1, next - at));
  }

  /** What a holder may take that has proved nothing. Milliseconds. */
  get #patience(): number {
    return patienceFor(this.#kit.tracker.roundTripMs);
  }

  /** Until when peers may come for whom the origin waits; where there is none, for as long as connecting may take. */
  get #hope(): number {
    if (this.#origin.isThere) {
      const until = this.#holders.hopeUntil(now(), this.#patience);
      return this.#isFinding ? Math.max(until, this.#kit.tracker.silentSince + FIND_MS) : until;
    }
    return this.#isFinding || this.#holders.isConnecting ? this.#hopeUntil : 0;
  }

  #learn(at: number): number {
    const wake = this.#learning.plan(at, this.#hope, this.#patience);
    if (wake !== undefined) return wake;
    this.fail(this.#origin.error ?? this.#nobody);
    return Number.POSITIVE_INFINITY;
  }

  #fetch(schedule: Schedule, at: number): number {
    schedule.hope(this.#hope);
    for (const [user, demand] of [...this.#users]) {
      if (!demand || !schedule.isMet(demand)) continue;
      this.#users.delete(user);
      schedule.release(demand);
      user.over();
    }
    if (this.#users.size === 0) {
      this.#finish();
      return Number.POSITIVE_INFINITY;
    }
    // What came of the origin as a whole is being put where it stays.
    if (this.#learning.isLoading) return Number.POSITIVE_INFINITY;
    for (const order of schedule.plan(at)) this.#obey(order);
    if (schedule.isRefused(at, FULL_MS)) {
      this.fail(new StreamError("busy", "those who have it have no room"));
      return Number.POSITIVE_INFINITY;
    }
    if (!schedule.hasWays(at)) return this.#wait(at);
    return schedule.wake(at);
  }

  /** Nobody has what is missing. */
  #wait(at: number): number {
    if (this.#hope > at) return this.#hope;
    if (this.#isFinding) return Number.POSITIVE_INFINITY;
    const patience = this.#progressAt + PATIENCE_MS;
    if (this.#holders.size > 0 && at < patience) return patience;
    if (this.#hasSought) this.fail(this.#origin.error ?? this.#nobody);
    else this.#seek(true);
    return Number.POSITIVE_INFINITY;
  }

  get #nobody(): StreamError {
    const error = this.#learning.error ?? this.#error;
    const why = error && error.code !== "cancelled" ? ` (${error.message})` : "";
    return new StreamError("not_found", `nobody who can be reached has it${why}`);
  }

  #obey(order: Order): void {
    if (order.type === "request") return void this.#request(order.first, order.count);
    const holder = this.#holders.find(order.peer);
    if (!holder) return;
    if (order.type === "drop") this.#holders.drop(holder, order.why);
    else holder.wanting?.[order.type](order.piece);
  }

  async #request(first: number, count: number): Promise<void> {
    const { content } = this;
    if (!content) return;
    const take = async (piece: number, bytes: Bytes) => {
      if (!(await this.#take(piece, bytes)))
        throw new StreamError("tampered", `piece ${piece} of the origin is another`);
    };
    const wait = await this.#origin.request(content.manifest, first, count, this.#abort.signal, take);
    this.#then(() => this.#schedule?.requested(wait === undefined ? undefined : now() + wait));
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#holders.close();
    if (this.content) this.content.pins--;
    this.#kit.over(this);
  }
}

function now(): number {
  return performance.now();
}
