// Which piece is asked of whom: facts about single schedules, and what is true of all of them.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bitmap } from "../../src/swarm/bitmap.ts";
import { hedgesMax, STALL_MS } from "../../src/swarm/schedule.ts";
import { PATIENCE_MS, Trust } from "../../src/swarm/trust.ts";
import { AHEAD } from "../../src/swarm/wanted.ts";
import { type PeerPlan, type Plan, Simulation } from "./simulation.ts";

const MIB = 1024 * 1024;

function peer(fields: Partial<PeerPlan> = {}): PeerPlan {
  return { kind: "honest", has: [true], bytesPerSecond: MIB, joinsAt: 0, leavesAt: 0, ...fields };
}

function run(plan: Partial<Plan>, untilMs = 600_000) {
  const simulation = new Simulation({
    pieces: 64,
    peers: [],
    order: "rarest",
    originFails: undefined,
    seed: 1,
    ...plan,
  });
  return { ms: simulation.run(untilMs) as number, simulation };
}

describe("peers together", () => {
  it("four peers give four times as fast as one", () => {
    const one = run({ peers: [peer()] });
    const four = run({ peers: [peer(), peer(), peer(), peer()] });
    expect(one.ms / four.ms).toBeGreaterThan(3.6);
  });

  it("a peer that is four times as fast gives most of it, and the slow one hardly delays it", () => {
    const { simulation, ms } = run({ peers: [peer({ bytesPerSecond: 4 * MIB }), peer()] });
    expect(simulation.given.get("p0")).toBeGreaterThan(3 * (simulation.given.get("p1") ?? 0));
    expect(ms).toBeLessThan(64 * 51 * 1.25);
  });

  it("what few have is asked first, and what all have later", () => {
    const has = Array.from({ length: 64 }, (_, piece) => piece !== 40);
    const { simulation } = run({ peers: [peer(), peer({ has }), peer({ has })] });
    expect(simulation.order.indexOf(40)).toBeLessThan(3);
  });

  it("in order nothing is asked further ahead than the window", () => {
    const { simulation } = run({ order: "sequential", peers: [peer(), peer({ bytesPerSecond: 3 * MIB })] });
    for (const [at, piece] of simulation.order.entries()) expect(piece - at).toBeLessThan(AHEAD);
  });
});

describe("peers that fail", () => {
  it("a peer that sends nothing is given up after the stall timer, once, and what it owed comes from others", () => {
    const { simulation, ms } = run({ peers: [peer({ kind: "dead" }), peer()] });
    expect(simulation.dropped).toEqual(["p0 stalled"]);
    expect(ms).toBeLessThan(64 * 250 + STALL_MS);
  });

  it("eight dead peers cost one stall timer, not eight", () => {
    const dead = Array.from({ length: 8 }, () => peer({ kind: "dead" }));
    const { simulation, ms } = run({ pieces: 16, peers: [...dead, peer({ joinsAt: 100 })] });
    expect(simulation.dropped).toHaveLength(8);
    expect(ms).toBeLessThan(16 * 250 + STALL_MS);
  });

  it("a liar is dropped at its first piece", () => {
    const { simulation } = run({ peers: [peer({ kind: "liar" }), peer()] });
    expect(simulation.dropped).toEqual(["p0 lied"]);
    expect(simulation.given.get("p0")).toBeUndefined();
  });

  it("a peer without room is asked ever less often, and the origin gives meanwhile", () => {
    const { simulation, ms } = run({ peers: [peer({ kind: "full" })], originFails: 0 });
    expect(simulation.fromOrigin).toHaveLength(64);
    expect(ms).toBeLessThan(5_000);
    expect(simulation.asks).toBeLessThan(10);
  });
});

it("who has proved itself is asked before those who have not", () => {
  const { schedule } = new Simulation({ pieces: 3, peers: [], order: "rarest", originFails: undefined, seed: 1 });
  const proved = new Trust();
  proved.gave(0);
  schedule.have("stranger", Bitmap.full(3));
  schedule.have("proved", Bitmap.full(3), proved);
  expect(schedule.plan(10)).toMatchObject([{ peer: "proved" }, { peer: "stranger" }, { peer: "proved" }]);
});

