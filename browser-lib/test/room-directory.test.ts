import { expect, it } from "vitest";
import { type Directory, Room } from "../src/room/index.ts";
import { holdClock } from "./clock.ts";
import { dial, outcome, until } from "./peer.ts";

const LIST = "/room/list";

holdClock();

const words = (directory: Directory) => directory.rooms.map(({ name, members }) => `${name} ${members}`);

it("a directory knows the public rooms once all are listed, and tells each change", async () => {
  const { mdm, peer } = dial();
  const directory = Room(mdm).rooms();
  const changes: number[] = [];
  directory.on("change", (rooms) => changes.push(rooms.length));
  const far = (await peer.opened(LIST)).frame({ id: "d" });
  expect(far.first).toEqual({ path: LIST });
  far
    .frame({
      rooms: [
        ["lobby", 12],
        ["__proto__", 1],
      ],
    })
    .frame({ rooms: [["日本", 2]] })
    .frame({ note: "listed" });
  await directory.ready;
  expect(words(directory)).toEqual(["lobby 12", "__proto__ 1", "日本 2"]);
  far.frame({
    rooms: [
      ["lobby", 0],
      ["new", 1],
      ["日本", 3],
    ],
  });
  await until("a change", () => changes.length === 2);
  expect([words(directory), changes]).toEqual([
    ["__proto__ 1", "日本 3", "new 1"],
    [3, 3],
  ]);
});

it("a loop gets the newest after each change, and ends with it", async () => {
  const { mdm, peer } = dial();
  const directory = Room(mdm).rooms();
  const far = (await peer.opened(LIST)).frame({ id: "d" }).frame({ note: "listed" });
  const seen: string[][] = [];
  const loop = (async () => {
    for await (const rooms of directory) {
      seen.push(rooms.map(({ name }) => name));
      if (seen.length > 1) continue;
      far.frame({ rooms: [["a", 1]] }).frame({ rooms: [["b", 1]] });
      await until("both", () => directory.rooms.length === 2);
    }
  })();
  await until("two", () => seen.length === 2);
  directory.close();
  await loop;
  expect(seen).toEqual([[], ["a", "b"]]);
  await until("the reset", () => far.resetCode === 15);
});

it("it goes on over the next connection, and keeps what it knew until that has told all", async () => {
  const { mdm, peer, redialed } = dial();
  const directory = Room(mdm).rooms();
  (await peer.opened("/session")).frame({});
  (await peer.opened(LIST))
    .frame({ id: "d" })
    .frame({
      rooms: [
        ["old", 1],
        ["both", 1],
      ],
    })
    .frame({ note: "listed" });
  await directory.ready;
  peer.cut();
  const far = (await (await redialed(2)).peer.opened(LIST)).frame({ id: "e" });
  far.frame({ rooms: [["both", 2]] });
  expect(words(directory)).toEqual(["old 1", "both 1"]);
  far.frame({ note: "listed" });
  await until("the new list", () => directory.rooms.length === 1);
  expect(words(directory)).toEqual(["both 2"]);
});

it("one that took nothing for too long is told all anew", async () => {
  const { mdm, peer } = dial();
  const directory = Room(mdm).rooms();
  const far = (await peer.opened(LIST)).frame({ id: "d" }).frame({ rooms: [["old", 1]] });
  far.frame({ note: "listed" });
  await directory.ready;
  far.reset(18);
  await until("another", () => peer.streams.filter(({ first }) => first?.path === LIST).length === 2);
  (await peer.opened(LIST))
    .frame({ id: "e" })
    .frame({ rooms: [["new", 1]] })
    .frame({ note: "listed" });
  await until("the new list", () => words(directory)[0] === "new 1");
  expect(directory.rooms.length).toBe(1);
});

it("threat_26_a_refusal_and_nonsense_are_errors_that_a_loop_throws", async () => {
  for (const [frame, code] of [
    [{ error: { code: "limit" } }, "limit"],
    [{ id: "d", rooms: 1 }, "ok"],
  ] as const) {
    const { mdm, peer } = dial();
    const directory = Room(mdm).rooms();
    const far = (await peer.opened(LIST)).frame(frame);
    if (code === "ok") far.frame({ rooms: [["x", "many"]] });
    const next = directory[Symbol.asyncIterator]().next();
    expect(await outcome(next)).toBe(code === "ok" ? "bad_request" : code);
    expect(await outcome(directory.ready)).not.toBe("ok");
  }
});

it("it is closed by its signal, also before it began", async () => {
  const { mdm } = dial();
  const closed: string[] = [];
  const abort = new AbortController();
  const directories = [Room(mdm).rooms({ signal: AbortSignal.abort() }), Room(mdm).rooms({ signal: abort.signal })];
  directories[1]?.on("close", () => closed.push("close"));
  abort.abort();
  expect([closed, await Promise.all(directories.map(({ ready }) => outcome(ready)))]).toEqual([
    ["close"],
    ["cancelled", "cancelled"],
  ]);
});
