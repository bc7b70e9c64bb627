// Keeps pieces in the Cache API, under addresses that nobody has.

import type { Store, Stored } from "./store.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const NAME = "browser-stream-server-swarm";
const BASE = "https://swarm.invalid/";
const MANIFEST = "manifest";
const USED = "used";
const KEY = /^https:\/\/swarm\.invalid\/([0-9a-f]{64})\/(\d+)$/;

export class CacheStore implements Store {
  readonly #cache: Cache;

  private constructor(cache: Cache) {
    this.#cache = cache;
  }

  /** Nothing where the platform has no Cache API here. */
  static async open(): Promise<CacheStore | undefined> {
    return typeof caches === "object" ? new CacheStore(await caches.open(NAME)) : undefined;
  }

  async list(): Promise<Stored[]> {
    const pieces = new Map<string, number[]>();
    for (const { url } of await this.#cache.keys()) {
      const [, id, piece] = KEY.exec(url) ?? [];
      if (id) pieces.set(id, [...(pieces.get(id) ?? []), Number(piece)]);
    }
    const all = Array.from(pieces, async ([id, list]) => {
      const manifest = await this.#read(id, MANIFEST);
      const used = await this.#read(id, USED);
      // Pieces of a content that another page is removing.
      if (!manifest) return void (await this.remove(id));
      return { id, manifest, pieces: list, usedAt: Number(new TextDecoder().decode(used)) || 0 };
    });
    return (await Promise.all(all)).filter((stored) => stored !== undefined);
  }

  async begin(id: string, manifest: Bytes): Promise<void> {
    await this.#write(id, MANIFEST, manifest);
    await this.touch(id);
  }

  put(id: string, piece: number, bytes: Bytes): Promise<void> {
    return this.#write(id, `${piece}`, bytes);
  }

  get(id: string, piece: number): Promise<Bytes | undefined> {
    return this.#read(id, `${piece}`);
  }

  touch(id: string): Promise<void> {
    return this.#write(id, USED, new TextEncoder().encode(`${Date.now()}`));
  }

  async remove(id: string): Promise<void> {
    for (const request of await this.#cache.keys()) {
      if (request.url.startsWith(`${BASE}${id}/`)) await this.#cache.delete(request);
    }
  }

  async #read(id: string, name: string): Promise<Bytes | undefined> {
    const response = await this.#cache.match(`${BASE}${id}/${name}`);
    return response && new Uint8Array(await response.arrayBuffer());
  }

  #write(id: string, name: string, bytes: Bytes): Promise<void> {
    return this.#cache.put(`${BASE}${id}/${name}`, new Response(bytes));
  }
}
