/** What carries a session where something on the way lets no WebSocket through. */

import type { Carrier } from "browser-stream-server";
import { startProxy } from "../harness/proxy.mjs";
import { startUpgrades, type Upgrades } from "../harness/upgrades.mjs";
import { expect, type Page, serveEcho, test } from "./fixture.ts";
import { connect, expectWhole, said, serve, TOTAL, WINDOW_MAX } from "./talk.ts";

const LONG = Boolean(process.env.LONG);
const BYTES = (LONG ? 64 : 4) * 1024 * 1024;
/** By then a page is through, whatever becomes of its WebSockets: one that is not answered is given up after fifteen seconds. */
const THROUGH_MS = 10_000;
/** The same of WebTransport: it is given up after five. */
const COMPANY_MS = 5000;

/** Dials in a page, and tells by what it came through, and how long that took. */
async function dial(page: Page, options: { carriers?: readonly Carrier[] } = {}) {
  return await page.evaluate(async (options) => {
    const start = performance.now();
    kept.mdm = bss.MuxDemux(undefined, options);
    await kept.mdm.ready;
    // Whoever is let through only to be closed is open for a moment: what counts is an answer.
    const { code } = await t.outcome(bss.StreamClient(kept.mdm).connect("nobody", { wait: 0 }).opened);
    return { code, carrier: kept.mdm.carrier, ms: performance.now() - start };
  }, options);
}

/** The same bytes there and back at the same time. */
async function exchange(page: Page, name: string, total: number) {
  return await page.evaluate(
    async ({ name, total }) => {
      const stream = bss.StreamClient(kept.mdm).connect(name);
      const [received, sent] = await Promise.all([t.receive(stream.readable), t.send(stream.writable, 7, total)]);
      return { received, sent, carrier: kept.mdm.carrier };
    },
    { name, total },
  );
}

for (const [treatment, what] of [
  ["refuse", "are answered 403"],
  ["close", "are closed behind the handshake"],
] as const) {
  test(`where WebSockets ${what} a page is soon through by HTTP, and every byte arrives`, async ({
    tab,
    name,
    realProxy,
  }) => {
    test.setTimeout(LONG ? 240_000 : 60_000);
    const way = await startUpgrades(realProxy.port, treatment);
    const [server, client] = [await tab(), await tab(way.url)];
    await serveEcho(server, name);
    const through = await dial(client);
    expect([through.carrier, through.code]).toEqual(["http", "not_found"]);
    expect(through.ms).toBeLessThan(THROUGH_MS);
    const { received, sent, carrier } = await exchange(client, name, BYTES);
    expect([received, carrier]).toEqual([sent, "http"]);
    expect(received.bytes).toBe(BYTES);
    // The tab's next page does not try again what did not work.
    const before = way.upgrades();
    await client.reload();
    await client.evaluate(async () => {
      globalThis.bss = await import("/browser-stream-server.js" as string);
    });
    expect((await dial(client)).carrier).toBe("http");
    expect(way.upgrades()).toBe(before);
    await way.stop();
  });
}

test("a resumable stream goes on over HTTP when WebSockets are let through no more, and over one again", async ({
  tab,
  name,
  realProxy,
}) => {
  test.setTimeout(120_000);
  const ways: Upgrades[] = await Promise.all([
    startUpgrades(realProxy.port, "pass"),
    startUpgrades(realProxy.port, "pass"),
  ]);
  const [server, client] = await Promise.all(ways.map((way) => tab(way.url)));
  if (!server || !client) throw new Error("two tabs");
  await serve(server, name, 1);
  // The last quarter is sent once no WebSocket is let through: all of it could have come by one before.
  await client.evaluate((total) => {
    const gate = t.gate();
    kept.goOn = gate.open;
    kept.onSent = (sent: number) => (sent < 0.75 * total ? undefined : gate.passed);
  }, TOTAL);
  await connect(client, name, 2);
  const moved = () => client.evaluate(() => kept.mdm.stats().received);
  await expect.poll(moved, { intervals: [5], timeout: 60_000 }).toBeGreaterThan(TOTAL / 8);
  for (const way of ways) way.treat("refuse");
  await client.evaluate(() => kept.goOn());
  const [mine, theirs] = await Promise.all([said(client), said(server)]);
  expectWhole(mine, theirs, 4, WINDOW_MAX);
  const carriers = await Promise.all([server, client].map((page) => page.evaluate(() => kept.mdm.carrier)));
  expect(carriers).toEqual(["http", "http"]);
  expect(await server.evaluate(() => kept.streams), "its server met one stream").toBe(1);
  for (const way of ways) await way.stop();
});

test("a proxy that is down is not asked for other carriers again and again", async ({ tab, realProxy }) => {
  const way = await startUpgrades(realProxy.port, "pass");
  const page = await tab(way.url);
  const asked: string[] = [];
  page.on("request", (request) => request.method() === "POST" && asked.push(request.url()));
  await page.evaluate(async () => {
    // Short pauses: six attempts are over before anybody who did not answer may be asked again.
    Math.random = () => 0.1;
    kept.mdm = bss.MuxDemux();
    await kept.mdm.ready;
    let times = 0;
    kept.six = new Promise<void>((resolve) => {
      kept.mdm.on("reconnecting", () => {
        if (++times === 6) resolve();
      });
    });
  });
  await way.stop();
  await page.evaluate(() => kept.six);
  expect(asked.length).toBeLessThanOrEqual(1);
  expect(await page.evaluate(() => kept.mdm.carrier)).toBe("websocket");
});

test("where WebSockets are answered 403 a page is through by WebTransport, with a certificate whose hash it is told", async ({
  tab,
  name,
}) => {
  const way = await startUpgrades(0, "refuse");
  const proxy = await startProxy(["--webtransport", "--allow-origin", new URL(way.url).origin]);
  way.to(proxy.port);
  const server = await tab(proxy.url);
  await serveEcho(server, name);
  // Its port is the forwarder's, and that of WebTransport another: the page's policy names it.
  const client = await tab(way.url);
  // HTTP has its turn a second later, and may be the first where a machine is busy.
  const through = await dial(client, { carriers: ["websocket", "webtransport"] });
  expect(through.carrier).toBe("webtransport");
  expect(through.ms).toBeLessThan(THROUGH_MS);
  const { received, sent, carrier } = await exchange(client, name, BYTES);
  expect([received, carrier]).toEqual([sent, "webtransport"]);
  await way.stop();
  await proxy.stop();
});

test("where UDP is dropped a page is through by HTTP all the same", async ({ tab, name }) => {
  const way = await startUpgrades(0, "refuse");
  const proxy = await startProxy(["--webtransport", "--allow-origin", new URL(way.url).origin]);
  way.to(proxy.port);
  const [server, client] = [await tab(proxy.url), await tab(way.url)];
  await serveEcho(server, name);
  await client.evaluate(() => {
    const Real = globalThis.WebTransport;
    globalThis.WebTransport = class extends Real {
      constructor(given: string | URL, options?: WebTransportOptions) {
        const there = new URL(given);
        // Nobody is there, and nobody says so.
        there.hostname = "192.0.2.1";
        super(there.href, options);
      }
    };
  });
  const through = await dial(client);
  expect(through.carrier).toBe("http");
  expect(through.ms, "before WebTransport is given up").toBeLessThan(COMPANY_MS);
  await way.stop();
  await proxy.stop();
});
