// What a random scheduler does to a world.

import * as fc from "fast-check";
import { across, CLIENT, SERVER, SIDES, type Side } from "./network.ts";
import { advance } from "./settle.ts";
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
