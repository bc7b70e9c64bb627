// Where a file goes that comes in piece by piece, and the choice among the three ways that browsers have.

import type { Bytes } from "./digest.ts";
import { Held } from "./held.ts";
import { canSaveStreams, saveBlob, saveStream } from "./save.ts";
import type { Listed } from "./wire.ts";

export interface Sink {
  /** Bytes that are there. */
  readonly held: number;
  /** Whether they are there again after the page was reloaded. */
  readonly continues: boolean;
  /** Done when there is room for more. The bytes belong to the sink from then on. */
  write(bytes: Bytes): Promise<void>;
  /** The last piece that was written, for pieces of that size. */
  last(piece: number): Promise<Bytes>;
  /** All is there: gives it to the user. Resolves when the browser has it; may be called again where it failed. */
  finish(): Promise<void>;
  /** Nobody wants it any more. */
  drop(): Promise<void>;
}

/** What a page without a service worker can save. */
export const MEMORY_MAX = 256 * 1024 * 1024;
/** Room that is left to others. */
const SPARE = 64 * 1024 * 1024;

/** There is no way to take a file of this size. */
export class TooLarge extends Error {
  override readonly name = "TooLarge";
}

/** Whether a page may do what it needs for files of any size. */
export async function isUnlimited(): Promise<boolean> {
  return canKeep() || (await canSaveStreams());
}

function canKeep(): boolean {
  return isSecureContext && navigator.storage?.getDirectory !== undefined;
}

/** The best way for this file: kept by the browser until it is whole, else straight to the downloads, else in memory. */
export async function sinkFor(exchange: string, file: Listed, piece: number): Promise<Sink> {
  if (await hasRoom(file.size)) {
    const held = await Held.open(exchange, file, piece);
    if (held) return held;
  }
  if (await canSaveStreams()) return new Straight(file);
  if (file.size > MEMORY_MAX) throw new TooLarge();
  return new InMemory(file);
}

async function hasRoom(bytes: number): Promise<boolean> {
  if (!canKeep()) return false;
  const { quota = 0, usage = 0 } = await navigator.storage.estimate();
  return quota - usage > bytes + SPARE;
}

/** Into the browser's downloads while it comes. What was cut off there cannot be gone on with after a reload. */
class Straight implements Sink {
  readonly continues = false;
  held = 0;
  #last: Bytes = new Uint8Array();
  readonly #saved: Promise<void>;
  readonly #writer: WritableStreamDefaultWriter<Bytes>;

  constructor(file: Listed) {
    const { readable, writable } = new TransformStream<Bytes, Bytes>();
    this.#writer = writable.getWriter();
    this.#writer.closed.catch(() => {}); // Writing fails with the same.
    this.#saved = saveStream(file, readable);
    this.#saved.catch((error) => this.#writer.abort(error));
  }

  async write(bytes: Bytes): Promise<void> {
    await this.#writer.ready;
    await this.#writer.write(bytes);
    this.held += bytes.length;
    this.#last = bytes;
  }

  async last(): Promise<Bytes> {
    return this.#last;
  }

  async finish(): Promise<void> {
    await this.#writer.close();
    await this.#saved;
  }

  async drop(): Promise<void> {
    await this.#writer.abort("given up").catch(() => {}); // It may be over already.
  }
}

/** In the page's memory, for pages that can do no better. */
class InMemory implements Sink {
  readonly continues = false;
  held = 0;
  readonly #file: Listed;
  readonly #parts: Bytes[] = [];

  constructor(file: Listed) {
    this.#file = file;
  }

  async write(bytes: Bytes): Promise<void> {
    this.#parts.push(bytes);
    this.held += bytes.length;
  }

  async last(): Promise<Bytes> {
    return this.#parts.at(-1) ?? new Uint8Array();
  }

  async finish(): Promise<void> {
    saveBlob(this.#file, new Blob(this.#parts, { type: this.#file.type }));
    await this.drop();
  }

  async drop(): Promise<void> {
    this.#parts.length = this.held = 0;
  }
}
