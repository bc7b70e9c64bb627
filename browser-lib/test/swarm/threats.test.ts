// What peers, the tracker and the network may do to a fetch: all pieces come all the same, verified.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { StreamClient, StreamServer } from "../../src/index.ts";
import { Bitmap } from "../../src/swarm/bitmap.ts";
import { PIECE_BYTES } from "../../src/swarm/manifest.ts";
import { have, MANIFEST_IS, PIECE, record, wishDecoder } from "../../src/swarm/records.ts";
import { holdClock } from "../clock.ts";
import { outcome } from "../peer.ts";
import { impostor } from "./impostor.ts";
import { comes, identify, install, passes, pieces, Server, settled, World, watchElsewhere } from "./world.ts";

holdClock();
beforeEach(() => {
  install();
  watchElsewhere();
});
afterEach(() => void vi.unstubAllGlobals());

const ORIGIN = "https://origin.test/content";

/** A peer that has it all. */
async function seeder(world: World, bytes: Uint8Array<ArrayBuffer>) {
  const swarm = world.join("seeder");
  const { id } = await identify(bytes);
  const seeding = swarm.seed(new Blob([bytes]));
  await passes("a seeder", () => settled(seeding) && world.holders(id).length > 0);
  return swarm;
}

function failures(world: World, owner = "fetcher"): unknown[] {
  return world.said(owner, "failed").map(({ value }) => value);
}

/** Fetches it, and says how that ended and how long it took. */
async function fetched(world: World, bytes: Uint8Array<ArrayBuffer>, origin?: string) {
  const swarm = world.join("fetcher");
  const { id } = await identify(bytes);
  const from = performance.now();
  const fetching = swarm.fetch(id, origin === undefined ? {} : { origin });
  const coming = comes(fetching, bytes);
  await passes("the end of the fetch", () => settled(coming));
  return {
    swarm,
    fetching,
    how: await outcome(coming),
    came: await coming.catch(() => ""),
    ms: performance.now() - from,
  };
}

it("threat_25_dead_ids_cost_the_connect_timer_once", async () => {
  const world = new World();
  const bytes = pieces(3);
  new Server(bytes);
  // Their names are claimed, and nobody answers.
  for (let ghost = 0; ghost < 12; ghost++) world.ghosts.push(`swarm-${crypto.randomUUID()}`);
  world.hangsFor = new Set(world.ghosts);
  const { came, fetching, ms } = await fetched(world, bytes, ORIGIN);
  expect(came).toBe("ok");
  expect(fetching.sources).toMatchObject({ origin: bytes.length, peers: 0 });
  expect(ms).toBeLessThan(2_000);
  await passes("the reports", () => failures(world).length === 12);
  expect(failures(world)).toContainEqual({ name: world.ghosts[0], why: "connect" });
});

it("threat_25_a_peer_that_accepts_and_never_sends_is_given_up_and_reported_once", async () => {
  const world = new World();
  const bytes = pieces(4);
  new Server(bytes);
  const peer = await impostor(world, bytes, () => {});
  const { came, fetching, ms } = await fetched(world, bytes, ORIGIN);
  expect(came).toBe("ok");
  expect(ms, "the origin is not kept waiting").toBeLessThan(2_000);
  expect(fetching.sources).toMatchObject({ origin: bytes.length, peers: 0 });
  // What it owes is waited for although nobody needs it any more.
  await passes("the report", () => failures(world).length > 0);
  expect(failures(world)).toEqual([{ name: peer.name, why: "stalled" }]);
  expect(peer.asks()).toBeGreaterThan(0);
});

it("threat_25_a_peer_that_sends_wrong_bytes_is_dropped_and_reported_and_the_pieces_come_from_others", async () => {
  const world = new World();
  const bytes = pieces(8);
  const liar = await impostor(world, bytes, (wish, _, write) => {
    if (wish.type === 4) write(record(PIECE, wish.ref, wish.index, PIECE_BYTES), new Uint8Array(PIECE_BYTES));
  });
  const honest = await seeder(world, bytes);
  const { came, fetching, swarm } = await fetched(world, bytes);
  expect(came).toBe("ok");
  expect(fetching.sources.perPeer[liar.name]).toBeUndefined();
  expect(fetching.sources.wasted).toBeGreaterThan(0);
  expect(failures(world)).toEqual([{ name: liar.name, why: "lied" }]);
  expect(swarm.stats().wasted).toBe(fetching.sources.wasted);
  await honest.close();
});

