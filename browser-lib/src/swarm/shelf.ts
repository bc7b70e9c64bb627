// The contents that we have, whole or in part: in the store, in memory where that has no room, or in a Blob that the page gave.

import { StreamError } from "../error.ts";
import { Bitmap } from "./bitmap.ts";
import { Manifest, PIECE_BYTES } from "./manifest.ts";
import { MemoryStore } from "./memory-store.ts";
import { type Store, type StoreKind, storeOf } from "./store.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A content that we have something of. */
export interface Content {
  readonly id: string;
  readonly manifest: Manifest;
  /** The pieces that are there. */
  readonly has: Bitmap;
  /** Where they are, if the page gave them. */
  blob?: Blob | undefined;
  /** Those that are only in memory. */
  readonly spare: Set<number>;
  usedAt: number;
  /** Who needs it to stay. */
  pins: number;
}

export interface ShelfHooks {
  /** A piece came. */
  came(content: Content, piece: number): void;
  /** Pieces that were there are not any more, or the whole content. */
  went(content: Content, piece: number | undefined): void;
  /** There was no room, or the store cannot be had: pieces are in memory now. */
  short(error: unknown): void;
}

/** How often it is written down that a content was used. Milliseconds. */
const TOUCH_MS = 60_000;
/** After so much was written it is looked what other pages wrote. Bytes. */
const LOOK_BYTES = 16 * 1024 * 1024;

export class Shelf {
  readonly #hooks: ShelfHooks;
  readonly #bytesMax: number;
  readonly #contents = new Map<string, Content>();
  readonly #spare = new MemoryStore();
  readonly #opened: Promise<Store>;
  /** Bytes in the store, as far as we know. */
  #bytes = 0;
  #written = 0;
  /** Pieces that are being written, by content and piece. */
  readonly #writing = new Map<string, Promise<void>>();
  #isShort = false;

  constructor(kind: StoreKind | Store, bytesMax: number, hooks: ShelfHooks) {
    this.#hooks = hooks;
    this.#bytesMax = bytesMax;
    this.#opened = this.#open(kind);
    this.#opened.catch(() => {});
  }

  /** Resolves when it is known what is there. */
  get ready(): Promise<unknown> {
    return this.#opened;
  }

  get all(): Content[] {
    return [...this.#contents.values()];
  }

  find(id: string): Content | undefined {
    return this.#contents.get(id);
  }

  /** A content that the page has, and gives as long as it may be read. */
  hold(id: string, manifest: Manifest, blob: Blob): Content {
    const known = this.#contents.get(id);
    if (!known) return this.#add({ id, manifest, has: Bitmap.full(manifest.pieces), blob });
    known.blob ??= blob;
    for (let piece = 0; piece < manifest.pieces; piece++) if (known.has.add(piece)) this.#hooks.came(known, piece);
    return known;
  }

  /** A content that is to come. */
  async begin(id: string, manifest: Manifest): Promise<Content> {
    const store = await this.#opened;
    const content = this.#contents.get(id) ?? this.#add({ id, manifest, has: new Bitmap(manifest.pieces) });
    if (content.has.count === 0) await store.begin(id, manifest.bytes).catch((error) => this.#fallShort(error));
    return content;
  }

  /** Keeps a piece, if these bytes are it. */
  async put(content: Content, piece: number, bytes: Bytes): Promise<boolean> {
    if (!(await content.manifest.isPiece(piece, bytes))) return false;
    if (content.has.has(piece)) return true;
    // One that was asked for twice may come twice: written again, it could not be read meanwhile.
    const key = `${content.id} ${piece}`;
    const writing = this.#writing.get(key) ?? this.#write(content, piece, bytes);
    this.#writing.set(key, writing);
    try {
      await writing;
    } finally {
      this.#writing.delete(key);
    }
    return true;
  }

  async #write(content: Content, piece: number, bytes: Bytes): Promise<void> {
    const { id } = content;
    const store = await this.#opened;
    try {
      await this.#makeRoom(store, content, bytes.length);
      this.#bytes += bytes.length;
      this.#written += bytes.length;
      await store.put(id, piece, bytes).catch((error) => {
        this.#bytes -= bytes.length;
        throw error;
      });
    } catch (error) {
      this.#fallShort(error);
      await this.#spare.begin(id, content.manifest.bytes);
      await this.#spare.put(id, piece, bytes);
      content.spare.add(piece);
    }
    if (content.has.add(piece)) this.#hooks.came(content, piece);
  }

  /** A piece, verified again; nothing where it is not there any more. */
  async read(content: Content, piece: number): Promise<Bytes | undefined> {
    if (!content.has.has(piece)) return undefined;
    const bytes = await this.#load(content, piece).catch(() => undefined);
    if (bytes && (await content.manifest.isPiece(piece, bytes))) {
      this.#use(content);
      return bytes;
    }
    // A file that has changed is another content.
    if (content.blob) await this.#forget(content);
    else if (content.has.delete(piece)) this.#hooks.went(content, piece);
    return undefined;
  }

  async remove(id: string): Promise<boolean> {
    await this.#opened;
    const content = this.#contents.get(id);
    if (content) await this.#forget(content);
    return content !== undefined;
  }

  async #open(kind: StoreKind | Store): Promise<Store> {
    const { store, isLesser } = await storeOf(kind);
    if (isLesser && store instanceof MemoryStore)
      this.#fallShort(new StreamError("unsupported", "there is no such store here"));
    await this.#look(store).catch((error) => this.#fallShort(error));
    return store;
  }

