// A piece that comes twice at the same time: it was asked for twice, for it was one of the last.

import { expect, it, vi } from "vitest";
import { Hashing } from "../../src/swarm/manifest.ts";
import { MemoryStore } from "../../src/swarm/memory-store.ts";
import { Shelf } from "../../src/swarm/shelf.ts";

it("is written once, and is here once that is done", async () => {
  const bytes = new Uint8Array(1000).fill(7);
  const hashing = new Hashing();
  await hashing.push(bytes);
  const manifest = hashing.manifest();
  const store = new MemoryStore();
  const put = vi.spyOn(store, "put");
  const came = vi.fn();
  const shelf = new Shelf(store, 1e6, { came, went: () => {}, short: () => {} });
  const content = await shelf.begin(await manifest.id(), manifest);
  const both = await Promise.all([shelf.put(content, 0, bytes), shelf.put(content, 0, bytes.slice())]);
  expect([both, put.mock.calls.length, came.mock.calls.length]).toEqual([[true, true], 1, 1]);
  expect(await shelf.read(content, 0)).toEqual(bytes);
});
