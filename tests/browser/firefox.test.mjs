/** What has to hold in Firefox too. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import puppeteer from "puppeteer-core";
import { openTab, startFirefox } from "../harness/firefox.mjs";
import { chromium } from "../harness/programs.mjs";
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
  // Nobody in a test's network answers for the names that hide addresses.
  browser = await startFirefox({ "media.peerconnection.ice.obfuscate_host_addresses": false });
});

after(async () => {
  await browser?.close();
  await proxy?.stop();
});

function tab(of = browser) {
  return openTab(of, proxy.url);
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

test("64 MiB cross each way at the same time in Firefox", { timeout: 300_000 }, async () => {
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
  timeout: 300_000,
}, async (context) => {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-features=WebRtcHideLocalIpsWithMdns"];
  const other = await puppeteer.launch({ executablePath: chromium(), headless: true, timeout: 60_000, args });
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
          kept.sending = t.send(stream.writable, 8, 64 << 20, (sent) => {
            kept.sent = sent;
          });
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
        await until(60_000, `${name} to be direct`, () =>
          page.evaluate(() => globalThis.kept.stream.carrier === "direct"),
        );
      }
      // It is read for a while, so that the window may grow over the direct connection; then nobody reads.
      await client.evaluate(async () => {
        const { kept } = globalThis;
        while (kept.digest.bytes < 8 << 20) await kept.digest.add((await kept.reader.read()).value);
      });
      // The writer stops, and what lies in the page is what the window lets in.
      let [sent, came, still] = [-1, -1, 0];
      await until(30_000, "the writer to stop", async () => {
        const before = [sent, came];
        // At both ends: one that stands still on a busy machine writes nothing, or hears nothing.
        [sent, came] = await Promise.all([
          server.evaluate(() => globalThis.kept.sent),
          client.evaluate(() => globalThis.kept.stream.resumption.received),
        ]);
        still = sent === before[0] && came === before[1] ? still + 1 : 0;
        return still >= 25;
      });
      const [read, direct] = await client.evaluate(() => {
        const { digest, stream } = globalThis.kept;
        return [digest.bytes, stream.carried.direct.received];
      });
      const unread = came - read;
      context.diagnostic(`${name}: ${(unread / MIB).toFixed(1)} MiB unread when the writer stopped`);
      assert.ok(unread <= 8 * MIB, `${unread} bytes lay unread`);
      // No more came over the proxy than its first window. What comes later may: a connection on which nothing is heard for two seconds is given up.
      assert.ok(direct > came - MIB, `${direct} bytes of ${came} came directly`);
      const received = await client.evaluate(async () => {
        const { kept } = globalThis;
        for (;;) {
          const { done, value } = await kept.reader.read();
          if (done) break;
          await kept.digest.add(value);
        }
        return { bytes: kept.digest.bytes, sha: await kept.digest.hex() };
      });
      assert.deepEqual(received, await server.evaluate(() => globalThis.kept.sending));
    }
  } finally {
    await other.close();
  }
});
