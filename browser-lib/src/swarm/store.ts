// Where pieces are kept. Types, and the choice among our own.

import { demand } from "../options.ts";
import { CacheStore } from "./cache-store.ts";
import { FileStore } from "./file-store.ts";
import { MemoryStore } from "./memory-store.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A content as a store has it. */
export interface Stored {
  readonly id: string;
  readonly manifest: Bytes;
  /** Which pieces are there. */
  readonly pieces: Iterable<number>;
  /** When it was used last, in milliseconds since 1970. */
  readonly usedAt: number;
}

/**
 * Keeps pieces of contents. What it gives is verified each time, so it may lose things, but not mix them up. A piece is written once, whole or not at all; several pages
 * may use one store at a time. Where there is no room `put` and `begin` reject, with whatever.
 */
export interface Store {
  list(): Promise<Stored[]>;
  /** Before the first piece of a content, perhaps again. */
  begin(id: string, manifest: Bytes): Promise<void>;
  put(id: string, piece: number, bytes: Bytes): Promise<void>;
  get(id: string, piece: number): Promise<Bytes | undefined>;
  /** It is used now. */
  touch(id: string): Promise<void>;
  remove(id: string): Promise<void>;
}

/** `opfs`: files of the origin's own; `cache`: the Cache API; `memory`: until the page goes. */
export type StoreKind = "opfs" | "cache" | "memory";

const KINDS = ["opfs", "cache", "memory"];
/** What a store of one's own has to have. */
const CALLS = ["list", "begin", "put", "get", "touch", "remove"] as const;

/** Throws `bad_request` for what is no store. */
export function checkStore(kind: unknown): void {
  const isOwn = CALLS.every((call) => typeof Object(kind)[call] === "function");
  demand(isOwn || KINDS.includes(kind as string), `store is one of ${KINDS}, or has ${CALLS}`);
}

/** That store, or the next best that the platform has: files, then the Cache API, then memory. */
export async function storeOf(kind: StoreKind | Store): Promise<{ store: Store; isLesser: boolean }> {
  if (typeof kind === "object") return { store: kind, isLesser: false };
  const kinds: StoreKind[] = kind === "opfs" ? ["opfs", "cache"] : [kind];
  for (const candidate of kinds) {
    const store = await opened(candidate).catch(() => undefined);
    if (store) return { store, isLesser: candidate !== kind };
  }
  return { store: new MemoryStore(), isLesser: true };
}

async function opened(kind: StoreKind): Promise<Store | undefined> {
  if (kind === "opfs") return FileStore.open();
  return kind === "cache" ? CacheStore.open() : new MemoryStore();
}
