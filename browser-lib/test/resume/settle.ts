// How a world comes to rest once its network is good again, and how soon.

import { ok as check } from "node:assert/strict";
import { PROOF } from "../../src/resume/record.ts";
import { across, CLIENT, type Link, SERVER, SIDES, type Side } from "./network.ts";
import { SMALL, type World } from "./world.ts";

const { quietProxy, quietDirect, deadProxy, deadDirect, reopenMax, ackDelay, choice, choiceWait } = SMALL;

/** How a stream ends whose ends have found each other. */
export type Parting = "finish" | "reset" | "giveUp" | "down" | "sleep";

/** Time passes; everything happens when it is due, but nothing arrives. */
export function advance(world: World, ms: number): void {
  const end = world.now + ms;
  for (let at = world.deadline(); at !== undefined && at <= end; ) {
    const isLate = at <= world.now;
    world.now = Math.max(world.now, at);
    world.tick();
    const next = world.deadline();
    check(next !== at || !isLate, "a tick moves the deadline that it was called for");
    at = next;
  }
  world.now = end;
}

/** No more cuts: carriers that died are found out, then bytes move as fast as they can, then it ends, and both ends must learn of it. */
export function settle(world: World, parting: Parting, side: Side): void {
  world.isUp = true;
  checkFound(world, "direct", quietDirect + deadDirect);
  checkFound(world, "proxy", quietProxy + deadProxy);
  world.network.tellCuts();
  pass(world, reopenMax + choice + choiceWait);
  const isWhole = !world.apps[CLIENT].outcome && !world.apps[SERVER].outcome && world.client.isReplied;
  if (isWhole) {
    checkPrompt(world);
    part(world, parting, side);
  }
  const end = world.now + 900_000;
  while (world.now < end) {
    // The server's end may only come to be when the first round has run.
    for (let round = 0; round < 2; round++) {
      for (const side of SIDES) world.finish(side);
      rest(world);
    }
    if (isWhole) check(world.apps[CLIENT].outcome && world.apps[SERVER].outcome, "an end takes no time");
    const at = world.deadline();
    if ((world.client.isOver && world.apps[SERVER].outcome) || at === undefined) return;
    advance(world, Math.max(0, at - world.now));
  }
}

/** Ends the stream otherwise than clean, and checks that both ends learn of it when they can. */
function part(world: World, parting: Parting, side: Side): void {
  const { grace, holdExtra } = SMALL;
  const ends = (...types: (string | undefined)[]) => {
    const found = SIDES.map((side) => world.apps[side].outcome?.type);
    check(found.join() === types.join(), `ends with ${found} after ${parting}, not ${types}`);
  };
  if (parting === "reset" || parting === "giveUp") {
    world[parting](side);
    rest(world);
    const type = parting === "reset" ? "reset" : "lost";
    ends(type, type);
    check(world.client.isOver && !world.ends[SERVER], "both ends are at rest");
  } else if (parting !== "finish") {
    world.network.cutAll(true);
    rest(world);
    world.isUp = parting === "sleep";
    // After a sleep the client tries once more, and the server remembers it.
    if (parting === "sleep") {
      world.now += grace + holdExtra - 1;
      world.tick();
      return rest(world);
    }
    advance(world, grace - 1);
    ends(undefined, undefined);
    advance(world, 1);
    ends("lost", undefined);
    advance(world, holdExtra - 1);
    ends("lost", undefined);
    advance(world, 1);
    ends("lost", "lost");
  }
}

/** Who waits for its peer on a dead carrier finds out within `ms`. */
function checkFound(world: World, kind: Link["kind"], ms: number): void {
  const before = SIDES.map((side) => wait(world, side));
  pass(world, ms);
  for (const side of SIDES) {
    const still = before[side]?.startsWith(kind) && before[side] === wait(world, side);
    check(!still, `a dead carrier is found out: ${before[side]}`);
  }
}

/** What a side waits for on a dead carrier; the same later on only if nothing came of it. */
function wait(world: World, side: Side): string | undefined {
  const [end, app] = [world.ends[side], world.apps[side]];
  const link = world.network.links.get(end?.current ?? 0);
  if (!end || !link?.isCut.includes(true)) return undefined;
  const isWaiting = end.state === "live" ? end.base < app.written + Number(app.finished) : end.state !== "tombstone";
  return isWaiting ? `${link.kind} ${link.id}, ${end.state} at ${end.base}` : undefined;
}

/** Both ends have the best carrier that there is, and whatever is written arrives and is acknowledged. */
function checkPrompt(world: World): void {
  const { links } = world.network;
  const isUsed = ({ id, said }: Link) => said[CLIENT].includes(PROOF) && SIDES.every((side) => has(world, side, id));
  const hasDirect = [...links.values()].some((link) => link.kind === "direct" && isUsed(link));
  for (const side of SIDES) {
    const link = links.get(world.ends[side]?.current ?? 0);
    check(link && !link.isCut.includes(true), "both ends found each other");
    check(!hasDirect || link.kind === "direct", "a direct carrier is preferred");
    check(hasProxy(world, side), "a proxy carrier is kept");
  }
  check(world.unproven.count === 0, "a proven carrier takes no place of an unproven one");
  for (let round = 0; round < 3; round++) {
    for (const side of SIDES) world.write(side, SMALL.windowMax);
    rest(world);
    advance(world, ackDelay);
    rest(world);
    for (const side of SIDES) {
      const [base, { written, finished }] = [world.ends[side]?.base, world.apps[side]];
      check(base === written + Number(finished), `${base} of ${written} bytes are acknowledged`);
    }
  }
}

function has(world: World, side: Side, id: number): boolean {
  return world.ends[side]?.ids.includes(id) === true;
}

function hasProxy(world: World, side: Side): boolean {
  const proxies = [...world.network.links.values()].filter(({ kind }) => kind === "proxy");
  return proxies.some(({ id, isCut }) => has(world, side, id) && !isCut[across(side)]);
}

/** Time passes, and everything arrives as it is sent. */
function pass(world: World, ms: number): void {
  const end = world.now + ms;
  for (;;) {
    rest(world);
    const at = world.deadline();
    if (at === undefined || at > end) break;
    advance(world, Math.max(0, at - world.now));
  }
  world.now = end;
}

/** Everything that can happen without time happens. */
function rest(world: World): void {
  for (let round = 0; round < 10_000; round++) {
    let moved = world.answerMac(0);
    for (const side of SIDES) {
      world.pump(side);
      for (const { id } of world.network.held) while (world.deliver(id, side, Infinity)) moved = true;
      if (world.read(side, Infinity)) moved = true;
      world.consume(side);
    }
    if (!moved) return;
  }
  check(false, "it comes to rest");
}
