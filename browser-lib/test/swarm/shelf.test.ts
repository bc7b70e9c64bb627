// What is kept: in files, in the Cache API, in memory; what goes where there is no room; and what a reload finds.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Manifest, PIECE_BYTES } from "../../src/swarm/manifest.ts";
import { type Content, Shelf } from "../../src/swarm/shelf.ts";
import type { Store, StoreKind } from "../../src/swarm/store.ts";
import { Caches, Disk } from "./files.ts";
import { identify, pieces } from "./world.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const FOLDER = "browser-stream-server-swarm";
let disk: Disk;
let cache: Caches;

beforeEach(() => {
  disk = new Disk().install();
  cache = new Caches().install();
});
afterEach(() => void vi.unstubAllGlobals());

/** A shelf, and what it told. */
async function shelf(kind: StoreKind | Store = "opfs", bytesMax = 100 * PIECE_BYTES) {
  const told: string[] = [];
  const opened: Shelf = new Shelf(kind, bytesMax, {
    came: (_, piece) => void told.push(`came ${piece}`),
    went: (_, piece) => void told.push(`went ${piece ?? "all"}`),
    short: () => void told.push("short"),
  });
  await opened.ready;
  return { shelf: opened, told };
}

function cut(bytes: Bytes, piece: number): Bytes {
  return bytes.slice(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES);
}

/** Keeps these pieces of it. */
async function keep(on: Shelf, bytes: Bytes, list?: number[]): Promise<Content & { manifest: Manifest }> {
  const { id, manifest } = await identify(bytes);
  const content = await on.begin(id, manifest);
  for (const piece of list ?? Array.from({ length: manifest.pieces }, (_, at) => at)) {
    expect(await on.put(content, piece, cut(bytes, piece))).toBe(true);
  }
  return content;
}

async function holds(on: Shelf, content: Content, bytes: Bytes): Promise<boolean> {
  for (let piece = 0; piece < content.manifest.pieces; piece++) {
    const kept = await on.read(content, piece);
    if (!kept || !Buffer.from(kept).equals(cut(bytes, piece))) return false;
  }
  return true;
}

describe.each(["opfs", "cache", "memory"] as const)("%s", (kind) => {
  it("keeps pieces, and gives them back", async () => {
    const { shelf: on, told } = await shelf(kind);
    const bytes = pieces(3);
    const content = await keep(on, bytes);
    expect(await holds(on, content, bytes)).toBe(true);
    expect(told).toEqual(["came 0", "came 1", "came 2"]);
  });

  it("keeps nothing that is not the content's", async () => {
    const { shelf: on, told } = await shelf(kind);
    const { id, manifest } = await identify(pieces(2));
    const content = await on.begin(id, manifest);
    expect(await on.put(content, 0, new Uint8Array(PIECE_BYTES))).toBe(false);
    expect(await on.put(content, 1, new Uint8Array(3))).toBe(false);
    expect([await on.read(content, 0), told]).toEqual([undefined, []]);
  });

  it("forgets what is removed", async () => {
    const { shelf: on, told } = await shelf(kind);
    const content = await keep(on, pieces(2));
    expect(await on.remove(content.id)).toBe(true);
    expect(await on.remove(content.id)).toBe(false);
    expect([on.all, told.at(-1), disk.used, cache.all.size]).toEqual([[], "went all", 0, 0]);
  });
});

describe.each(["opfs", "cache"] as const)("after a reload %s", (kind) => {
  it("what was kept is there, whole or in part", async () => {
    const [whole, some] = [pieces(3), pieces(4, 1)];
    const before = (await shelf(kind)).shelf;
    await keep(before, whole);
    await keep(before, some, [1, 3]);
    const { shelf: after } = await shelf(kind);
    const counts = after.all.map(({ has }) => `${has.count} of ${has.length}`).sort();
    expect(counts).toEqual(["2 of 4", "3 of 3"]);
    const found = after.find((await identify(whole)).id) as Content;
    expect(await holds(after, found, whole)).toBe(true);
  });

  it("a piece that was changed meanwhile is not given", async () => {
    const bytes = pieces(2);
    const { id } = await keep((await shelf(kind)).shelf, bytes);
    const file = disk.file(FOLDER, id, "1");
    if (file) file.bytes = new Uint8Array(file.bytes?.length ?? 0);
    for (const url of cache.all.keys()) if (url.endsWith("/1")) cache.all.set(url, new Uint8Array(9));
    const { shelf: after, told } = await shelf(kind);
    const content = after.find(id) as Content;
    expect(await after.read(content, 1)).toBeUndefined();
    expect([told, content.has.count]).toEqual([["went 1"], 1]);
  });
});

