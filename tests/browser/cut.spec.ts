/** Direct connections between two networks, of which one drops UDP when it likes. Run where networks can be made (playwright.config.ts). */

import type { Browser } from "@playwright/test";
import { install } from "../harness/in-page.mjs";
import { type Networks, startNetworks } from "../harness/networks.mjs";
import { type RunningProxy, startProxy } from "../harness/proxy.mjs";
import { expect, type Page, test } from "./fixture.ts";
import { launchIn } from "./networked.ts";
import { noticedWithin } from "./silence.ts";

const MIB = 1 << 20;
const TOTAL = 64 * MIB;

let networks: Networks;
let proxy: RunningProxy;
let near: Browser;
let far: Browser;

test.beforeEach(async ({ name: _ }, info) => {
  networks = await startNetworks();
  proxy = await startProxy(["--bind", `${networks.near.address}:0`, "--open"], networks.near.through);
  near = await launchIn(networks.near, info);
  far = await launchIn(networks.far, info);
});

test.afterEach(async () => {
  await far?.close();
  await near?.close();
  await proxy?.stop();
  await networks?.stop();
});

/** A page of the proxy, which is no secure context: it is on another machine. */
async function tab(browser: Browser): Promise<Page> {
  const context = await browser.newContext();
  await context.addInitScript(install);
  const page = await context.newPage();
  await page.goto(proxy.url);
  await page.evaluate(async () => {
    Math.random = () => 0.01;
    globalThis.bss = await import("/browser-stream-server.js");
  });
  return page;
}

/** A tab near by that serves, and reads; one in the far network that connects and writes. */
async function meet(name: string): Promise<[Page, Page]> {
  const [server, client] = [await tab(near), await tab(far)];
  await server.evaluate(async (name) => {
    kept.mdm = bss.MuxDemux();
    kept.read = 0;
    const server = bss.StreamServer(kept.mdm, { direct: true }, (stream) => {
      kept.stream = stream;
      kept.whole = (async () => {
        for await (const chunk of stream) {
          const right = t.pattern(1, kept.read, chunk.length);
          if (!chunk.every((byte, at) => byte === right[at])) throw new Error(`other bytes behind ${kept.read}`);
          kept.read += chunk.length;
        }
        return kept.read;
      })();
      kept.whole.catch(() => {});
    });
    await server.listen(name).listening;
  }, name);
  await client.evaluate(async (name) => {
    kept.mdm = bss.MuxDemux();
    kept.stream = bss.StreamClient(kept.mdm, { direct: true }).connect(name);
    kept.write = async (total: number) => {
      kept.writer ??= kept.stream.writable.getWriter();
      kept.written ??= 0;
      for (const end = kept.written + total; kept.written < end; kept.written += 65_536) {
        await kept.writer.write(t.pattern(1, kept.written, 65_536));
      }
    };
    await kept.stream.opened;
  }, name);
  return [server, client];
}

async function isOn(carrier: string, ...pages: Page[]): Promise<void> {
  for (const page of pages) {
    const now = () => page.evaluate(() => kept.stream.carrier);
    await expect.poll(now, { intervals: [20], timeout: 30_000 }).toBe(carrier);
  }
}

test("udp_that_is_dropped_in_mid_transfer_costs_less_than_three_seconds_and_no_byte", async ({ name }) => {
  const [server, client] = await meet(name);
  await isOn("direct", server, client);
  const written = client.evaluate((total) => kept.write(total), TOTAL);
  await expect.poll(() => server.evaluate(() => kept.read), { intervals: [5] }).toBeGreaterThan(4 * MIB);
  const back = [server, client].map((page) =>
    page.evaluate(async () => {
      const stood = t.standstills();
      await new Promise((resolve) => kept.stream.once("carrier", resolve));
      return { at: performance.timeOrigin + performance.now(), stood: stood() };
    }),
  );
  await networks.dropUdp();
  // From when it is dropped for sure.
  const from = Date.now();
  const ends = await Promise.all(back);
  const took = ends.map(({ at }) => at - from);
  console.log(`back on the proxy after ${took.map(Math.round).join(" and ")} ms`);
  const most = noticedWithin(ends.flatMap(({ stood }) => stood));
  for (const ms of took) expect(ms).toBeLessThan(most);
  await written;
  await networks.passUdp();
  await isOn("direct", server, client);
  await client.evaluate(async (total) => {
    await kept.write(total);
    await kept.writer.close();
  }, MIB);
  expect(await server.evaluate(() => kept.whole)).toBe(TOTAL + MIB);
});

test("where_udp_never_passes_a_stream_works_from_its_first_byte", async ({ name }) => {
  await networks.dropUdp();
  const [server, client] = await meet(name);
  await client.evaluate(async (total) => {
    await kept.write(total);
    await kept.writer.close();
  }, 8 * MIB);
  expect(await server.evaluate(() => kept.whole)).toBe(8 * MIB);
  expect(await client.evaluate(() => kept.stream.carrier)).toBe("proxy");
  expect(await client.evaluate(() => kept.stream.carried.direct)).toEqual({ sent: 0, received: 0, moves: 0 });
});
