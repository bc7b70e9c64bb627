// Holders that have no room: asked again for a while, and at once when they say so.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Bitmap } from "../../src/swarm/bitmap.ts";
import { PIECE_BYTES } from "../../src/swarm/manifest.ts";
import { have, LIMIT, PIECE, REFUSED, record } from "../../src/swarm/records.ts";
import { holdClock } from "../clock.ts";
import { outcome } from "../peer.ts";
import { impostor } from "./impostor.ts";
import { comes, identify, install, passes, pieces, settled, World, watchElsewhere } from "./world.ts";

holdClock();
beforeEach(() => {
  install();
  watchElsewhere();
});
afterEach(() => void vi.unstubAllGlobals());

it("who has no origin asks holders without room ever less often, and is told after half a minute that they are busy", async () => {
  const world = new World();
  const bytes = pieces(3);
  const peer = await impostor(world, bytes, (wish, _, write) => {
    if (wish.type === 4) write(record(REFUSED, wish.ref, wish.index, LIMIT));
  });
  const from = performance.now();
  const done = outcome(world.join("fetcher").fetch(peer.id).done);
  await passes("its end", () => settled(done), 50);
  expect(await done).toBe("busy");
  const ms = performance.now() - from;
  expect(ms).toBeGreaterThanOrEqual(30_000);
  expect(ms).toBeLessThan(40_000);
  expect(peer.asks()).toBeLessThan(20);
});

it("a holder that has room again says so, and is asked at once", async () => {
  const world = new World();
  const bytes = pieces(2);
  const { manifest } = await identify(bytes);
  let invite = () => {};
  let isFull = true;
  const peer = await impostor(world, bytes, (wish, _, write) => {
    if (wish.type !== 4) return;
    const at = wish.index * PIECE_BYTES;
    const piece = bytes.subarray(at, at + manifest.lengthOf(wish.index));
    if (isFull) write(record(REFUSED, wish.ref, wish.index, LIMIT));
    else write(record(PIECE, wish.ref, wish.index, piece.length), piece);
    invite = () => write(have(wish.ref, Bitmap.full(2)));
  });
  const coming = comes(world.join("fetcher").fetch(peer.id), bytes);
  let from = 0;
  await passes("some refusals", () => peer.asks() > 8, 50);
  isFull = false;
  from = performance.now();
  invite();
  await passes("the content", () => settled(coming));
  expect(await coming).toBe("ok");
  expect(performance.now() - from).toBeLessThan(100);
});

it("a page whose line is full invites those whom it refused, one after the other, and all get everything", async () => {
  const world = new World();
  const contents = [pieces(4, 1), pieces(4, 2), pieces(4, 3)];
  const seeder = world.join("seeder", { uploadBytesPerSecond: PIECE_BYTES });
  const seeding = Promise.all(contents.map((bytes) => seeder.seed(new Blob([bytes]))));
  await passes("the announcements", () => settled(seeding) && world.said("seeder", "announce").length > 0);
  const ids = await seeding;
  await passes("all", () => ids.every((id) => world.holders(id).length === 1));
  const from = performance.now();
  const coming = Promise.all(
    contents.map((bytes, at) => comes(world.join(`fetcher ${at}`).fetch(`${ids[at]}`), bytes)),
  );
  await passes("all contents", () => settled(coming), 10);
  expect(await coming).toEqual(["ok", "ok", "ok"]);
  // Twelve pieces at one a second: nobody's pause left the line idle.
  expect(performance.now() - from).toBeLessThan(13_500);
});
