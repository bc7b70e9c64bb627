// Swarms over a proxy in memory: who has something gives it, and the origin is asked for the rest.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { SwarmOptions } from "../../src/swarm/index.ts";
import { PIECE_BYTES } from "../../src/swarm/manifest.ts";
import { AHEAD } from "../../src/swarm/wanted.ts";
import { outcome, settle } from "../peer.ts";
import { comes, happens, identify, install, pieces, Server, World } from "./world.ts";

beforeEach(install);
afterEach(() => void vi.unstubAllGlobals());

/** The tracker knows that it is held. */
async function announced(world: World, id: string, count = 1): Promise<void> {
  await happens(`${count} announce ${id}`, () => world.holders(id).length >= count);
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
  expect(origin.sent).toBe(bytes.length);
});

it("without a peer and without an origin a fetch fails as soon as the tracker has said so", async () => {
  const { id } = await identify(pieces(1));
  const fetching = new World().join("alone").fetch(id);
  expect(await outcome(fetching.done)).toBe("not_found");
  expect(await outcome(fetching.opened)).toBe("not_found");
});

/** A swarm that has these bytes, known to the tracker. */
async function seeded(world: World, bytes: Uint8Array<ArrayBuffer>, options: SwarmOptions = {}) {
  const swarm = world.join("seeder", options);
  const id = await swarm.seed(new Blob([bytes]));
  await announced(world, id);
  return { swarm, id };
}

it("a range gives these bytes, and fetches only their pieces", async () => {
  const world = new World();
  const bytes = pieces(6);
  const { swarm, id } = await seeded(world, bytes);
  const range = [PIECE_BYTES + 10, 3 * PIECE_BYTES + 4] as const;
  const fetching = world.join("reader").fetch(id, { range, order: "sequential" });
  expect(await fetching.opened).toMatchObject({ size: bytes.length, pieces: 6 });
  const came = new Uint8Array(await new Response(fetching.readable).arrayBuffer());
  expect(Buffer.from(came).equals(bytes.subarray(range[0], range[1] + 1))).toBe(true);
  expect(fetching.sources.pieces.slice(0, 5)).toEqual([undefined, "proxy", "proxy", "proxy"]);
  expect(swarm.stats().up).toBe(3 * PIECE_BYTES);
});

it("in order no more is fetched than is ahead of the reader, and a reader that cancels ends the fetch", async () => {
  const world = new World();
  const bytes = pieces(60);
  const { swarm, id } = await seeded(world, bytes);
  const fetching = world.join("reader").fetch(id, { order: "sequential" });
  const reader = fetching.readable.getReader();
  expect((await reader.read()).value?.length).toBe(PIECE_BYTES);
  await happens("what is ahead", () => swarm.stats().up >= AHEAD * PIECE_BYTES);
  await settle();
  expect(swarm.stats().up).toBe(AHEAD * PIECE_BYTES);
  await reader.cancel();
  expect(await outcome(fetching.done)).toBe("cancelled");
});

it("two who fetch the same share what comes; one that gives up leaves the other", async () => {
  const world = new World();
  const bytes = pieces(5);
  const { swarm, id } = await seeded(world, bytes);
  const reader = world.join("reader");
  const abort = new AbortController();
  const [one, two] = [reader.fetch(id, { signal: abort.signal }), reader.fetch(id)];
  abort.abort();
  expect(await outcome(one.done)).toBe("cancelled");
  expect(await comes(two, bytes)).toBe("ok");
  expect(swarm.stats().up).toBe(bytes.length);
  const again = reader.fetch(id);
  expect(await comes(again, bytes)).toBe("ok");
  expect(again.sources).toMatchObject({ kept: bytes.length, peers: 0 });
});

it("who has a part gives it while the rest comes", async () => {
  const world = new World();
  const bytes = pieces(4);
  const { id } = await identify(bytes);
  const origin = new Server(bytes);
  const held: (() => void)[] = [];
  origin.answer = (range) => {
    expect(range).toBeNull();
    // The first part comes, and the rest when the test says so.
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        controller.enqueue(bytes.slice(0, PIECE_BYTES));
        held.push(() => {
          controller.enqueue(bytes.slice(PIECE_BYTES));
          controller.close();
        });
      },
    });
    return new Response(body);
  };
  new Server((await identify(bytes)).manifest.bytes, "https://origin.test/manifest");
  const url = { origin: "https://origin.test/content", manifest: "https://origin.test/manifest" };
  const first = world.join("first").fetch(id, { ...url, order: "sequential" });
  await announced(world, id);
  const second = world.join("second").fetch(id, { order: "sequential" });
  await happens("the piece", () => second.sources.proxy === PIECE_BYTES);
  for (const release of held) release();
  expect([await comes(first, bytes), await comes(second, bytes)]).toEqual(["ok", "ok"]);
  expect(second.sources.proxy).toBe(bytes.length);
});

