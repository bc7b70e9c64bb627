// What a content is, of which only the id is known: from holders, from the manifest's own address, or by all of it from the origin.

import { StreamError } from "../error.ts";
import { later } from "../later.ts";
import type { Holder, Holders } from "./holders.ts";
import { Hashing, isManifest, MANIFEST_BYTES_MAX } from "./manifest.ts";
import { type Origin, small } from "./origin.ts";
import { STALL_MS } from "./schedule.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Manifests that are asked for at a time, of holders that are not late with it. */
const ASKED_MAX = 2;

export interface LearningHooks {
  /** The manifest, which is the one with that id. */
  learned(bytes: Bytes): Promise<void>;
  lied(holder: Holder): void;
  /** Whether it is known by now. */
  isKnown(): boolean;
  /** So many bytes came of a content that nobody can verify yet. */
  unverified(bytes: number): void;
  /** A piece of the content that came as a whole. */
  take(piece: number, bytes: Bytes): Promise<unknown>;
  /** It is to be looked again what is to be done. */
  step(): void;
}

export class Learning {
  readonly #id: string;
  readonly #holders: Holders;
  readonly #origin: Origin;
  readonly #signal: AbortSignal;
  readonly #hooks: LearningHooks;
  #isAsking = false;
  #isLoading = false;
  /** Why the manifest's own address did not help. */
  error: StreamError | undefined;

  constructor(id: string, holders: Holders, origin: Origin, signal: AbortSignal, hooks: LearningHooks) {
    this.#id = id;
    this.#holders = holders;
    this.#origin = origin;
    this.#signal = signal;
    this.#hooks = hooks;
  }

  /** The origin gives all of it, or what came of that is being put where it stays. */
  get isLoading(): boolean {
    return this.#isLoading;
  }

  /** Asks at the manifest's own address. */
  async fetch(url: string): Promise<void> {
    this.#isAsking = true;
    try {
      const bytes = await small(url, MANIFEST_BYTES_MAX, this.#signal);
      if (!(await isManifest(this.#id, bytes))) throw new StreamError("tampered", "the manifest is another content's");
      await this.#hooks.learned(bytes);
    } catch (error) {
      this.error = StreamError.from(error);
    }
    this.#isAsking = false;
    this.#hooks.step();
  }

  /** A holder sent one. */
  async heard(holder: Holder, bytes: Bytes): Promise<void> {
    if (await isManifest(this.#id, bytes)) await this.#hooks.learned(bytes);
    else this.#hooks.lied(holder);
    this.#hooks.step();
  }

  /** Does what is to be done, and says when to come back; nothing where there is no way. A holder is late after `patienceMs`: another is asked, or the origin. */
  plan(at: number, hopeUntil: number, patienceMs: number): number | undefined {
    const isHoping = hopeUntil > at;
    let wake = isHoping ? hopeUntil : Number.POSITIVE_INFINITY;
    let [asked, late] = [0, 0];
    for (const holder of this.#holders.all) {
      if (!holder.has) continue;
      if (holder.manifestAt === undefined && asked < ASKED_MAX) {
        holder.manifestAt = at;
        holder.wanting?.askManifest();
      }
      if (holder.manifestAt === undefined) continue;
      const until = holder.manifestAt + STALL_MS;
      const lateAt = holder.link.trust.due(holder.manifestAt, patienceMs);
      if (at >= until) this.#holders.drop(holder, "stalled");
      else if (at >= lateAt) late++;
      else asked++;
      if (at < until) wake = Math.min(wake, at < lateAt ? lateAt : until);
    }
    if (isHoping || asked > 0 || this.#isAsking || this.#isLoading) return wake;
    if (!this.#origin.isThere) return late > 0 ? wake : undefined;
    void this.#load();
    return wake;
  }

  /** Gets all of it from the origin, and verifies it at its end: nobody gets any of it before, unless a holder says meanwhile what it is. */
  async #load(): Promise<void> {
    this.#isLoading = true;
    const wait = await this.#origin.whole(this.#signal, (pieces) => this.#verify(pieces));
    if (wait) await new Promise<void>((resolve) => later(resolve, wait));
    this.#isLoading = false;
    this.#hooks.step();
  }

  async #verify(pieces: AsyncGenerator<Bytes>): Promise<void> {
    const hashing = new Hashing();
    // Blobs, which a browser may keep elsewhere than in memory.
    const parts: Blob[] = [];
    for await (const piece of pieces) {
      await hashing.push(piece);
      parts.push(new Blob([piece]));
      this.#hooks.unverified(hashing.size);
      if (this.#hooks.isKnown()) break;
    }
    if (!this.#hooks.isKnown()) {
      const manifest = hashing.manifest();
      if ((await manifest.id()) !== this.#id) throw new StreamError("tampered", "the origin has another content");
      await this.#hooks.learned(manifest.bytes);
    }
    for (const [piece, part] of parts.entries())
      await this.#hooks.take(piece, new Uint8Array(await part.arrayBuffer()));
  }
}