describe("the origin", () => {
  it("is left alone as long as a peer has the piece", () => {
    const { simulation } = run({ peers: [peer()], originFails: 0 });
    expect(simulation.requests).toBe(0);
  });

  it("gives only what no peer has", () => {
    const has = Array.from({ length: 64 }, (_, piece) => piece < 50);
    const { simulation } = run({ peers: [peer({ has })], originFails: 0 });
    expect(simulation.fromOrigin.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 14 }, (_, at) => 50 + at));
  });

  it("is not asked while peers may still come", () => {
    const { simulation } = run({ pieces: 4, peers: [peer({ joinsAt: 1_000 })], originFails: 0 });
    const hoping = new Simulation({
      pieces: 4,
      peers: [peer({ joinsAt: 1_000 })],
      order: "rarest",
      originFails: 0,
      seed: 1,
    });
    hoping.schedule.hope(3_000);
    hoping.run(60_000);
    expect([simulation.requests, hoping.requests]).toEqual([1, 0]);
  });

  it("is waited with for strangers that send nothing once, for as long as their patience", () => {
    const alone = run({ pieces: 16, originFails: 0 });
    const dead = Array.from({ length: 8 }, () => peer({ kind: "dead" }));
    const { simulation, ms } = run({ pieces: 16, peers: dead, originFails: 0 });
    expect(ms - alone.ms).toBeLessThanOrEqual(PATIENCE_MS);
    expect(simulation.requests).toBe(1);
  });

  it("is waited with for two seconds where strangers send a little, and no piece", () => {
    const alone = run({ pieces: 16, originFails: 0 });
    const drips = run({ pieces: 16, peers: [peer({ kind: "drip" }), peer({ kind: "drip" })], originFails: 0 });
    expect(drips.ms - alone.ms).toBeLessThanOrEqual(2_000);
  });

  it("gives what nobody is trusted with, until a peer that was late gives something", () => {
    const { simulation, ms } = run({ pieces: 256, peers: [peer({ pauseMs: 1_700 })], originFails: 0 });
    expect(ms).toBeLessThan(256 * 250);
    expect(simulation.fromOrigin.length).toBeLessThanOrEqual(48);
    expect(simulation.given.get("p0")).toBeGreaterThan(200);
  });

  it("is asked at once for what only those have who were late with another content", () => {
    const trust = new Trust();
    trust.late(0);
    const { schedule } = new Simulation({ pieces: 4, peers: [], order: "rarest", originFails: 0, seed: 1 });
    const has = Bitmap.full(4);
    schedule.have("late", has, trust);
    expect(schedule.plan(10)).toEqual([{ type: "request", first: 0, count: 4 }]);
    expect(schedule.plan(1_000), "and tried with one piece").toMatchObject([{ type: "ask", peer: "late" }]);
    trust.gave(1_100);
    schedule.requested(1_200);
    expect(schedule.plan(1_200).map(({ type }) => type)).toEqual(["ask"]);
  });

  it("is tried again after it failed", () => {
    const { simulation } = run({ originFails: 3 });
    expect(simulation.order).toHaveLength(64);
    expect(simulation.requests).toBe(3 + 4);
  });
});

const plan: fc.Arbitrary<Plan> = fc.record({
  pieces: fc.integer({ min: 1, max: 80 }),
  order: fc.constantFrom("rarest" as const, "sequential" as const),
  originFails: fc.nat(3),
  seed: fc.nat(),
  peers: fc.array(
    fc.record({
      kind: fc.constantFrom(
        "honest" as const,
        "honest" as const,
        "dead" as const,
        "drip" as const,
        "liar" as const,
        "full" as const,
        "leaver" as const,
      ),
      has: fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
      bytesPerSecond: fc.integer({ min: 40_000, max: 20_000_000 }),
      joinsAt: fc.nat(5_000),
      leavesAt: fc.nat(20_000),
      pauseMs: fc.constantFrom(0, 0, 300, 3_000),
    }),
    { maxLength: 8 },
  ),
});

it("whatever the peers do, all pieces come where the origin works, once, with bounded requests, and the origin gives nothing that a peer would which has proved itself and goes on", () => {
  fc.assert(
    fc.property(plan, (plan) => {
      const { simulation, ms } = run(plan, 3_600_000);
      expect(ms).toBeDefined();
      expect(simulation.order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: plan.pieces }, (_, at) => at));
      expect(simulation.needless).toEqual([]);
      expect(simulation.schedule.hedges).toBeLessThanOrEqual(hedgesMax(plan.pieces));
      const { hedges, reopened } = simulation.schedule;
      expect(simulation.duplicates.length).toBeLessThanOrEqual(hedges + reopened);
      expect(simulation.requests).toBeLessThanOrEqual(plan.pieces + (plan.originFails ?? 0));
      // Each piece once, and again for each peer that failed it; a peer without room is asked for two at once, ever less often.
      const full = plan.peers.filter(({ kind }) => kind === "full").length;
      const bound = plan.pieces * (plan.peers.length + 1) + hedges + reopened + full * 2 * (10 + ms / 8_000);
      expect(simulation.asks).toBeLessThanOrEqual(bound);
    }),
    { numRuns: 150, seed: 12 },
  );
});
