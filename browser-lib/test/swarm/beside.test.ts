// A fetch with an origin beside the origin alone: what holders cost that are of no use, in time that the clock of a test tells.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PIECE_BYTES } from "../../src/swarm/manifest.ts";
import { PIECE, record } from "../../src/swarm/records.ts";
import { PATIENCE_MS } from "../../src/swarm/trust.ts";
import { holdClock } from "../clock.ts";
import { impostor } from "./impostor.ts";
import { comes, identify, install, passes, pieces, Server, settled, World, watchElsewhere } from "./world.ts";

holdClock();
beforeEach(() => {
  install();
  watchElsewhere();
});
afterEach(() => void vi.unstubAllGlobals());

const CONTENTS = 4;
const contents = Array.from({ length: CONTENTS }, (_, seed) => pieces(2, seed + 1));
const origin = (at: number) => `https://origin.test/${at}`;

/** Peers that are dead, silent, mute, liars and leavers, each of all contents. */
async function harm(world: World): Promise<void> {
  for (const bytes of contents) {
    await impostor(world, bytes, () => {});
    await impostor(world, bytes, (wish, _, write) => {
      if (wish.type === 4) write(record(PIECE, wish.ref, wish.index, PIECE_BYTES), new Uint8Array(PIECE_BYTES));
    });
    await impostor(world, bytes, (wish, stream) => {
      if (wish.type === 4) stream.reset("gone");
    });
  }
  for (let ghost = 0; ghost < 4; ghost++) world.ghosts.push(`swarm-${crypto.randomUUID()}`);
  world.hangsFor = new Set(world.ghosts);
}

/** Fetches all of them, all at once; how long that took, and what came from peers. */
async function fetchAll(world: World): Promise<{ ms: number; peers: number }> {
  const swarm = world.join(`fetcher ${world.swarms.length}`);
  const ids = await Promise.all(contents.map(async (bytes) => (await identify(bytes)).id));
  const from = performance.now();
  const all = ids.map((id, at) => swarm.fetch(id, { origin: origin(at) }));
  const coming = Promise.all(all.map((fetching, at) => comes(fetching, contents[at] as Uint8Array<ArrayBuffer>)));
  await passes("the end of all", () => settled(coming));
  expect(await coming).toEqual(contents.map(() => "ok"));
  return { ms: performance.now() - from, peers: all.reduce((sum, { sources }) => sum + sources.peers, 0) };
}

it("threat_25_peers_of_no_use_cost_a_fetch_with_an_origin_their_patience_once", async () => {
  const alone = new World();
  for (const [at, bytes] of contents.entries()) new Server(bytes, origin(at));
  const without = await fetchAll(alone);
  const world = new World();
  await harm(world);
  const beside = await fetchAll(world);
  expect(beside.peers).toBe(0);
  expect(beside.ms - without.ms).toBeLessThan(PATIENCE_MS + 200);
});

it("one good peer among them gives what it is asked for, and the origin the rest", async () => {
  const world = new World();
  for (const [at, bytes] of contents.entries()) new Server(bytes, origin(at));
  await harm(world);
  const good = world.join("seeder");
  const seeding = Promise.all(contents.map((bytes) => good.seed(new Blob([bytes]))));
  await passes("a seeder", () => settled(seeding));
  const { ms, peers } = await fetchAll(world);
  expect(peers).toBeGreaterThan(0);
  expect(ms).toBeLessThan(PATIENCE_MS + 200);
});

it("where a peer has proved itself the origin is asked for nothing", async () => {
  const world = new World();
  const servers = contents.map((bytes, at) => new Server(bytes, origin(at)));
  const good = world.join("seeder");
  const seeding = Promise.all(contents.map((bytes) => good.seed(new Blob([bytes]))));
  await passes("a seeder", () => settled(seeding) && world.said("seeder", "announce").length >= CONTENTS);
  const { peers } = await fetchAll(world);
  expect(peers).toBe(contents.reduce((sum, { length }) => sum + length, 0));
  expect(servers.map(({ sent }) => sent)).toEqual(contents.map(() => 0));
});

it("holders that are busy for a second before each gives its first piece give everything", async () => {
  const world = new World();
  const servers = contents.map((bytes, at) => new Server(bytes, origin(at)));
  for (const bytes of contents) {
    await impostor(world, bytes, (wish, _, write) => {
      if (wish.type !== 4) return;
      const piece = bytes.subarray(wish.index * PIECE_BYTES, (wish.index + 1) * PIECE_BYTES);
      setTimeout(() => write(record(PIECE, wish.ref, wish.index, piece.length), piece), 1_000);
    });
  }
  const { peers } = await fetchAll(world);
  expect(peers).toBe(contents.reduce((sum, { length }) => sum + length, 0));
  expect(servers.map(({ sent }) => sent)).toEqual(contents.map(() => 0));
});
