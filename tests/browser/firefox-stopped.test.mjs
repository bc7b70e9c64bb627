/** What a reader that stops on a direct carrier costs in Firefox: itself, and whoever writes to it. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openTab, startFirefox } from "../harness/firefox.mjs";
import { processAmong, rss } from "../harness/memory.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { stoppedReader, told } from "../harness/stopped-reader.mjs";

const MIB = 1024 * 1024;
const TOTAL = (process.env.LONG === "1" ? 256 : 128) * MIB;
/** What a window may grow to. */
const WINDOW_MAX = 8 * MIB;
/** The window, as much again that waits in the browser, and garbage: nobody can have it collected in a stock Firefox. */
const GROWTH_MAX = 48 * MIB;

/** @type {import("../harness/proxy.mjs").RunningProxy} */
let proxy;
/** @type {import("puppeteer-core").Browser} */
let browser;

before(async () => {
  proxy = await startProxy();
  // Nobody in a test's network answers for the names that hide addresses.
  browser = await startFirefox({ "media.peerconnection.ice.obfuscate_host_addresses": false });
});

after(async () => {
  await browser?.close();
  await proxy?.stop();
});

/** A page in a context of its own, and the process that it lives in. */
async function tab() {
  const page = await openTab(browser, proxy.url);
  return { page, pid: await processAmong(/** @type {number} */ (browser.process()?.pid), page) };
}

test("a reader who stops on a direct carrier costs neither page in Firefox more than its window", {
  timeout: 180_000,
}, async (context) => {
  const tabs = { writer: await tab(), reader: await tab() };
  assert.notEqual(tabs.writer.pid, tabs.reader.pid, "two pages, two processes");
  const result = await stoppedReader({
    writer: tabs.writer.page,
    reader: tabs.reader.page,
    measure: async (page) => rss(tabs[page].pid),
    name: "stopped-firefox",
    total: TOTAL,
  });
  context.diagnostic(told("Firefox", TOTAL, result));
  assert.ok(result.unread <= WINDOW_MAX, `${result.unread} bytes lay unread`);
  assert.ok(result.readerGrowth < GROWTH_MAX, `the reader's page grew by ${result.readerGrowth} bytes`);
  assert.ok(result.writerGrowth < GROWTH_MAX, `the writer's page grew by ${result.writerGrowth} bytes`);
  assert.ok(result.seen > GROWTH_MAX, `the meter saw ${result.seen} bytes of what the page held`);
  assert.equal(result.received, 16 * MIB + TOTAL);
  assert.ok(result.direct > result.came - MIB, `${result.direct} bytes of ${result.came} came directly`);
});
