// Two ends under a random scheduler that delays, reorders between carriers, cuts each direction after any byte, moves, sleeps, resets and forgets.

import { ok as check } from "node:assert/strict";
import * as fc from "fast-check";
import { it } from "vitest";
import { across, CLIENT, SERVER, SIDES, type Side } from "./network.ts";
import { type Op, run, schedules } from "./schedule.ts";
import { type Parting, settle } from "./settle.ts";
import { PATIENCE, SMALL, World } from "./world.ts";

/** `LONG=1`: fifty times as many. */
const RUNS = process.env.LONG === "1" ? 50_000 : 1_000;

/** Each with what of it may end a stream otherwise than clean. */
const EXCUSES: Readonly<Record<Parting, Op["op"][]>> = {
  finish: [],
  reset: ["reset"],
  giveUp: ["giveUp"],
  down: ["giveUp"],
  sleep: [],
};
const partings = fc.constantFrom<Parting>("finish", "finish", "finish", "reset", "giveUp", "down", "sleep");

it("every schedule delivers each byte once, and both ends learn how it ended", { timeout: RUNS * 120 }, () => {
  const property = fc.property(schedules, partings, fc.constantFrom(...SIDES), fc.nat(), (ops, parting, side, seed) => {
    const world = new World(jitter(seed));
    for (const op of ops) {
      run(world, op);
      checkAlways(world);
    }
    const isLate = world.now >= PATIENCE - 40_000;
    settle(world, parting, side);
    checkAlways(world);
    const happened = new Set([...ops.map(({ op }) => op), ...EXCUSES[parting]]);
    checkEnds(world, happened, isLate);
  });
  fc.assert(property, { seed: 1, numRuns: RUNS, unbiased: true });
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
    check(end.breaks === 0, "honest ends break no carrier");
    check(end.ids.length <= 12, "few carriers");
    const again = world.witness.data[side] - world.witness.furthest[side];
    if (!end.outcome) check(end.resent === again, `${end.resent} bytes again, not ${again}`);
    // Each move repeats a window at most; each open again, and what follows its reply, what stood behind the one before.
    const most =
      (world.apps[side].moves + end.moves) * SMALL.replayMax + Math.max(0, world.births - 1) * 2 * SMALL.replay;
    check(again <= most, `${again} bytes again, more than ${most}`);
    if (end.current !== undefined && !end.outcome) world.witness.checkPrompt(side, end);
  }
}

/** What holds when nothing more can happen. */
function checkEnds(world: World, happened: ReadonlySet<string>, isLate: boolean): void {
  const { apps, accepted, budgets, unproven } = world;
  const [ours, theirs] = [apps[CLIENT].outcome, apps[SERVER].outcome];
  const ends = `${JSON.stringify(ours)} here, ${JSON.stringify(theirs)} there`;
  check(world.client.isOver && ours, `the client is at rest and knows how it ended: ${ends}`);
  check(theirs || accepted === 0, "the server knows how it ended");

  const isWhole = (side: Side) => apps[side].read === apps[across(side)].written && apps[across(side)].finished;
  if (ours.type === "clean") check(theirs?.type === "clean", `clean here is clean there: ${ends}`);
  if (ours.type === "clean" || (theirs?.type === "clean" && !(ours.type === "reset" && ours.here))) {
    check(SIDES.every(isWhole), `clean means whole: ${ends}`);
  }

  const isReset = happened.has("reset");
  const isGone = ["giveUp", "forget", "sleep"].some((op) => happened.has(op));
  // With a good network an open that still has some time left is answered.
  if (ours.type === "refused") check(isGone || isLate, ends);
  else if (!isGone) {
    const good = isReset ? ["clean", "reset"] : ["clean"];
    check(good.includes(ours.type) && (theirs ? good.includes(theirs.type) : isReset), ends);
    if (!isReset) check(accepted === 1, "one stream, one event");
  }
  check(
    budgets.every(({ left }) => left === 64 * 1024 * 1024),
    "the budget is whole again",
  );
  check(unproven.count === 0, "every place of an unproven carrier is free again");
}
