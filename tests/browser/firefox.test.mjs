/** What has to hold in Firefox too. Playwright cannot drive a stock Firefox; puppeteer can, over BiDi. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import puppeteer from "puppeteer-core";
import { install } from "../harness/in-page.mjs";
import { chromium, firefox } from "../harness/programs.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { slowReader, told } from "../harness/slow-reader.mjs";
import { until } from "../harness/wait.mjs";

const MIB = 1024 * 1024;
const TOTAL = (process.env.LONG === "1" ? 256 : 128) * MIB;

/** @type {import("../harness/proxy.mjs").RunningProxy} */
let proxy;
/** @type {import("puppeteer-core").Browser} */
let browser;

before(async () => {
  proxy = await startProxy();
  browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: firefox(),
    headless: true,
    // Nobody in a test's network answers for the names that hide addresses.
    extraPrefsFirefox: { "media.peerconnection.ice.obfuscate_host_addresses": false },
  });
});

after(async () => {
  await browser?.close();
  await proxy?.stop();
});

async function tab(of = browser) {
  const context = await of.createBrowserContext();
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

test("a stream between Firefox and Chromium goes on over a direct connection", {
  timeout: 120_000,
}, async (context) => {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-features=WebRtcHideLocalIpsWithMdns"];
  const other = await puppeteer.launch({ executablePath: chromium(), headless: true, args });
  try {
    for (const { name, of, by } of [
      { name: "firefox-connects", of: browser, by: other },
      { name: "chromium-connects", of: other, by: browser },
    ]) {
      const [client, server] = [await tab(of), await tab(by)];
      await server.evaluate(async (name) => {
        const { bss, kept, t } = globalThis;
        kept.server = bss.StreamServer(bss.MuxDemux(), { direct: true }, (stream) => {
          kept.stream = stream;
          kept.sending = t.send(stream.writable, 8, 64 << 20);
        });
        await kept.server.listen(name).listening;
      }, name);
      await client.evaluate(async (name) => {
        const { bss, kept, t } = globalThis;
        kept.stream = bss.StreamClient(bss.MuxDemux(), { direct: true }).connect(name);
        kept.reader = kept.stream.readable.getReader();
        kept.digest = new t.Digest();
        await kept.digest.add((await kept.reader.read()).value);
      }, name);
      for (const page of [client, server]) {
        await until(10_000, `${name} to be direct`, () =>
          page.evaluate(() => globalThis.kept.stream.carrier === "direct"),
        );
      }
      // It is read for a while, so that the window may grow over the direct connection; then nobody reads.
      await client.evaluate(async () => {
        const { kept } = globalThis;
        while (kept.digest.bytes < 8 << 20) await kept.digest.add((await kept.reader.read()).value);
      });
      // The writer stops, and what lies in the page is what the window lets in.
      let [came, still] = [-1, 0];
      await until(10_000, "the writer to stop", async () => {
        const before = came;
        came = await client.evaluate(() => globalThis.kept.stream.resumption.received);
        still = came === before ? still + 1 : 0;
        return still >= 25;
      });
      const unread = came - (await client.evaluate(() => globalThis.kept.digest.bytes));
      context.diagnostic(`${name}: ${(unread / MIB).toFixed(1)} MiB unread when the writer stopped`);
      assert.ok(unread <= 8 * MIB, `${unread} bytes lay unread`);
      const [received, carried] = await client.evaluate(async () => {
        const { kept } = globalThis;
        for (;;) {
          const { done, value } = await kept.reader.read();
          if (done) break;
          await kept.digest.add(value);
        }
        return [{ bytes: kept.digest.bytes, sha: await kept.digest.hex() }, kept.stream.carried];
      });
      assert.deepEqual(received, await server.evaluate(() => globalThis.kept.sending));
      assert.ok(carried.direct.received > 48 * MIB, `${carried.direct.received} bytes came directly`);
    }
  } finally {
    await other.close();
  }
});
