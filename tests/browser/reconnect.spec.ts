/** Connections that break, and come back by themselves, in a real browser. */

import type { WebSocket } from "@playwright/test";
import { type RunningProxy, startProxy } from "../harness/proxy.mjs";
import { startShim } from "../harness/shim.mjs";
import { expect, type Page, test } from "./fixture.ts";

/** Dials as `kept.mdm`, and keeps what it tells as `kept.told`, each with the turn of the page's code in which it did. */
async function dial(page: Page, options: { carriers?: readonly ["websocket"] } = {}): Promise<void> {
  await page.evaluate(async (options) => {
    kept.told = [];
    let turn = 0;
    const tell = (what: unknown) => {
      kept.told.push({ what, turn });
      queueMicrotask(() => turn++);
    };
    kept.mdm = bss.MuxDemux(undefined, options);
    kept.mdm.on("state", (state: string) => tell(state));
    kept.mdm.on("reconnecting", ({ attempt, delayMs }: { attempt: number; delayMs: number }) =>
      tell([attempt, delayMs]),
    );
    kept.mdm.on("error", ({ code }: { code: string }) => tell(code));
    await kept.mdm.ready;
    // The proxy has answered: a connection that breaks before that does not count as one that was good.
    await t.outcome(bss.StreamClient(kept.mdm).connect("nobody", { wait: 0 }).opened);
    kept.told = [];
  }, options);
}

/** Counts the WebSockets that the page makes from now on; its other requests are none of this. */
async function countSockets(page: Page): Promise<void> {
  await page.evaluate(() => {
    kept.sockets = 0;
    globalThis.WebSocket = class extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        kept.sockets++;
      }
    };
  });
}

const sockets = (page: Page): Promise<number> => page.evaluate(() => kept.sockets);
const told = (page: Page): Promise<{ what: unknown; turn: number }[]> => page.evaluate(() => kept.told);
const state = (page: Page): Promise<string> => page.evaluate(() => kept.mdm.state);

/** What becomes of a question that only the proxy can answer. */
const ask = (page: Page): Promise<string> =>
  page.evaluate(async () => (await t.outcome(bss.StreamClient(kept.mdm).connect("nobody", { wait: 0 }).opened)).code);

test("a connection that is cut is back at once, on the event", async ({ tab, realProxy }) => {
  const shim = await startShim(realProxy.port);
  const page = await tab(shim.url);
  await countSockets(page);
  await dial(page, { carriers: ["websocket"] });
  expect(await sockets(page)).toBe(1);
  shim.cut();
  await expect.poll(() => told(page).then((all) => all.length)).toBe(4);
  const all = await told(page);
  expect(all.map(({ what }) => what)).toEqual(["waiting", [1, 0], "connecting", "open"]);
  const turns = all.slice(0, 3).map(({ turn }) => turn);
  expect(turns, "no timer lies between").toEqual(turns.map(() => turns[0]));
  expect(await sockets(page)).toBe(2);
  expect(await ask(page)).toBe("not_found");
  await shim.stop();
});

test("a connection that stalls is noticed by a page that wakes, and followed by another", async ({
  tab,
  realProxy,
}) => {
  const shim = await startShim(realProxy.port);
  const page = await tab(shim.url);
  await dial(page);
  shim.stall();
  await page.evaluate(() => dispatchEvent(new Event("online")));
  const events = async () => (await told(page)).map(({ what }) => what);
  await expect.poll(events, { timeout: 40_000 }).toEqual(["waiting", [1, 0], "connecting", "open"]);
  expect(await ask(page)).toBe("not_found");
  await shim.stop();
});

test("a proxy that is gone is tried again ever later with jitter, and found when it is back", async ({ tab }) => {
  let proxy: RunningProxy = await startProxy();
  const shim = await startShim(proxy.port);
  const page = await tab(shim.url);
  await dial(page);
  await proxy.kill();
  await expect.poll(() => state(page)).not.toBe("open");
  await page.evaluate(() => {
    kept.stream = bss.StreamClient(kept.mdm).connect("nobody", { wait: 0 });
  });
  const attempts = async () => (await told(page)).map(({ what }) => what).filter(Array.isArray) as [number, number][];
  await expect.poll(async () => (await attempts()).length, { timeout: 20_000 }).toBeGreaterThan(4);
  proxy = await startProxy();
  shim.to(proxy.port);
  await expect.poll(() => state(page)).toBe("open");
  // What was opened without a connection went with the next one.
  expect(await page.evaluate(() => t.outcome(kept.stream.opened))).toMatchObject({ code: "not_found" });
  const made = await attempts();
  expect(made.map(([attempt]) => attempt)).toEqual(made.map((_, i) => i + 1));
  expect(made[0]?.[1]).toBe(0);
  for (const [attempt, delay] of made)
    expect(delay, `${attempt}`).toBeLessThanOrEqual(Math.min(5000, 50 * 2 ** attempt));
  expect(new Set(made.map(([, delay]) => delay)).size).toBe(made.length);
  await shim.stop();
  await proxy.stop();
});

