/** HTTP in Firefox: a session over it where no WebSocket comes through, and a tab that serves it. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { after, before, test } from "node:test";
import { openTab, startFirefox } from "../harness/firefox.mjs";
import { install } from "../harness/in-page.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { startUpgrades } from "../harness/upgrades.mjs";

install();

const MIB = 1024 * 1024;
/** Each way. */
const BYTES = (process.env.LONG === "1" ? 64 : 4) * MIB;
const { t } = globalThis;

/** @type {import("../harness/proxy.mjs").RunningProxy} */
let proxy;
/** @type {import("puppeteer-core").Browser} */
let browser;

before(async () => {
  proxy = await startProxy();
  browser = await startFirefox();
});

after(async () => {
  await browser?.close();
  await proxy?.stop();
});

function tab(url = proxy.url) {
  return openTab(browser, url);
}

for (const treatment of /** @type {const} */ (["refuse", "close"])) {
  test(`where a network has WebSockets ${treatment}d Firefox is through by HTTP, and every byte arrives`, {
    timeout: 180_000,
  }, async (context) => {
    const way = await startUpgrades(proxy.port, treatment);
    context.after(() => way.stop());
    const [server, client] = [await tab(), await tab(way.url)];
    await server.evaluate(async (name) => {
      const { bss } = globalThis;
      const echo = bss.StreamServer(bss.MuxDemux(), (stream) => {
        stream.readable.pipeTo(stream.writable);
      });
      await echo.listen(name).listening;
    }, `firefox-${treatment}`);
    const { ms, carrier, sent, received } = await client.evaluate(
      async (name, total) => {
        const { bss, t } = globalThis;
        const since = performance.now();
        const mdm = bss.MuxDemux();
        await t.outcome(bss.StreamClient(mdm).connect("nobody", { wait: 0 }).opened);
        const ms = performance.now() - since;
        const { sent, received } = await t.converse(bss.StreamClient(mdm).connect(name), 6, total);
        return { ms, carrier: mdm.carrier, sent, received };
      },
      `firefox-${treatment}`,
      BYTES,
    );
    assert.equal(carrier, "http");
    // That this is at most three seconds is shown in Chromium (carriers.spec.ts), where nothing else runs beside it.
    context.diagnostic(`through after ${Math.round(ms)} ms`);
    assert.equal(sent.bytes, BYTES);
    assert.deepEqual(received, sent);
  });
}

/** @param {string[]} args */
function curl(...args) {
  return spawn("curl", ["-sSN", "--noproxy", "*", ...args]);
}

test("a tab of Firefox serves HTTP: megabytes each way, and an error where it is closed in mid-answer", {
  timeout: 120_000,
}, async () => {
  const server = await tab();
  const url = await server.evaluate(async () => {
    const { bss, t } = globalThis;
    const { serveHttp } = await import("/browser-stream-server-http.js");
    return await serveHttp(bss.MuxDemux(), "firefox", async (request) => {
      const bytes = Number(new URL(request.url).searchParams.get("bytes"));
      if (request.method === "POST" && request.body) return Response.json(await t.receive(request.body));
      const { readable, writable } = new TransformStream();
      if (bytes > 0) t.send(writable, 5, bytes).catch(() => {});
      else writable.getWriter().write(new Uint8Array(1000));
      return new Response(readable);
    }).listening;
  });
  const getting = curl(`${url}?bytes=${BYTES}`);
  const got = await t.receive(/** @type {any} */ (Readable.toWeb(getting.stdout)));
  assert.deepEqual(got, await t.digest(5, BYTES));
  const posting = curl("-X", "POST", "-T", "-", `${url}`);
  // Read from the start: Node throws away what a program said that nobody had begun to read when it ended.
  const answer = t.text(/** @type {any} */ (Readable.toWeb(posting.stdout)));
  const sent = await t.send(Writable.toWeb(posting.stdin), 3, BYTES);
  assert.deepEqual(JSON.parse(await answer), sent);
  const cut = curl(`${url}`);
  // From here on: it may end while the browser yet closes the tab.
  const ended = once(cut, "close");
  await once(cut.stdout, "data");
  await server.close();
  const [code] = await ended;
  // 18: less than was to come. 56: reset.
  assert.ok([18, 56].includes(code), `${code}`);
});
