// Stores that have room for little: what is fetched is given to who fetches it all the same.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PIECE_BYTES } from "../../src/swarm/manifest.ts";
import { MemoryStore } from "../../src/swarm/memory-store.ts";
import { comes, happens, install, pieces, World } from "./world.ts";

beforeEach(install);
afterEach(() => void vi.unstubAllGlobals());

it("a piece that is spoilt in the store is fetched anew before anybody gets it", async () => {
  const world = new World();
  const bytes = pieces(3);
  const id = await world.join("seeder").seed(new Blob([bytes]));
  await happens("the announcement", () => world.holders(id).length === 1);
  const store = new MemoryStore();
  const reader = world.join("reader", { store, serve: false });
  expect(await comes(reader.fetch(id), bytes)).toBe("ok");
  await store.put(id, 1, new Uint8Array(PIECE_BYTES));
  expect(await comes(reader.fetch(id), bytes)).toBe("ok");
  expect(reader.stats().peers).toBe(bytes.length + PIECE_BYTES);
});

it("what somebody reads stays until it is read, although others need its room", async () => {
  const world = new World();
  const [bytes, other] = [pieces(2, 1), pieces(2, 2)];
  const seeder = world.join("seeder");
  const ids = await Promise.all([bytes, other].map((content) => seeder.seed(new Blob([content]))));
  await happens("both announced", () => ids.every((id) => world.holders(id).length === 1));

  const store = new MemoryStore();
  const reader = world.join("reader", { store, storeBytesMax: 3 * PIECE_BYTES, serve: false });
  const read = store.get.bind(store);
  let release = () => {};
  const may = new Promise<void>((resolve) => {
    release = resolve;
  });
  vi.spyOn(store, "get").mockImplementation(async (id, piece) => {
    if (id === ids[0]) await may;
    return read(id, piece);
  });
  const slow = reader.fetch(`${ids[0]}`);
  const coming = comes(slow, bytes);
  await slow.done;
  expect(await comes(reader.fetch(`${ids[1]}`), other)).toBe("ok");
  release();
  expect(await coming).toBe("ok");

  // Read, it makes room.
  expect(await comes(reader.fetch(`${ids[1]}`), other)).toBe("ok");
  const third = pieces(2, 3);
  const id = await seeder.seed(new Blob([third]));
  await happens("the third announced", () => world.holders(id).length === 1);
  expect(await comes(reader.fetch(id), third)).toBe("ok");
  expect((await reader.contents()).map(({ id }) => id)).not.toContain(ids[0]);
});
