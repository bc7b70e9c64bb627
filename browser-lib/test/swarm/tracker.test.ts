// What is said to the tracker, and what is made of its answers.

import { afterEach, expect, it, vi } from "vitest";
import { frame } from "../../src/framing.ts";
import { sessionOf } from "../../src/mux-demux.ts";
import { Bitmap } from "../../src/swarm/bitmap.ts";
import { type Holding, Tracker } from "../../src/swarm/tracker.ts";
import { holdClock } from "../clock.ts";
import { dial, outcome, settle, until } from "../peer.ts";

holdClock();
afterEach(() => void vi.unstubAllGlobals());

const ID = "ab".repeat(32);
const NAME = "swarm-6f0f9b1c-52f4-4d0e-9d3c-0a4a2c1f7b90";

function some(pieces: number, ...list: number[]): Bitmap {
  const bitmap = new Bitmap(pieces);
  for (const piece of list) bitmap.add(piece);
  return bitmap;
}

/** A tracker that is up, and the far end of its stream. */
async function up(contents: Holding[] = []) {
  const dialed = dial();
  const told: string[] = [];
  const tracker = new Tracker(sessionOf(dialed.mdm), "/swarm/track", {
    holding: () => ({ name: NAME, contents }),
    state: (state, error) => void told.push(error ? `${state} ${error.code}` : state),
    refused: (note, error) => void told.push(`${note} ${error.code}`),
  });
  const far = await dialed.peer.opened("/swarm/track");
  far.frame({ id: "track", swarm: { renew_ms: 60_000, contents_max: 4096, candidates_max: 32 } });
  await until("it is up", () => told.includes("up"));
  return { ...dialed, tracker, far, told };
}

it("it says all that we hold as soon as it can: all of it, a bitmap, or a share", async () => {
  const large = some(10_000, 0, 1);
  const { far } = await up([
    { id: ID, has: Bitmap.full(3) },
    { id: ID, has: some(10, 0, 2, 9) },
    { id: ID, has: large },
  ]);
  await until("the note", () => far.length > 0);
  const contents = [
    { id: ID, pieces: 3 },
    { id: ID, pieces: 10, have: "oEA" },
    { id: ID, pieces: 10_000, share: 2 / 10_000 },
  ];
  expect(far.notes).toEqual([{ note: "announce", value: { name: NAME, contents } }]);
});

it("it says in several notes what does not fit in one", async () => {
  const { far, tracker } = await up();
  tracker.announce(
    NAME,
    Array.from({ length: 600 }, () => ({ id: ID, has: Bitmap.full(1) })),
  );
  tracker.announce(
    NAME,
    Array.from({ length: 40 }, () => ({ id: ID, has: some(8_192, 1) })),
  );
  await until("the notes", () => far.notesOf(65_535).length === 6);
  const counts = far.notesOf(65_535).map(({ value }) => (value as { contents: unknown[] }).contents.length);
  expect(counts).toEqual([256, 256, 88, 17, 17, 6]);
});

it("it renews after the time that the tracker said", async () => {
  const { far } = await up();
  await vi.advanceTimersByTimeAsync(60_000);
  await until("the note", () => far.length > 0);
  expect(far.notes).toEqual([{ note: "renew" }]);
});

it("it finds candidates, and leaves out what is none", async () => {
  const { far, tracker } = await up();
  const finding = tracker.find(ID, 8, new AbortController().signal);
  await until("the note", () => far.length > 0);
  expect(far.notes).toEqual([{ note: "find", value: { ask: 0, id: ID, max: 8 } }]);
  const candidates = [
    { name: NAME, pieces: 10, have: "oEA", rtt_ms: 3, peer: { session: "s" } },
    { name: "swarm-b", pieces: 4 },
    { name: "swarm-c", pieces: 4, share: 0.5 },
    { name: "bees", pieces: 4 },
    { name: "swarm-d", pieces: -1 },
    { name: "swarm-e", pieces: 10, have: "____" },
    null,
  ];
  far.frame({ note: "found", value: { ask: 0, id: ID, seeders: 1, partial: 2, candidates } });
  expect(await finding).toEqual({
    seeders: 1,
    partial: 2,
    candidates: [
      { name: NAME, pieces: 10, has: some(10, 0, 2, 9) },
      { name: "swarm-b", pieces: 4, has: Bitmap.full(4) },
      { name: "swarm-c", pieces: 4, has: undefined },
    ],
  });
});

it("a find that is refused rejects with the code, and one that is given up with cancelled", async () => {
  const { far, tracker, told } = await up();
  const abort = new AbortController();
  const [refused, given] = [tracker.find(ID, 1, new AbortController().signal), tracker.find(ID, 1, abort.signal)];
  await until("the notes", () => far.notes.length === 2);
  far.frame({ note: "refused", value: { ask: 0, note: "find", code: "forbidden", message: "no" } });
  abort.abort();
  expect([await outcome(refused), await outcome(given)]).toEqual(["forbidden", "cancelled"]);
  far.frame({ note: "refused", value: { note: "announce", code: "limit", message: "" } });
  await until("the refusal", () => told.includes("announce limit"));
});

it("after a drop it says everything again, and asks again what was not answered", async () => {
  const { far, tracker, peer, redialed, told } = await up([{ id: ID, has: Bitmap.full(1) }]);
  const finding = tracker.find(ID, 1, new AbortController().signal);
  await until("the notes", () => far.notes.length === 2);
  peer.cut();
  await until("it knows", () => told.includes("away lost"));
  await vi.advanceTimersByTimeAsync(5_000);
  const again = await (await redialed(2)).peer.opened("/swarm/track");
  again.frame({ id: "track", swarm: {} });
  await until("both notes", () => again.notes.length === 2);
  expect(again.notes.map(({ note }) => note)).toEqual(["announce", "find"]);
  again.frame({ note: "found", value: { ask: 0, id: ID, seeders: 0, partial: 0, candidates: [] } });
  expect((await finding).candidates).toEqual([]);
});

it("it goes over to the next session while the one before lives", async () => {
  const { peer, far, redialed } = await up([{ id: ID, has: Bitmap.full(1) }]);
  (await peer.opened("/session")).frame({ session: "s" }).frame({ note: "drain", value: { after_ms: 0 } });
  await settle();
  await vi.advanceTimersByTimeAsync(2_000);
  const next = await redialed(2);
  (await next.peer.opened("/session")).frame({ session: "t" });
  const again = await next.peer.opened("/swarm/track");
  again.frame({ id: "track" });
  await until("the note", () => again.notes.length === 1);
  await until("the old one is over", () => far.isOver);
});

it("a proxy that has no tracker is none, and finds fail at once", async () => {
  const { mdm, peer } = dial();
  const told: string[] = [];
  const tracker = new Tracker(sessionOf(mdm), "/swarm/track", {
    holding: () => undefined,
    state: (state) => void told.push(state),
    refused: () => {},
  });
  const far = await peer.opened("/swarm/track");
  far.send(frame({ error: { code: "not_found", message: "no such route" } })).finish();
  await until("it knows", () => tracker.isNone);
  expect(told).toEqual(["away", "none"]);
  expect(await outcome(tracker.find(ID, 1, new AbortController().signal))).toBe("not_found");
});
