// Keeps pieces until the page goes.

import type { Store, Stored } from "./store.ts";

type Bytes = Uint8Array<ArrayBuffer>;

interface Entry {
  readonly manifest: Bytes;
  readonly pieces: Map<number, Bytes>;
}

export class MemoryStore implements Store {
  readonly #contents = new Map<string, Entry>();

  async list(): Promise<Stored[]> {
    return Array.from(this.#contents, ([id, { manifest, pieces }]) => ({
      id,
      manifest,
      pieces: pieces.keys(),
      usedAt: 0,
    }));
  }

  async begin(id: string, manifest: Bytes): Promise<void> {
    if (!this.#contents.has(id)) this.#contents.set(id, { manifest, pieces: new Map() });
  }

  async put(id: string, piece: number, bytes: Bytes): Promise<void> {
    this.#contents.get(id)?.pieces.set(piece, bytes);
  }

  async get(id: string, piece: number): Promise<Bytes | undefined> {
    return this.#contents.get(id)?.pieces.get(piece);
  }

  async touch(): Promise<void> {}

  async remove(id: string): Promise<void> {
    this.#contents.delete(id);
  }
}
