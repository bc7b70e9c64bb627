// A client that gives up while its first message is being opened leaves nothing behind at the server.

import { expect, it } from "vitest";
import { Cell } from "../src/cell.ts";
import { StreamError } from "../src/error.ts";
import { type Stream, StreamServer } from "../src/index.ts";
import type { JsonObject } from "../src/json.ts";
import { Opening } from "../src/opening.ts";
import { admit } from "../src/resumable/arrivals.ts";
import { Resumables } from "../src/resumable/resumables.ts";
import type { Session } from "../src/session.ts";
import { holdClock } from "./clock.ts";
import { elapse } from "./elapse.ts";
import { sealed } from "./sealed-serving.ts";
import { passes } from "./splice.ts";

holdClock();

it.each([{}, { resume: false }])("an opener that is gone by then is no client of a server with %j", async (how) => {
  const asked: unknown[] = [];
  const accept = (open: unknown) => asked.push(open) > 0;
  const { proxy, tab, client, address, served, server } = await sealed({ ...how, accept });
  const nobody: Stream[] = [];
  await StreamServer(tab, (stream) => nobody.push(stream)).listen("NOBODY").listening;
  let open: JsonObject | undefined;
  proxy.says = (said) => {
    if (!said.seal || !String(said.path).includes("/connect/")) return said;
    open = said;
    return { ...said, path: "/browser-server/connect/NOBODY" };
  };
  client.connect(address, how).opened.catch(() => {});
  await passes("an open", () => open);
  const { need, seal, resume } = open as JsonObject;
  const said = { path: "/browser-server/accept/NAME", id: "x", peer: {}, need, seal, resume };
  const leg = proxy.line("tab").open(said);
  leg.reset(7);
  // Behind it: when this one is there, that one was decided about.
  proxy.says = (said) => said;
  const other = client.connect(address, how);
  await other.opened;
  await elapse(10);
  expect([served.length, server.clients, asked.length]).toEqual([1, 1, 1]);
});

it("what is born of a carrier that is over is no stream", () => {
  const all = new Resumables(() => ({}) as Session, "ws://proxy.test");
  const none = () => {};
  const host = {
    ...{
      send: () => 0,
      unsent: () => 0,
      prioritize: none,
      finish: none,
      reset: none,
      resetBehind: none,
      consumed: none,
    },
  };
  const cell = new Cell(host);
  const hex = (bytes: number) => "ab".repeat(bytes);
  const resume = { v: 1, id: hex(16), secret: hex(32), early: 0, grace: 10 };
  const opening = Opening.read(cell, { path: "/browser-server/accept/NAME", resume }) as Opening;
  cell.opened.catch(none);
  cell.closed.catch(none);
  cell.fail(new StreamError("cancelled"), false);
  expect(admit(all, opening, "NAME", true)).toBe(false);
  expect(all.registry.get(new Uint8Array(16).fill(0xab))).toBeUndefined();
});
