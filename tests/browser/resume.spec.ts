/** Streams that survive what happens to connections, between real browsers. */

import { startProxy } from "../harness/proxy.mjs";
import { type Shim, startShim } from "../harness/shim.mjs";
import { expect, test } from "./fixture.ts";
import { CUTS, connect, expectWhole, harass, said, serve, TOTAL, WINDOW_MAX } from "./talk.ts";

// They are as fast as the machine is.
test.slow();

/** How often the proxy is started again. */
const RESTARTS = 10;

test("threat_13_a_transfer_between_tabs_that_is_cut_fifty_times_arrives_whole_and_once", async ({
  tab,
  name,
  realProxy,
}) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  const shims = await Promise.all([startShim(realProxy.port, { seed }), startShim(realProxy.port, { seed: seed + 1 })]);
  const [server, client] = await Promise.all(shims.map((shim) => tab(shim.url)));
  if (!server || !client) throw new Error("two tabs");
  await serve(server, name, 1);
  await connect(client, name, 2);
  const [, mine, theirs] = await Promise.all([harass(shims, seed), said(client), said(server)]);
  expectWhole(mine, theirs, CUTS);
  expect(await server.evaluate(() => kept.streams), "its server met one stream").toBe(1);
  for (const shim of shims) await shim.stop();
});

for (const [how, leave] of [
  ["killed", async (old: Proxy) => await old.kill()],
  ["told to go down", async (old: Proxy) => await old.stop()],
] as const) {
  test(`threat_30_a_proxy_that_is_${how.replaceAll(" ", "_")}_ten_times_in_mid_transfer_costs_nothing`, async ({
    tab,
    name,
  }) => {
    let proxy = await startProxy();
    const shims: Shim[] = await Promise.all([startShim(proxy.port), startShim(proxy.port)]);
    const [server, client] = await Promise.all(shims.map((shim) => tab(shim.url)));
    if (!server || !client) throw new Error("two tabs");
    await serve(server, name, 3);
    await connect(client, name, 4);
    const replacing = (async () => {
      const share = (4 * TOTAL) / (RESTARTS + 1);
      const carried = () => shims.reduce((sum, shim) => sum + shim.carried(), 0);
      for (let restart = 1; restart <= RESTARTS; restart++) {
        await expect.poll(carried, { intervals: [5], timeout: 60_000 }).toBeGreaterThan(restart * share);
        const old = proxy;
        const before = shims.map((shim) => shim.connections());
        proxy = await startProxy();
        for (const shim of shims) shim.to(proxy.port);
        await leave(old);
        const came = () => shims.every((shim, i) => shim.connections() > (before[i] ?? 0));
        await expect.poll(came, { intervals: [5], timeout: 30_000 }).toBe(true);
      }
    })();
    const [, mine, theirs] = await Promise.all([replacing, said(client), said(server)]);
    expectWhole(mine, theirs, 2 * RESTARTS, WINDOW_MAX);
    expect(await server.evaluate(() => kept.streams)).toBe(1);
    for (const shim of shims) await shim.stop();
    await proxy.stop();
  });
}

test("threat_27_a_page_that_stands_still_through_a_cut_goes_on_when_it_wakes", async ({ tab, name, realProxy }) => {
  const shims = await Promise.all([startShim(realProxy.port), startShim(realProxy.port)]);
  const [server, client] = await Promise.all(shims.map((shim) => tab(shim.url)));
  const [, shim] = shims;
  if (!server || !client || !shim) throw new Error("two tabs");
  await serve(server, name, 5);
  await connect(client, name, 6);
  await expect.poll(() => shim.carried(), { intervals: [5], timeout: 60_000 }).toBeGreaterThan(TOTAL / 4);
  // No turn of its code runs, as in a page that is frozen, or on a machine that sleeps.
  const devtools = await client.context().newCDPSession(client);
  await devtools.send("Debugger.enable");
  const paused = new Promise((resolve) => devtools.once("Debugger.paused", resolve));
  await devtools.send("Debugger.pause");
  await paused;
  shim.cut();
  await expect.poll(() => shim.live()).toBe(0);
  await devtools.send("Debugger.resume");
  const [mine, theirs] = await Promise.all([said(client), said(server)]);
  expectWhole(mine, theirs, 1, WINDOW_MAX);
  for (const shim of shims) await shim.stop();
});

type Proxy = Awaited<ReturnType<typeof startProxy>>;
