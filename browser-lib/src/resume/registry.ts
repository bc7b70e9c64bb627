// The resumable streams that a server knows, and those that it remembers.

import { EARLY_MAX, type Limits } from "./limits.ts";
import type { Tombstone } from "./outcome.ts";
import { type Identity, isSame } from "./proof.ts";
import type { Reason } from "./record.ts";

/** What a birth open, or a JOIN, finds. */
export type Found<T> =
  /** Nothing: a new stream, to be accepted and inserted, or refused; for a JOIN: say GONE, then finish the carrier. */
  | { readonly type: "nothing" }
  /** The carrier is one more of this stream. */
  | { readonly type: "known"; readonly handle: T }
  /** The same of one that ended: revive it, and insert it again. */
  | { readonly type: "ended"; readonly tombstone: Tombstone }
  /** To be answered with this error; for a JOIN with GONE. */
  | { readonly type: "refused"; readonly reason: Reason };

interface Live<T> {
  readonly identity: Identity;
  readonly handle: T;
}

/** Streams by id: live ones as what the shell keeps for each (`T`), ended ones as tombstones until no late open or JOIN of them can come. */
export class Registry<T> {
  readonly #limits: Limits;
  readonly #live = new Map<string, Live<T>>();
  /** In the order of burial. */
  readonly #graves = new Map<string, Tombstone>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** A birth open came, perhaps again. */
  birth(identity: Identity, early: number, now: number): Found<T> {
    if (early > EARLY_MAX) return refused("bad_request", "more early bytes than an open may have");
    const found = this.#find(key(identity.id), now);
    if (!found) return { type: "nothing" };
    const known = found.identity;
    if (!isSame(known.secret, identity.secret) || known.name !== identity.name) {
      return refused("forbidden", "the stream's id is taken");
    }
    return this.#give(found);
  }

  /** A carrier said JOIN; `name` is the one under which it came in, none for a direct carrier. Who said it must prove itself to the endpoint. */
  join(id: Uint8Array, name: string | undefined, now: number): Found<T> {
    const found = this.#find(key(id), now);
    if (!found || (name !== undefined && name !== found.identity.name)) return { type: "nothing" };
    return this.#give(found);
  }

  /** A stream that lives. */
  get(id: Uint8Array): T | undefined {
    return this.#live.get(key(id))?.handle;
  }

  /** Of a stream that is known, or remembered. */
  identity(id: Uint8Array, now: number): Identity | undefined {
    return this.#find(key(id), now)?.identity;
  }

  /** The stream lives: a new one that was accepted, or one that was revived. */
  insert(identity: Identity, handle: T): void {
    this.forget(identity.id);
    this.#live.set(key(identity.id), { identity, handle });
  }

  /** The stream was refused: a repeated open gets the same answer until the hold is over. */
  refuse(identity: Identity, reason: Reason, grace: number, now: number): void {
    const hold = grace + this.#limits.holdExtra;
    const outcome = { type: "refused", reason } as const;
    this.bury({ identity, outcome, received: 0, total: undefined, base: 0, hold, expires: now + hold });
  }

  /** The stream ended and no carrier holds on to it: its handle goes, the tombstone stays. The oldest one goes if there are too many. */
  bury(tombstone: Tombstone): void {
    this.forget(tombstone.identity.id);
    this.#graves.set(key(tombstone.identity.id), tombstone);
    const [oldest] = this.#graves.keys();
    if (this.#graves.size > this.#limits.tombstonesMax && oldest !== undefined) this.#graves.delete(oldest);
  }

  /** Forgets a stream: an endpoint that is freed. */
  forget(id: Uint8Array): void {
    this.#live.delete(key(id));
    this.#graves.delete(key(id));
  }

  /** The streams that live. */
  get live(): T[] {
    return Array.from(this.#live.values(), ({ handle }) => handle);
  }

  /** How many are remembered. */
  get remembered(): number {
    return this.#graves.size;
  }

  #find(id: string, now: number): Live<T> | Tombstone | undefined {
    for (const [id, { expires }] of this.#graves) {
      if (expires > now) break;
      this.#graves.delete(id);
    }
    // One with a shorter hold may lie behind one with a longer.
    if ((this.#graves.get(id)?.expires ?? Infinity) <= now) this.#graves.delete(id);
    return this.#live.get(id) ?? this.#graves.get(id);
  }

  #give(found: Live<T> | Tombstone): Found<T> {
    if ("handle" in found) return { type: "known", handle: found.handle };
    const { outcome } = found;
    if (outcome.type === "refused") return { type: "refused", reason: outcome.reason };
    if (outcome.type === "lost") return refused("gone", "the stream was lost");
    this.#graves.delete(key(found.identity.id));
    return { type: "ended", tombstone: found };
  }
}

function refused(code: string, message: string): { type: "refused"; reason: Reason } {
  return { type: "refused", reason: { code, message } };
}

function key(id: Uint8Array): string {
  return id.join();
}
