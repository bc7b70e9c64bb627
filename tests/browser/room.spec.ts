/** Rooms in real tabs: events, answers, seats that outlive a connection, who goes, and the directory. */

import { startProxy } from "../harness/proxy.mjs";
import { startShim } from "../harness/shim.mjs";
import { expect, type Page, test } from "./fixture.ts";

/** Joins as `kept.room`; what it hears is `kept.heard`, what the room tells of itself `kept.told`. */
async function join(page: Page, name: string, options: object = {}): Promise<string> {
  return await page.evaluate(
    async ({ name, options }) => {
      const { Room } = await import("/browser-stream-server-room.js");
      kept.mdm ??= bss.MuxDemux();
      const room = Room(kept.mdm).join(name, options);
      kept.room = room;
      kept.heard = [];
      kept.told = [];
      room.onAny((event: string, from: { id: string } | undefined, ...args: unknown[]) => {
        kept.heard.push([event, from?.id, ...args]);
      });
      const tell = (...words: unknown[]) => kept.told.push(words);
      for (const event of ["join", "profile"] as const) {
        room.on(event, ({ id, profile }: { id: string; profile: unknown }) => tell(event, id, profile));
      }
      room.on("live", ({ id, live }: { id: string; live: boolean }) => tell("live", id, live));
      room.on("leave", ({ id }: { id: string }, { code, message }: { code: string; message: string }) =>
        tell("leave", id, code, message),
      );
      room.on("disconnecting", ({ id }: { id: string }, { code }: { code: string }, rooms: string[]) =>
        tell("disconnecting", id, code, rooms.toSorted(), room.members.has(id)),
      );
      room.on("lost", (count: number | undefined) => tell("lost", count));
      for (const event of ["suspended", "resumed", "close"] as const) room.on(event, () => tell(event));
      room.on("error", ({ code }: { code: string }) => tell("error", code));
      await room.joined;
      return room.id as string;
    },
    { name, options },
  );
}

const told = (page: Page): Promise<unknown[][]> => page.evaluate(() => kept.told);
const heard = (page: Page): Promise<unknown[][]> => page.evaluate(() => kept.heard);

test("members know each other, and events arrive in order, with values of any kind", async ({ tab, name }) => {
  const [ada, eve] = [await tab(), await tab()];
  const first = await join(ada, name, { as: { nickname: "Ada" } });
  const second = await join(eve, name, { as: { nickname: "Eve" } });
  expect(await eve.evaluate(() => [...kept.room.members.values()].map(({ profile }) => profile.nickname))).toEqual([
    "Ada",
    "Eve",
  ]);
  await expect.poll(() => told(ada)).toEqual([["join", second, { nickname: "Eve" }]]);
  await ada.evaluate(() => {
    kept.room.emit("kinds", new Uint8Array([0, 255]), 5n, new Date(7), { a: [null, "日本"] });
    for (let n = 0; n < 100; n++) kept.room.emit("n", n);
  });
  await expect.poll(() => heard(eve).then((all) => all.length)).toBe(101);
  const kinds = await eve.evaluate(() => {
    const [, from, bytes, id, date, plain] = kept.heard[0];
    return [from, bytes.constructor.name, [...bytes], typeof id, date.constructor.name, plain];
  });
  expect(kinds).toEqual([first, "Uint8Array", [0, 255], "bigint", "Date", { a: [null, "日本"] }]);
  const numbers = await eve.evaluate(() => kept.heard.slice(1).map(([, , n]: [string, string, number]) => n));
  expect(numbers).toEqual(Array.from({ length: 100 }, (_, n) => n));
  await eve.evaluate(() => {
    kept.room.profile = { nickname: "Eva" };
  });
  await expect.poll(() => told(ada)).toContainEqual(["profile", second, { nickname: "Eva" }]);
  await eve.evaluate(() => kept.room.leave("good night"));
  await expect.poll(() => told(ada)).toContainEqual(["leave", second, "left", "good night"]);
});

