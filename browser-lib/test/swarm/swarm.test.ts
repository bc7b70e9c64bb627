// Swarms over a proxy in memory: who has something gives it, and the origin is asked for the rest.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { outcome, until } from "../peer.ts";
import { comes, identify, install, pieces, Server, World } from "./world.ts";

beforeEach(install);
afterEach(() => void vi.unstubAllGlobals());

/** The tracker knows that it is held. */
async function announced(world: World, id: string, count = 1): Promise<void> {
  await until(`${count} announce ${id}`, () => world.tracks.filter(({ held }) => held.has(id)).length >= count);
}

it("what one seeds another fetches, and then gives itself", async () => {
  const world = new World();
  const bytes = pieces(5);
  const first = world.join("first");
  const id = await first.seed(new Blob([bytes]));
  expect(id).toBe((await identify(bytes)).id);
  await announced(world, id);

  const second = world.join("second");
  const fetching = second.fetch(id, { type: "image/png" });
  expect(await comes(fetching, bytes)).toBe("ok");
  expect(fetching.sources).toMatchObject({ proxy: bytes.length, peers: bytes.length, origin: 0, kept: 0, wasted: 0 });
  expect(fetching.sources.pieces).toEqual(Array(5).fill("proxy"));
  expect((await fetching.blob()).type).toBe("image/png");

  await first.close();
  await announced(world, id);
  const third = world.join("third");
  expect(await comes(third.fetch(id), bytes)).toBe("ok");
  expect(await third.contents()).toEqual([{ id, size: bytes.length, pieces: 5, have: 5 }]);
});

it("what nobody has comes from the origin, and is given on", async () => {
  const world = new World();
  const bytes = pieces(4);
  const { id } = await identify(bytes);
  const origin = new Server(bytes);
  const url = "https://origin.test/content";
  const first = world.join("first").fetch(id, { origin: url });
  expect(await comes(first, bytes)).toBe("ok");
  expect(first.sources).toMatchObject({ origin: bytes.length, peers: 0 });
  await announced(world, id);
  const second = world.join("second").fetch(id, { origin: url });
  expect(await comes(second, bytes)).toBe("ok");
  expect(second.sources).toMatchObject({ origin: 0, peers: bytes.length });
  console.log(origin.requests, first.sources, second.sources);
  expect(origin.sent).toBe(bytes.length);
});

it("without a peer and without an origin a fetch fails as soon as the tracker has said so", async () => {
  const { id } = await identify(pieces(1));
  const fetching = new World().join("alone").fetch(id);
  expect(await outcome(fetching.done)).toBe("not_found");
  expect(await outcome(fetching.opened)).toBe("not_found");
});