it("what a page that crashed had begun and not named is removed", async () => {
  const bytes = pieces(1);
  const { id } = await keep((await shelf()).shelf, bytes);
  const root = await disk.root.getDirectoryHandle(FOLDER);
  await (await root.getDirectoryHandle(id)).removeEntry("manifest");
  const { shelf: after } = await shelf();
  expect([after.all, [...root.all.keys()]]).toEqual([[], []]);
});

it("of two pages with one store each has what the other kept, and may lose it at any time", async () => {
  const [one, two] = [(await shelf()).shelf, (await shelf()).shelf];
  const bytes = pieces(2);
  const content = await keep(one, bytes);
  await keep(two, bytes);
  await one.remove(content.id);
  const other = two.find(content.id) as Content;
  expect(await two.read(other, 0)).toBeUndefined();
  expect(other.has.has(0)).toBe(false);
});

it("of two pages the second writes nothing that is there already, and takes nothing away where it has no room", async () => {
  const [one, two] = [(await shelf()).shelf, (await shelf()).shelf];
  const bytes = pieces(2);
  const content = await keep(one, bytes);
  const files = () => ["manifest", "0", "1"].map((name) => disk.file(FOLDER, content.id, name)?.bytes);
  const before = files();
  disk.room = 0;
  expect((await keep(two, bytes)).spare.size).toBe(0);
  // The very same: not written again with the same bytes.
  expect(files().map((written, at) => written === before[at])).toEqual([true, true, true]);
  expect((await shelf()).shelf.find(content.id)?.has.count).toBe(2);
});

describe("where there is no room", () => {
  it("what was used least of late goes first, and nothing that is being fetched", async () => {
    const { shelf: on, told } = await shelf("opfs", 5 * PIECE_BYTES);
    const clock = vi.spyOn(Date, "now");
    clock.mockReturnValue(1_000);
    const first = await keep(on, pieces(2, 1));
    clock.mockReturnValue(2_000);
    const second = await keep(on, pieces(2, 2));
    first.pins++;
    clock.mockReturnValue(3_000);
    const third = await keep(on, pieces(2, 3));
    expect(on.all).toEqual([first, third]);
    expect(told).not.toContain("short");
    expect(on.find(second.id)).toBeUndefined();
    clock.mockRestore();
  });

  it("what does not fit at all is in memory, and that is told once", async () => {
    const { shelf: on, told } = await shelf("opfs", 2 * PIECE_BYTES);
    const bytes = pieces(4);
    const content = await keep(on, bytes);
    expect(await holds(on, content, bytes)).toBe(true);
    expect([content.spare.size, told.filter((what) => what === "short").length]).toEqual([2, 1]);
  });

  it("a disk that is full is the same", async () => {
    const { shelf: on, told } = await shelf();
    disk.room = PIECE_BYTES + 1000;
    const bytes = pieces(3);
    const content = await keep(on, bytes);
    expect(await holds(on, content, bytes)).toBe(true);
    expect(told).toContain("short");
    expect(disk.file(FOLDER, content.id, "2")).toBeUndefined();
  });
});

it("where there are no such files the Cache API is taken, and memory where there is none of that", async () => {
  vi.stubGlobal("FileSystemFileHandle", undefined);
  const { shelf: on } = await shelf("opfs");
  await keep(on, pieces(1));
  expect(cache.all.size).toBe(3);
  vi.stubGlobal("caches", undefined);
  expect((await shelf("opfs")).told).toEqual(["short"]);
});

it("a file that the page gave is read again for each piece, and is no content any more once it was changed", async () => {
  const { shelf: on, told } = await shelf();
  const bytes = pieces(2);
  const { id, manifest } = await identify(bytes);
  const content = on.hold(id, manifest, new Blob([bytes]));
  expect(await holds(on, content, bytes)).toBe(true);
  expect(disk.used).toBe(0);
  content.blob = new Blob([new Uint8Array(bytes.length)]);
  expect(await on.read(content, 0)).toBeUndefined();
  expect([on.all, told]).toEqual([[], ["went all"]]);
});

it("a store of one's own is used as it is", async () => {
  const asked: string[] = [];
  const store: Store = {
    list: async () => [],
    begin: async () => void asked.push("begin"),
    put: async (_, piece) => void asked.push(`put ${piece}`),
    get: async () => undefined,
    touch: async () => {},
    remove: async () => {},
  };
  await keep((await shelf(store)).shelf, pieces(2));
  expect(asked).toEqual(["begin", "put 0", "put 1"]);
});
