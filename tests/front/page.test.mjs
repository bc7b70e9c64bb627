/** A real page behind nginx and Caddy: it comes over HTTP/2 and TLS, and its WebSocket goes the same way. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "@playwright/test";
import { CADDY, NAME, NGINX } from "../harness/front.mjs";
import { install } from "../harness/in-page.mjs";
import { chromium as chromiumPath } from "../harness/programs.mjs";
import { startScene } from "./scene.mjs";

const MIB = 1 << 20;
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

for (const kind of [NGINX, CADDY]) {
  test(`a page behind ${kind.name} serves another over HTTP/2 and wss`, { timeout: 60_000 }, async (context) => {
    const scene = await startScene(kind);
    context.after(() => scene.stop());
    const pages = await browser.newContext({ ignoreHTTPSErrors: true });
    await pages.addInitScript(install);
    const [server, client] = [await open(pages, scene), await open(pages, scene)];
    await server.evaluate(async () => {
      const { bss } = globalThis;
      const handler = bss.StreamServer(bss.MuxDemux(), (stream) => {
        stream.readable.pipeTo(stream.writable);
      });
      await handler.listen("page").listening;
    });
    const { sent, received } = await client.evaluate(async (bytes) => {
      const { bss, t } = globalThis;
      return await t.converse(bss.StreamClient(bss.MuxDemux()).connect("page"), 4, bytes);
    }, 8 * MIB);
    assert.equal(sent.bytes, 8 * MIB);
    assert.deepEqual(received, sent);
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
