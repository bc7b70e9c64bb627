// Two ends under a random scheduler that delays, reorders between carriers, cuts each direction after any byte, moves, sleeps, resets and forgets.

import * as fc from "fast-check";
import { expect, it } from "vitest";
import { across, CLIENT, SERVER, SIDES, type Side } from "./network.ts";
import { type Op, run, schedules, settle } from "./schedule.ts";
import { PATIENCE, SMALL, World } from "./world.ts";

/** `LONG=1`: fifty times as many. */
const RUNS = process.env.LONG === "1" ? 50_000 : 1_000;

it("every schedule delivers each byte once, and both ends learn how it ended", { timeout: RUNS * 120 }, () => {
  const property = fc.property(schedules, fc.nat(), (ops, seed) => {
    const world = new World(jitter(seed));
    for (const op of ops) {
      run(world, op);
      checkAlways(world);
    }
    settle(world);
    checkAlways(world);
    checkEnds(world, ops);
  });
  fc.assert(property, { seed: 1, numRuns: RUNS });
});

/** Numbers from 0 to 1. */
function jitter(seed: number): () => number {
  let state = seed;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return (state >>> 0) / 2 ** 32;
  };
}

/** What holds at every moment. */
function checkAlways(world: World): void {
  for (const side of SIDES) {
    const end = world.ends[side];
    if (!end) continue;
    expect(end.breaks, "honest ends break no carrier").toBe(0);
    expect(end.ids.length).toBeLessThanOrEqual(12);
    const again = world.witness.data[side] - world.witness.furthest[side];
    if (!end.outcome) expect(end.resent).toBe(again);
    // Each move repeats a window at most, each open again what stood behind the one before.
    expect(again).toBeLessThanOrEqual(end.moves * SMALL.replayMax + world.births * SMALL.replay);
  }
}

/** What holds when nothing more can happen. */
function checkEnds(world: World, ops: readonly Op[]): void {
  const { apps, accepted, budgets, unproven } = world;
  const [ours, theirs] = [apps[CLIENT].outcome, apps[SERVER].outcome];
  expect(world.client.isOver && ours, "the client is at rest and knows how it ended").toBeTruthy();
  if (accepted > 0) expect(theirs, "the server knows how it ended").toBeDefined();

  const isWhole = (side: Side) => apps[side].read === apps[across(side)].written && apps[across(side)].finished;
  if (ours?.type === "clean") expect(theirs, "clean here is clean there").toEqual(ours);
  if (ours?.type === "clean" || (theirs?.type === "clean" && !(ours?.type === "reset" && ours.here))) {
    expect(SIDES.every(isWhole), "clean means whole").toBe(true);
  }

  const isReset = ops.some(({ op }) => op === "reset");
  const isGone = ops.some(({ op }) => op === "giveUp" || op === "forget" || op === "sleep");
  if (ours?.type === "refused") expect(isGone || world.now >= PATIENCE).toBe(true);
  else if (!isGone) {
    const ends = isReset ? ["clean", "reset"] : ["clean"];
    expect(ends).toContain(ours?.type);
    if (theirs || !isReset) expect(ends).toContain(theirs?.type);
    if (!isReset) expect(accepted, "one stream, one event").toBe(1);
  }
  expect(budgets.map(({ left }) => left)).toEqual([64, 64].map((mib) => mib * 1024 * 1024));
  expect(unproven.count).toBe(0);
}