it("threat_25_a_manifest_of_another_content_makes_a_liar", async () => {
  const world = new World();
  const bytes = pieces(2);
  new Server(bytes);
  const other = await identify(pieces(2, 9));
  const { id } = await identify(bytes);
  const name = `swarm-${crypto.randomUUID()}`;
  const mdm = world.page(name);
  StreamServer(mdm, { prefix: "/swarm" }, async (stream) => {
    const wishes = wishDecoder();
    for await (const chunk of stream) {
      wishes.push(chunk);
      for (let wish = wishes.next(); wish; wish = wishes.next()) {
        if (wish.type === 1) stream.write(have(wish.ref, Bitmap.full(2)));
        if (wish.type !== 3) continue;
        stream.write(record(MANIFEST_IS, wish.ref, other.manifest.bytes.length));
        stream.write(other.manifest.bytes);
      }
    }
  }).listen(name);
  world.ghosts.push(name);
  const { came, swarm } = await fetched(world, bytes, ORIGIN);
  expect(came).toBe("ok");
  expect(failures(world)).toEqual([{ name, why: "lied" }]);
  expect((await swarm.contents())[0]?.id).toBe(id);
});

it("threat_25_a_peer_that_leaves_in_mid_piece_costs_that_piece_only", async () => {
  const world = new World();
  const bytes = pieces(6);
  const { manifest } = await identify(bytes);
  let sent = 0;
  const peer = await impostor(world, bytes, (wish, stream, write) => {
    if (wish.type !== 4) return;
    const at = wish.index * PIECE_BYTES;
    const piece = bytes.subarray(at, at + manifest.lengthOf(wish.index));
    const isLast = ++sent === 3;
    write(record(PIECE, wish.ref, wish.index, piece.length), isLast ? piece.subarray(0, 1000) : piece);
    if (isLast) stream.reset("gone");
  });
  new Server(bytes);
  const { came, fetching } = await fetched(world, bytes, ORIGIN);
  expect(came).toBe("ok");
  expect(fetching.sources.pieces.filter((from) => from === "proxy")).toHaveLength(2);
  expect(fetching.sources.pieces.filter((from) => from === "origin")).toHaveLength(4);
  expect(failures(world)).toEqual([{ name: peer.name, why: "left" }]);
});

it("threat_25_a_tracker_that_was_restarted_is_told_everything_again", async () => {
  const world = new World();
  const bytes = pieces(3);
  const { id } = await identify(bytes);
  const seeding = await seeder(world, bytes);
  world.line("seeder").cut();
  await passes("the tracker's forgetting", () => world.holders(id).length === 0);
  await passes("the second announcement", () => world.holders(id).length === 1);
  expect(world.said("seeder", "announce").length).toBeGreaterThan(1);
  const { came, fetching } = await fetched(world, bytes);
  expect(came).toBe("ok");
  expect(fetching.sources.peers).toBe(bytes.length);
  await seeding.close();
});

it("threat_25_nobody_but_the_origin_gives_everything_without_a_wait_where_the_tracker_says_so", async () => {
  const world = new World();
  const bytes = pieces(5);
  const origin = new Server(bytes);
  const { came, ms } = await fetched(world, bytes, ORIGIN);
  expect(came).toBe("ok");
  expect(origin.sent).toBe(bytes.length);
  expect(ms).toBeLessThan(2_900);
});

it("threat_25_a_tracker_that_says_nothing_is_waited_for_for_a_second", async () => {
  const world = new World();
  world.isSilent = true;
  const bytes = pieces(2);
  new Server(bytes);
  const { came, ms } = await fetched(world, bytes, ORIGIN);
  expect(came).toBe("ok");
  expect(ms).toBeGreaterThanOrEqual(1_000);
  expect(ms).toBeLessThan(1_500);
});

it("threat_25_a_proxy_without_a_tracker_leaves_the_origin", async () => {
  const world = new World();
  world.hasTracker = false;
  const bytes = pieces(2);
  new Server(bytes);
  expect((await fetched(world, bytes, ORIGIN)).came).toBe("ok");
});

it("threat_25_a_peer_that_pours_what_nobody_asked_for_is_cut_off", async () => {
  const world = new World();
  const bytes = pieces(4);
  new Server(bytes);
  const peer = await impostor(world, bytes, (wish, _, write) => {
    if (wish.type === 4)
      for (let n = 0; n < 8; n++) write(record(PIECE, 77, n, PIECE_BYTES), new Uint8Array(PIECE_BYTES));
  });
  const { came } = await fetched(world, bytes, ORIGIN);
  expect(came).toBe("ok");
  expect(failures(world)).toEqual([{ name: peer.name, why: "lied" }]);
});

it("threat_25_a_fetcher_that_breaks_the_rules_of_holders_is_reset", async () => {
  const world = new World();
  const bytes = pieces(2);
  const { id } = await identify(bytes);
  await seeder(world, bytes);
  const [name = ""] = world.holders(id);
  const client = StreamClient(world.page("rude"), { prefix: "/swarm" });
  const unknown = client.connect(name);
  unknown.write(Uint8Array.of(9, 9));
  const ended = outcome(unknown.closed);
  await passes("the reset", () => settled(ended));
  expect(await ended).toBe("bad_request");
});
