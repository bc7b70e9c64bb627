/** A real page behind nginx and Caddy: it comes over HTTP/2 and TLS, and its WebSocket goes the same way, or its session over HTTP. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "@playwright/test";
import { CADDY, NAME, NGINX } from "../harness/front.mjs";
import { install } from "../harness/in-page.mjs";
import { chromium as chromiumPath } from "../harness/programs.mjs";
import { startScene } from "./scene.mjs";

const MIB = 1 << 20;
/** What waits for more to come waits for the next ping of the proxy, 16 seconds at least. */
const HELD_BACK_MS = 12_000;
/** @type {import("@playwright/test").Browser} */
let browser;

before(async () => {
  browser = await chromium.launch({
    executablePath: chromiumPath(),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      `--host-resolver-rules=MAP ${NAME} 127.0.0.1`,
    ],
  });
});

after(async () => {
  await browser?.close();
});

for (const [kind, carrier, over] of /** @type {const} */ ([
  [NGINX, "websocket", "wss"],
  [CADDY, "websocket", "wss"],
  [NGINX, "http", "a session over HTTP"],
  [CADDY, "http", "a session over HTTP"],
])) {
  test(`a page behind ${kind.name} serves another over HTTP/2 and ${over}`, { timeout: 120_000 }, async (context) => {
    const scene = await startScene(kind);
    context.after(() => scene.stop());
    const pages = await browser.newContext({ ignoreHTTPSErrors: true });
    await pages.addInitScript(install);
    const [server, client] = [await open(pages, scene), await open(pages, scene)];
    await server.evaluate(async (carrier) => {
      const { bss } = globalThis;
      const handler = bss.StreamServer(bss.MuxDemux(undefined, { carriers: [carrier] }), (stream) => {
        stream.readable.pipeTo(stream.writable);
      });
      await handler.listen("page").listening;
    }, carrier);
    const { sent, received, carried, ms } = await client.evaluate(
      async ([carrier, bytes]) => {
        const { bss, t } = globalThis;
        const mdm = bss.MuxDemux(undefined, { carriers: [carrier] });
        const since = performance.now();
        await bss.StreamClient(mdm).connect("page").opened;
        const ms = performance.now() - since;
        const { sent, received } = await t.converse(bss.StreamClient(mdm).connect("page"), 4, bytes);
        return { sent, received, carried: mdm.carrier, ms };
      },
      /** @type {const} */ ([carrier, 8 * MIB]),
    );
    assert.equal(sent.bytes, 8 * MIB);
    assert.deepEqual(received, sent);
    assert.equal(carried, carrier);
    context.diagnostic(`a stream was open after ${Math.round(ms)} ms`);
    assert.ok(ms < HELD_BACK_MS, `nothing holds back what is small: ${ms} ms`);
    await pages.close();
  });
}

/** @param {import("@playwright/test").BrowserContext} pages @param {import("./scene.mjs").Scene} scene */
async function open(pages, { front }) {
  const page = await pages.newPage();
  await page.goto(`${front.origin}/`);
  const protocol = await page.evaluate(async () => {
    globalThis.bss = await import("/browser-stream-server.js");
    const [visit] = performance.getEntriesByType("navigation");
    return /** @type {PerformanceNavigationTiming} */ (visit).nextHopProtocol;
  });
  assert.match(protocol, /^h[23]$/);
  return page;
}
