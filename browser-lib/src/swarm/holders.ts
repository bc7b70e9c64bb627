// The holders of one content that a fetch speaks to: found, connected, asked for what they have.

import type { Bitmap } from "./bitmap.ts";
import type { Link, Wanting } from "./link.ts";
import type { Failure, Links } from "./links.ts";
import type { Candidate } from "./tracker.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Connected at the same time, or on their way. */
const HOLDERS_MAX = 16;

export interface Holder {
  readonly name: string;
  readonly link: Link;
  /** Since when it could have said what it has. */
  readonly since: number;
  wanting?: Wanting;
  /** What it says that it has; nothing as long as it has said nothing. */
  has?: Bitmap;
  /** When it was asked for the manifest. */
  manifestAt?: number;
}

export interface HoldersHooks {
  /** It has these pieces, or other ones than before. */
  have(holder: Holder): void;
  got(holder: Holder, piece: number): void;
  heard(holder: Holder): void;
  manifest(holder: Holder, bytes: Bytes): void;
  piece(holder: Holder, piece: number, bytes: Bytes): void;
  refused(holder: Holder, piece: number, isFull: boolean): void;
  /** It is none any more. */
  left(holder: Holder): void;
}

export class Holders {
  readonly #id: string;
  readonly #links: Links;
  readonly #hooks: HoldersHooks;
  readonly #all = new Map<string, Holder>();
  /** Those who were found and wait for a place. */
  #reserve: string[] = [];
  #isClosed = false;

  constructor(id: string, links: Links, hooks: HoldersHooks) {
    this.#id = id;
    this.#links = links;
    this.#hooks = hooks;
  }

  get size(): number {
    return this.#all.size;
  }

  get all(): Holder[] {
    return [...this.#all.values()];
  }

  /** Whether somebody is on the way who has said nothing yet. */
  get isConnecting(): boolean {
    return this.all.some(({ has }) => !has);
  }

  /** Until when somebody may say what it has who was not known to be silent; nothing where there is nobody to wait for. */
  hopeUntil(now: number, patienceMs: number): number {
    let until = 0;
    for (const { has, since, link } of this.#all.values()) {
      if (has || link.trust.isSilent) continue;
      const due = link.trust.due(since, patienceMs);
      if (now >= due) link.trust.isSilent = true;
      else until = Math.max(until, due);
    }
    return until;
  }

  find(name: string): Holder | undefined {
    return this.#all.get(name);
  }

  /** Connects to as many of these as there is room for, all at once; to the others as places become free. */
  approach(candidates: readonly Candidate[]): void {
    this.#reserve = candidates.map(({ name }) => name).filter((name) => !this.#all.has(name));
    this.#fill();
  }

  /** It is given up: for all fetches, and it is reported. */
  drop(holder: Holder, why: Failure): void {
    this.#links.shun(holder.name, why);
    this.#leave(holder);
    holder.link.close();
  }

  close(): void {
    this.#isClosed = true;
    this.#reserve = [];
    for (const { wanting } of this.all) wanting?.drop();
    this.#all.clear();
  }

  #fill(): void {
    while (this.#all.size < HOLDERS_MAX && !this.#isClosed) {
      const name = this.#reserve.shift();
      if (name === undefined) return;
      const link = this.#links.to(name);
      if (link && !this.#all.has(name))
        this.#connect({ name, link, since: link.isUp ? performance.now() : link.since });
    }
  }

  #connect(holder: Holder): void {
    this.#all.set(holder.name, holder);
    const left = () => this.#leave(holder);
    holder.link.up.then(() => {
      if (this.#all.get(holder.name) !== holder) return;
      holder.wanting = holder.link.want(this.#id, {
        heard: () => this.#hooks.heard(holder),
        have: (bitmap) => {
          holder.has = bitmap;
          holder.link.trust.isSilent = false;
          this.#hooks.have(holder);
        },
        got: (piece) => {
          holder.has?.add(piece);
          this.#hooks.got(holder, piece);
        },
        none: left,
        manifest: (bytes) => this.#hooks.manifest(holder, bytes),
        piece: (piece, bytes) => this.#hooks.piece(holder, piece, bytes),
        refused: (piece, isFull) => this.#hooks.refused(holder, piece, isFull),
        over: left,
      });
    }, left);
  }

  #leave(holder: Holder): void {
    if (this.#all.get(holder.name) !== holder) return;
    this.#all.delete(holder.name);
    holder.wanting?.drop();
    this.#hooks.left(holder);
    this.#fill();
  }
}
