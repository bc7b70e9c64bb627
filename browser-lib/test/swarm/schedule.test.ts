// Which piece is asked of whom: facts about single schedules, and what is true of all of them.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hedgesMax, STALL_MS } from "../../src/swarm/schedule.ts";
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
    const { simulation, ms } = run({ pieces: 16, peers: dead, originFails: 0 });
    expect(simulation.dropped).toHaveLength(8);
    expect(ms).toBeLessThan(STALL_MS + 2_000);
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
        "liar" as const,
        "full" as const,
        "leaver" as const,
      ),
      has: fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
      bytesPerSecond: fc.integer({ min: 40_000, max: 20_000_000 }),
      joinsAt: fc.nat(5_000),
      leavesAt: fc.nat(20_000),
    }),
    { maxLength: 8 },
  ),
});

it("whatever the peers do, all pieces come where the origin works, once, with bounded requests, and the origin gives nothing that a healthy peer would", () => {
  fc.assert(
    fc.property(plan, (plan) => {
      const { simulation, ms } = run(plan, 3_600_000);
      expect(ms).toBeDefined();
      expect(simulation.order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: plan.pieces }, (_, at) => at));
      expect(simulation.needless).toEqual([]);
      expect(simulation.schedule.hedges).toBeLessThanOrEqual(hedgesMax(plan.pieces));
      expect(simulation.duplicates.length).toBeLessThanOrEqual(simulation.schedule.hedges);
      expect(simulation.requests).toBeLessThanOrEqual(plan.pieces + (plan.originFails ?? 0));
      // Each piece once, and again for each peer that failed it; a peer without room is asked for two at once, ever less often.
      const full = plan.peers.filter(({ kind }) => kind === "full").length;
      const bound = plan.pieces * (plan.peers.length + 1) + simulation.schedule.hedges + full * 2 * (10 + ms / 8_000);
      expect(simulation.asks).toBeLessThanOrEqual(bound);
    }),
    { numRuns: 150, seed: 12 },
  );
});
