// What a random scheduler does to a world, and how a world comes to rest.

import * as fc from "fast-check";
import { across, CLIENT, SERVER, SIDES, type Side } from "./network.ts";
import type { World } from "./world.ts";

export type Op =
  | { readonly op: "write" | "read"; readonly side: Side; readonly bytes: number }
  | { readonly op: "finish" | "wake" | "reset" | "giveUp"; readonly side: Side }
  | { readonly op: "deliver"; readonly pick: number; readonly most: number }
  | { readonly op: "mac"; readonly pick: number }
  | { readonly op: "direct" | "forget" }
  | { readonly op: "cut"; readonly pick: number; readonly keep: [number, number]; readonly isTold: boolean }
  | { readonly op: "cutAll"; readonly isTold: boolean }
  | { readonly op: "advance"; readonly ms: number }
  | { readonly op: "suspect"; readonly pick: number; readonly side: Side }
  | { readonly op: "network"; readonly isUp: boolean }
  /** Longer than any grace. */
  | { readonly op: "sleep"; readonly seconds: number; readonly isDown: boolean };

const side = fc.constantFrom<Side>(CLIENT, SERVER);
const pick = fc.nat(999);
const mostly = fc.nat(4).map((n) => n > 0);
const upTo = (...most: number[]) => fc.oneof(...most.map((max) => fc.integer({ min: 1, max })));
const keep = fc.oneof(fc.nat(3), fc.nat(300));
const all = fc.constant(Infinity);

/** Each with how often it comes. */
const op: fc.Arbitrary<Op> = fc.oneof(
  weighted(240, { op: fc.constant("write"), side, bytes: upTo(20, 400) }),
  weighted(200, { op: fc.constant("read"), side, bytes: upTo(400) }),
  weighted(10, { op: fc.constant("finish"), side }),
  weighted(900, { op: fc.constant("deliver"), pick, most: fc.oneof(upTo(8), all, all) }),
  weighted(150, { op: fc.constant("mac"), pick }),
  weighted(30, { op: fc.constant("direct") }),
  weighted(60, { op: fc.constant("cut"), pick, keep: fc.tuple(keep, keep), isTold: mostly }),
  weighted(6, { op: fc.constant("cutAll"), isTold: mostly }),
  weighted(120, { op: fc.constant("advance"), ms: upTo(100, 1500) }),
  weighted(8, { op: fc.constant("wake"), side }),
  weighted(12, { op: fc.constant("suspect"), pick, side }),
  weighted(8, { op: fc.constant("network"), isUp: mostly }),
  weighted(2, { op: fc.constant("reset"), side }),
  weighted(1, { op: fc.constant("giveUp"), side }),
  weighted(1, { op: fc.constant("forget") }),
  weighted(1, { op: fc.constant("sleep"), seconds: fc.integer({ min: 100, max: 400 }), isDown: fc.boolean() }),
);

export const schedules = fc.array(op, { minLength: 1, maxLength: 400, size: "max" });

function weighted<T extends Op>(weight: number, model: { [K in keyof T]: fc.Arbitrary<T[K]> }) {
  return { weight, arbitrary: fc.record(model) as fc.Arbitrary<Op> };
}

export function run(world: World, op: Op): void {
  const { now, network } = world;
  const links = network.held;
  const link = "pick" in op ? links[op.pick % Math.max(1, links.length)]?.id : undefined;
  switch (op.op) {
    case "write":
      world.write(op.side, op.bytes);
      break;
    case "read":
      world.read(op.side, op.bytes);
      world.consume(op.side);
      break;
    case "deliver":
      deliver(world, op.pick, op.most);
      break;
    case "mac":
      world.answerMac(op.pick);
      break;
    case "direct":
      if (world.client.state === "live") world.join("direct");
      break;
    case "cut":
      if (link !== undefined) network.cut(link, op.keep, op.isTold);
      break;
    case "cutAll":
      network.cutAll(op.isTold);
      break;
    case "advance":
      advance(world, op.ms);
      break;
    case "wake":
      world.ends[op.side]?.wake(now);
      break;
    case "suspect":
      if (link !== undefined) world.ends[op.side]?.suspect(link, now);
      break;
    case "network":
      world.isUp = op.isUp;
      break;
    case "sleep":
      // No proxy keeps an open that long.
      for (const { id, isOpen } of network.links.values()) {
        if (op.isDown || !isOpen[SERVER]) network.cut(id, [0, 0], true);
      }
      // What became due comes at the end of it.
      world.now += 1000 * op.seconds;
      world.tick();
      break;
    case "forget":
      world.forget();
      break;
    default:
      world[op.op](op.side);
  }
  for (const side of SIDES) world.pump(side);
}

/** The next item of one of the carriers on which something is on its way. */
function deliver(world: World, pick: number, most: number): void {
  const ways = world.network.held.flatMap(({ id, pipes }) =>
    SIDES.filter((side) => pipes[across(side)].length > 0).map((side) => ({ id, side })),
  );
  const way = ways[pick % Math.max(1, ways.length)];
  if (way) world.deliver(way.id, way.side, most);
}

/** Time passes; everything happens when it is due, but nothing arrives. */
export function advance(world: World, ms: number): void {
  const end = world.now + ms;
  for (let at = world.deadline(); at !== undefined && at <= end; ) {
    const isLate = at < world.now;
    world.now = Math.max(world.now, at);
    world.tick();
    const next = world.deadline();
    if (next === at && (isLate || at === world.now)) throw new Error("a deadline that a tick does not move");
    at = next;
  }
  world.now = end;
}

/** No more cuts: both applications finish and read on, until both ends have come to an outcome or nothing is left to happen. */
export function settle(world: World): void {
  world.isUp = true;
  advance(world, 45_000);
  world.network.tellCuts();
  const end = world.now + 900_000;
  while (world.now < end) {
    // The server's end may only come to be when the first round has run.
    for (let round = 0; round < 2; round++) {
      for (const side of SIDES) world.finish(side);
      rest(world);
    }
    const at = world.deadline();
    if ((world.client.isOver && world.apps[SERVER].outcome) || at === undefined) return;
    advance(world, Math.max(0, at - world.now));
  }
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
  throw new Error("it never comes to rest");
}
