import { expect, it } from "vitest";
import { StreamClient, type Watch } from "../src/index.ts";
import { holdClock } from "./clock.ts";
import { dial, settle, until } from "./peer.ts";

const WATCH = "/browser-server/watch/NAME";

holdClock();

function record(watch: Watch): string[] {
  const seen: string[] = [];
  for (const state of ["up", "suspended", "gone", "close"] as const) watch.on(state, () => seen.push(state));
  watch.on("error", ({ code }) => seen.push(code));
  return seen;
}

it("a watch tells each change, once, and what it does not know it ignores", async () => {
  const { mdm, peer } = dial();
  const watch = StreamClient(mdm).watch("NAME");
  const seen = record(watch);
  expect(watch.state).toBeUndefined();
  const far = (await peer.opened(WATCH)).frame({ id: "w" });
  for (const note of ["gone", "up", "up", "paused", "suspended", "up"]) far.frame({ note });
  await until("all", () => seen.length === 4);
  expect([seen, watch.state]).toEqual([["gone", "up", "suspended", "up"], "up"]);
});

it("it goes on over the next connection", async () => {
  const { mdm, peer, redialed } = dial();
  const seen = record(StreamClient(mdm).watch("NAME"));
  (await peer.opened("/session")).frame({});
  (await peer.opened(WATCH)).frame({ id: "w" }).frame({ note: "up" });
  await until("up", () => seen.length === 1);
  peer.cut();
  (await (await redialed(2)).peer.opened(WATCH)).frame({ id: "x" }).frame({ note: "up" }).frame({ note: "gone" });
  await until("gone", () => seen.length === 2);
  expect(seen).toEqual(["up", "gone"]);
});

it("a loop gets the state now and the newest after each change, and ends with the watch", async () => {
  const { mdm, peer } = dial();
  const watch = StreamClient(mdm).watch("NAME");
  const far = (await peer.opened(WATCH)).frame({ id: "w" }).frame({ note: "gone" });
  const states: string[] = [];
  const loop = (async () => {
    for await (const state of watch) {
      states.push(state);
      if (states.length > 1) continue;
      far.frame({ note: "up" }).frame({ note: "suspended" });
      await until("both", () => watch.state === "suspended");
    }
  })();
  await until("two", () => states.length === 2);
  watch.close();
  await loop;
  expect(states).toEqual(["gone", "suspended"]);
  await until("the reset", () => far.resetCode === 15);
});

it("a refusal is an error, which an iteration throws", async () => {
  const { mdm, peer } = dial();
  const watch = StreamClient(mdm).watch("NAME");
  const seen = record(watch);
  const next = watch[Symbol.asyncIterator]().next();
  (await peer.opened(WATCH)).frame({ error: { code: "limit" } }).finish();
  await expect(next).rejects.toMatchObject({ code: "limit" });
  expect(seen).toEqual(["limit", "close"]);
});

it("close() and a signal end it while there is no connection, too", async () => {
  const { mdm, peer, redialed } = dial({ hold: true });
  const abort = new AbortController();
  const client = StreamClient(mdm);
  const watches = [client.watch("NAME"), client.watch("NAME", { signal: abort.signal })];
  const seen = watches.map(record);
  peer.cut();
  watches[0]?.close();
  abort.abort();
  expect(seen).toEqual([["close"], ["close"]]);
  const second = await redialed(2);
  second.socket.onopen?.({});
  await second.peer.opened("/session");
  await settle();
  expect(second.peer.streams).toHaveLength(1);
  expect(record(client.watch("NAME", { signal: abort.signal }))).toEqual([]);
});

it("threat_05_a_name_that_can_be_none_throws_before_anything_is_sent", () => {
  expect(() => StreamClient(dial().mdm).watch("a\u202eb")).toThrow("bad_request");
});

it("a connection that is over for good ends it as lost", async () => {
  const { mdm, peer } = dial({ reconnect: false });
  const watch = StreamClient(mdm).watch("NAME");
  const seen = record(watch);
  (await peer.opened(WATCH)).frame({ id: "w" });
  peer.cut();
  await until("the end", () => seen.length === 2);
  expect(seen).toEqual(["lost", "close"]);
});