  /** What is in the store, by this page or another. */
  async #look(store: Store): Promise<void> {
    let sum = 0;
    for (const { id, manifest: bytes, pieces, usedAt } of await store.list()) {
      const manifest = readManifest(bytes);
      if (!manifest || (await manifest.id()) !== id) {
        await store.remove(id);
        continue;
      }
      const has = new Bitmap(manifest.pieces);
      for (const piece of pieces) if (has.add(piece)) sum += manifest.lengthOf(piece);
      if (!this.#contents.has(id) && has.count > 0) this.#add({ id, manifest, has, usedAt });
    }
    this.#bytes = sum;
    this.#written = 0;
  }

  #add(fields: Pick<Content, "id" | "manifest" | "has" | "blob"> & { usedAt?: number }): Content {
    const content: Content = { usedAt: Date.now(), pins: 0, spare: new Set(), ...fields };
    this.#contents.set(content.id, content);
    return content;
  }

  #load({ id, blob, spare }: Content, piece: number): Promise<Bytes | undefined> {
    if (blob) {
      const part = blob.slice(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES);
      return part.arrayBuffer().then((buffer) => new Uint8Array(buffer));
    }
    return spare.has(piece) ? this.#spare.get(id, piece) : this.#opened.then((store) => store.get(id, piece));
  }

  #use(content: Content): void {
    const now = Date.now();
    const isDue = now - content.usedAt >= TOUCH_MS;
    if (!isDue) return;
    content.usedAt = now;
    if (!content.blob) void this.#opened.then((store) => store.touch(content.id)).catch(() => {});
  }

  /** Removes what was used least of late, until so many bytes more fit. Rejects `limit` where they do not. */
  async #makeRoom(store: Store, wanting: Content, bytes: number): Promise<void> {
    if (this.#written >= LOOK_BYTES) await this.#look(store);
    while (this.#bytes + bytes > this.#bytesMax) {
      const rest = this.all.filter((content) => content !== wanting && content.pins === 0 && !content.blob);
      const [first, ...others] = rest;
      if (!first) throw new StreamError("limit", `the store may have ${this.#bytesMax} bytes`);
      await this.#forget(others.reduce((oldest, other) => (other.usedAt < oldest.usedAt ? other : oldest), first));
    }
  }

  async #forget(content: Content): Promise<void> {
    const { id, manifest, has, blob, spare } = content;
    if (this.#contents.get(id) !== content) return;
    this.#contents.delete(id);
    this.#hooks.went(content, undefined);
    for (let piece = 0; piece < has.length; piece++) {
      if (!blob && has.has(piece) && !spare.has(piece)) this.#bytes -= manifest.lengthOf(piece);
    }
    await this.#spare.remove(id);
    await (await this.#opened).remove(id).catch(() => {});
  }

  #fallShort(error: unknown): void {
    if (this.#isShort) return;
    this.#isShort = true;
    this.#hooks.short(error);
  }
}

function readManifest(bytes: Bytes): Manifest | undefined {
  try {
    return Manifest.read(bytes);
  } catch {
    return undefined;
  }
}