it("who does not serve is not found, and who saves data withdraws what it told", async () => {
  const world = new World();
  const connection = Object.assign(new EventTarget(), { saveData: false });
  vi.stubGlobal("navigator", { connection });
  const bytes = pieces(1);
  const { swarm, id } = await seeded(world, bytes);
  const states: string[] = [];
  swarm.on("state", (state) => void (state.about === "serving" && states.push(state.is)));
  connection.saveData = true;
  connection.dispatchEvent(new Event("change"));
  await happens("nobody", () => world.holders(id).length === 0);
  connection.saveData = false;
  connection.dispatchEvent(new Event("change"));
  await announced(world, id);
  expect(states).toEqual(["saves-data", "none"]);
  await world.join("taker", { serve: false }).fetch(id).done;
  await settle();
  expect(world.said("taker", "announce")).toEqual([]);
});

it("a hidden page tells nothing new, and does so when it is seen again", async () => {
  const world = new World();
  const document = Object.assign(new EventTarget(), { hidden: true });
  vi.stubGlobal("document", document);
  const swarm = world.join("hidden");
  const id = await swarm.seed(new Blob([pieces(1)]));
  await happens("its stream", () => world.tracks.length === 1);
  await settle();
  expect(world.holders(id)).toEqual([]);
  document.hidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  await announced(world, id);
});

it("what is removed is given no more, and a fetch of it ends", async () => {
  const world = new World();
  const { swarm, id } = await seeded(world, pieces(2));
  expect(await swarm.remove(id)).toBe(true);
  await happens("nobody", () => world.holders(id).length === 0);
  expect(await swarm.contents()).toEqual([]);
  expect(await outcome(world.join("late").fetch(id).done)).toBe("not_found");
});

it("closing ends fetches, the name and what the tracker knows", async () => {
  const world = new World();
  const { swarm, id } = await seeded(world, pieces(2));
  const fetching = swarm.fetch("ab".repeat(32), { signal: new AbortController().signal });
  await swarm.close();
  await swarm.close();
  expect(await outcome(fetching.done)).toBe("cancelled");
  await happens("nobody", () => world.holders(id).length === 0);
  expect(() => swarm.fetch(id)).toThrowError(expect.objectContaining({ code: "bad_request" }));
});

it.each([
  ["an id that is none", "xyz", {}],
  ["a range that is none", "ab".repeat(32), { range: [3, 1] as const }],
  ["an order that is none", "ab".repeat(32), { order: "random" as "rarest" }],
])("%s is refused at once", (_, id, options) => {
  const swarm = new World().join("page");
  expect(() => swarm.fetch(id, options)).toThrowError(expect.objectContaining({ code: "bad_request" }));
});

it.each(["foo", 5, null, {}, { list: async () => [] }])("%j is no store, which is said at the call", (store) => {
  expect(() => new World().join("page", { store: store as "opfs" })).toThrowError(
    expect.objectContaining({ code: "bad_request" }),
  );
});

it.each([5, null, undefined, {}, new ArrayBuffer(3)])("%j is nothing that can be seeded", async (what) => {
  const swarm = new World().join("page");
  expect(await outcome(swarm.seed(what as unknown as string))).toBe("bad_request");
  expect(await swarm.contents()).toEqual([]);
});

it("an empty content is one, too", async () => {
  const world = new World();
  const { id } = await seeded(world, new Uint8Array());
  const fetching = world.join("reader").fetch(id);
  expect(await fetching.opened).toMatchObject({ size: 0, pieces: 0 });
  expect((await fetching.blob()).size).toBe(0);
});

it("events tell what happens", async () => {
  const world = new World();
  const bytes = pieces(2);
  const { swarm, id } = await seeded(world, bytes);
  const served: number[] = [];
  swarm.on("served", ({ piece, bytes, peer }) => {
    expect(peer).toBe("reader");
    served.push(piece, bytes);
  });
  const reader = world.join("reader");
  const told: string[] = [];
  reader.on("peer", ({ is }) => void told.push(is));
  reader.on("piece", ({ index, from }) => void told.push(`${from} ${index}`));
  reader.on("fetched", ({ sources }) => void told.push(`fetched ${sources.proxy}`));
  const progress: number[] = [];
  await reader.fetch(id, { order: "sequential", onProgress: ({ bytes }) => void progress.push(bytes) }).done;
  await happens("all served", () => served.length === 4);
  expect(told).toEqual(["up", "proxy 0", "proxy 1", `fetched ${bytes.length}`]);
  expect(progress).toEqual([PIECE_BYTES, bytes.length]);
  expect(served).toEqual([0, PIECE_BYTES, 1, bytes.length - PIECE_BYTES]);
  expect(reader.stats()).toMatchObject({ proxy: bytes.length, peers: bytes.length, up: 0, wasted: 0, links: 1 });
});