test("questions come back with answers, or say in time who did not answer", async ({ tab, name }) => {
  const pages = [await tab(), await tab(), await tab()];
  const ids: string[] = [];
  for (const page of pages) ids.push(await join(page, name));
  const [ada, eve, mute] = pages as [Page, Page, Page];
  await eve.evaluate(() => {
    kept.room.on("add", async (_: unknown, a: number, b: number) => a + b);
    kept.room.on("refuse", () => {
      throw new bss.StreamError(4001, "not today");
    });
  });
  await mute.evaluate(() => {
    for (const event of ["add", "refuse"]) kept.room.on(event, () => new Promise(() => {}));
  });
  await expect.poll(() => ada.evaluate(() => kept.room.members.size)).toBe(3);
  const asked = await ada.evaluate(async ([, eve, mute]) => {
    const { room } = kept;
    const start = performance.now();
    const asking = room
      .timeout(5000)
      .emitWithAck("add", 1, 2)
      .catch((error: unknown) => error);
    // Timers run in the order of their times, however busy the page is; were those 10 s that it is without a timeout, this one would be the first.
    const tooLate = new Promise((resolve) => setTimeout(resolve, 9000, {}));
    const late = await Promise.race([asking, tooLate]);
    const ms = performance.now() - start;
    const refused = await room
      .to(eve)
      .emitWithAck("refuse")
      .catch((error: unknown) => error);
    const unheard = await room
      .to(mute)
      .emitWithAck("nobody listens")
      .catch((error: unknown) => error);
    const ids = (members: { id: string }[]) => members.map(({ id }) => id);
    return {
      one: await room.to(eve).emitWithAck("add", 20, 22),
      late: [late.name, late.code, late.answers.map(({ value }: { value: unknown }) => value), ids(late.missing)],
      isInTime: ms >= 5000,
      refused: [refused.code, refused.detail, ids(refused.missing)],
      unheard: unheard.code,
    };
  }, ids);
  expect(asked).toEqual({
    one: 42,
    late: ["AckError", "timeout", [3], [ids[2]]],
    isInTime: true,
    refused: ["4001", "not today", [ids[1]]],
    unheard: "unsupported",
  });
});

test("a member whose connection is gone for five seconds misses nothing, and nothing of it is missed", async ({
  tab,
  name,
  realProxy,
}) => {
  const shim = await startShim(realProxy.port);
  const [ada, eve] = [await tab(), await tab(shim.url)];
  const first = await join(ada, name);
  const second = await join(eve, name);
  const emit = (page: Page, from: number, count: number, everyMs: number) =>
    page.evaluate(
      async ({ from, count, everyMs }) => {
        for (let n = from; n < from + count; n++) {
          kept.room.emit("n", n);
          await new Promise((resolve) => setTimeout(resolve, everyMs));
        }
      },
      { from, count, everyMs },
    );
  await Promise.all([emit(ada, 0, 5, 0), emit(eve, 0, 5, 0)]);
  shim.refuse(true);
  shim.cut();
  // Five seconds of talk, of which the other one hears nothing.
  await Promise.all([emit(ada, 5, 50, 100), emit(eve, 5, 50, 100)]);
  expect(await told(ada)).toContainEqual(["live", second, false]);
  const before = (await heard(eve)).length;
  expect(before).toBeLessThanOrEqual(5);
  shim.refuse(false);
  await eve.evaluate(() => kept.mdm.reconnect());
  const all = (from: string) => Array.from({ length: 55 }, (_, n) => ["n", from, n]);
  await expect.poll(() => heard(eve)).toEqual(all(first));
  await expect.poll(() => heard(ada)).toEqual(all(second));
  expect(await told(eve)).toEqual([["suspended"], ["resumed"]]);
  expect(await told(ada)).toEqual([
    ["join", second, undefined],
    ["live", second, false],
    ["live", second, true],
  ]);
  expect(await eve.evaluate(() => kept.room.id)).toBe(second);
  await shim.stop();
});