test("a page that wakes dials at once, however long it would wait", async ({ tab, realProxy }) => {
  const shim = await startShim(realProxy.port);
  const page = await tab(shim.url);
  await dial(page);
  // Full jitter at its longest, so that only the event can be the reason.
  await page.evaluate(() => {
    Math.random = () => 0.999;
  });
  shim.refuse(true);
  shim.cut();
  const delay = async () =>
    (
      (await told(page))
        .map(({ what }) => what)
        .filter(Array.isArray)
        .at(-1) as number[]
    )?.[1];
  await expect.poll(delay, { timeout: 20_000 }).toBeGreaterThan(3000);
  // It dials before the event is over. Where it dials by itself just then, it waits again.
  const wake = () =>
    page.evaluate(() => {
      const before = kept.mdm.state;
      dispatchEvent(new Event("online"));
      return [before, kept.mdm.state];
    });
  await expect.poll(wake).toEqual(["waiting", "connecting"]);
  shim.refuse(false);
  await expect.poll(() => state(page), { timeout: 20_000 }).toBe("open");
  await shim.stop();
});

test("close() while it waits is the end, for the streams that wait too", async ({ tab, realProxy }) => {
  const shim = await startShim(realProxy.port);
  const page = await tab(shim.url);
  await countSockets(page);
  await dial(page, { carriers: ["websocket"] });
  shim.refuse(true);
  shim.cut();
  await expect.poll(() => state(page)).toBe("waiting");
  const ends = await page.evaluate(async () => {
    const stream = bss.StreamClient(kept.mdm).connect("nobody");
    kept.mdm.close();
    return [(await t.outcome(stream.closed)).code, kept.mdm.state];
  });
  expect(ends).toEqual(["lost", "closed"]);
  const before = await sockets(page);
  shim.refuse(false);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  // Another handle's connection comes through, and no other.
  await dial(page, { carriers: ["websocket"] });
  expect(await sockets(page)).toBe(before + 1);
  await shim.stop();
});

test("two tabs of one browser come back each for itself", async ({ tab, realProxy }) => {
  const shim = await startShim(realProxy.port);
  const first = await tab(shim.url);
  const second = await tab(shim.url);
  await Promise.all([dial(first), dial(second)]);
  shim.cut();
  for (const page of [first, second]) {
    await expect.poll(() => state(page)).toBe("open");
    await expect
      .poll(() => told(page).then((all) => all.map(({ what }) => what)))
      .toEqual(["waiting", [1, 0], "connecting", "open"]);
    expect(await ask(page)).toBe("not_found");
  }
  await shim.stop();
});

test("threat_12_many_cuts_at_any_point_leave_no_connection_behind", async ({ tab, realProxy }) => {
  const shim = await startShim(realProxy.port, { seed: 12, sliceMax: 64 });
  const page = await tab(shim.url);
  const sockets: WebSocket[] = [];
  page.on("websocket", (socket) => sockets.push(socket));
  // Two that are cut before they are there would have it go on by HTTP, rightly.
  await dial(page, { carriers: ["websocket"] });
  for (let round = 0; round < 8; round++) {
    await Promise.all([
      shim.cutAfter(1 + round * 90),
      // A stream that would go on asks again for as long as its server may take to come back.
      page.evaluate(() => t.outcome(bss.StreamClient(kept.mdm).connect("nobody", { wait: 0, resume: false }).opened)),
    ]);
  }
  await expect.poll(() => state(page)).toBe("open");
  expect(await ask(page)).toBe("not_found");
  expect(sockets.length, "connections, one of them live").toBeGreaterThan(4);
  await expect.poll(() => sockets.filter((socket) => !socket.isClosed()).length).toBe(1);
  await shim.stop();
});

test("a worker, which has no page, comes back too", async ({ tab, realProxy }) => {
  const shim = await startShim(realProxy.port);
  const page = await tab(shim.url);
  await page.evaluate(async () => {
    const code = `
      import { MuxDemux } from "${location.origin}/browser-stream-server.js";
      const mdm = MuxDemux("/mux");
      mdm.on("state", (state) => postMessage(state));
    `;
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: "module" });
    kept.states = [];
    worker.onmessage = ({ data }) => kept.states.push(data);
  });
  const states = () => page.evaluate(() => kept.states);
  await expect.poll(states).toEqual(["open"]);
  shim.cut();
  await expect.poll(async () => (await states()).at(-1)).toBe("open");
  await expect.poll(async () => (await states()).slice(0, 2)).toEqual(["open", "waiting"]);
  await shim.stop();
});
