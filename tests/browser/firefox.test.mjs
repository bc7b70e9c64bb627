/** What has to hold in Firefox too. Playwright cannot drive a stock Firefox; puppeteer can, over BiDi. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import puppeteer from "puppeteer-core";
import { install } from "../harness/in-page.mjs";
import { firefox } from "../harness/programs.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { slowReader, told } from "../harness/slow-reader.mjs";

const MIB = 1024 * 1024;
const TOTAL = (process.env.LONG === "1" ? 256 : 128) * MIB;

/** @type {import("../harness/proxy.mjs").RunningProxy} */
let proxy;
/** @type {import("puppeteer-core").Browser} */
let browser;

before(async () => {
  proxy = await startProxy();
  browser = await puppeteer.launch({ browser: "firefox", executablePath: firefox(), headless: true });
});

after(async () => {
  await browser?.close();
  await proxy?.stop();
});

async function tab() {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.goto(proxy.url);
  await page.evaluate(install);
  await page.evaluate(async () => {
    globalThis.bss = await import("/browser-stream-server.js");
  });
  return page;
}

test("threat_06_a_slow_reader_in_firefox_stops_only_its_writer", { timeout: 180_000 }, async (context) => {
  const [server, client] = [await tab(), await tab()];
  const result = await slowReader({ server, client, rss: proxy.rss, name: "slow-firefox", total: TOTAL });
  context.diagnostic(told("Firefox", result));
  assert.ok(result.sentAtStop - result.readAtStop <= 5 * MIB, `the sender was ${result.sentAtStop} bytes in`);
  assert.ok(result.rssGrowth < 24 * MIB, `the proxy grew by ${result.rssGrowth} bytes`);
  assert.equal(result.received.bytes, TOTAL);
  assert.deepEqual(result.received, result.sent);
});

test("64 MiB cross each way at the same time in Firefox", { timeout: 120_000 }, async () => {
  const [server, client] = [await tab(), await tab()];
  await server.evaluate(async (name) => {
    const handler = globalThis.bss.StreamServer(globalThis.bss.MuxDemux(), (stream) => {
      stream.readable.pipeTo(stream.writable);
    });
    await handler.listen(name).listening;
  }, "echo-firefox");
  const [sent, received] = await client.evaluate(
    async (name, total) => {
      const { bss, t } = globalThis;
      const stream = bss.StreamClient(bss.MuxDemux()).connect(name);
      return await Promise.all([t.send(stream.writable, 1, total), t.receive(stream.readable)]);
    },
    "echo-firefox",
    64 * MIB,
  );
  assert.deepEqual(received, sent);
});