test("a proxy that takes another one's place knows nobody: both are new members, are told so, and go on", async ({
  tab,
  name,
}) => {
  const [first, second] = [await startProxy(), await startProxy()];
  const shim = await startShim(first.port);
  const pages = [await tab(shim.url), await tab(shim.url)];
  const [ada, eve] = pages as [Page, Page];
  const ids = [await join(ada, name), await join(eve, name)];
  shim.to(second.port);
  const stopping = first.stop();
  for (const page of pages)
    await expect.poll(() => told(page), { timeout: 20_000 }).toContainEqual(["lost", undefined]);
  for (const page of pages) await expect.poll(() => page.evaluate(() => kept.room.members.size)).toBe(2);
  const now = [await ada.evaluate(() => kept.room.id), await eve.evaluate(() => kept.room.id)];
  expect(now.filter((id) => ids.includes(id))).toEqual([]);
  await ada.evaluate(() => kept.room.emit("still", "here"));
  await expect.poll(() => heard(eve)).toEqual([["still", now[0], "here"]]);
  expect((await told(ada)).filter(([event]) => event === "error" || event === "close")).toEqual([]);
  await stopping;
  await shim.stop();
  for (const page of pages) await page.close();
  await second.stop();
});

test("a tab that goes is seen disconnecting from its rooms, while it is still a member, and is gone", async ({
  tab,
  name,
}) => {
  const [ada, eve] = [await tab(), await tab()];
  await join(ada, name);
  for (const [room, isPublic] of [
    ["other", true],
    ["secret", false],
  ] as const)
    await join(eve, `${name}-${room}`, { public: isPublic });
  const id = await join(eve, name);
  await expect.poll(() => told(ada).then((all) => all.length)).toBe(1);
  await eve.goto("about:blank");
  await expect
    .poll(() => told(ada).then((all) => all.slice(1)))
    .toEqual([
      ["disconnecting", id, "gone", [name, `${name}-other`], true],
      ["leave", id, "gone", ""],
    ]);
  expect(await ada.evaluate(() => kept.room.members.size)).toBe(1);
});

test("the directory tells of public rooms and how many are in them", async ({ tab, name }) => {
  const [watcher, ada, eve] = [await tab(), await tab(), await tab()];
  await join(ada, `${name}-secret`);
  await watcher.evaluate(async () => {
    const { Room } = await import("/browser-stream-server-room.js");
    kept.directory = Room(bss.MuxDemux()).rooms();
    await kept.directory.ready;
  });
  const rooms = () =>
    watcher.evaluate(
      (name) => kept.directory.rooms.filter((room: { name: string }) => room.name.startsWith(name)),
      name,
    );
  await join(ada, name, { public: true });
  await expect.poll(rooms).toEqual([{ name, members: 1 }]);
  await join(eve, name);
  await expect.poll(rooms).toEqual([{ name, members: 2 }]);
  await eve.evaluate(() => kept.room.leave());
  await expect.poll(rooms).toEqual([{ name, members: 1 }]);
  await ada.evaluate(() => kept.mdm.close());
  await expect.poll(rooms).toEqual([]);
});

test("threat_26_markup_and_reserved_words_in_names_and_profiles_are_data", async ({ tab, name }) => {
  const markup = `<img src=x onerror="document.title='evil'">`;
  const [ada, eve] = [await tab(), await tab()];
  const room = `${markup} ${name}`.slice(0, 100);
  await join(ada, room, { public: true });
  const id = await join(eve, room, { as: { nickname: markup, constructor: "x" } });
  await expect.poll(() => told(ada)).toEqual([["join", id, { nickname: markup, constructor: "x" }]]);
  await eve.evaluate((markup) => {
    for (const event of [markup, "__proto__", "constructor"]) kept.room.emit(event, markup);
  }, markup);
  await expect.poll(() => heard(ada)).toEqual([markup, "__proto__", "constructor"].map((event) => [event, id, markup]));
  const refused = await eve.evaluate(() =>
    ["error", "close", "join"].map((event) => {
      try {
        return kept.room.emit(event);
      } catch (error) {
        return (error as { code: string }).code;
      }
    }),
  );
  expect(refused).toEqual(["bad_request", "bad_request", "bad_request"]);
  expect(await ada.title()).not.toBe("evil");
});
