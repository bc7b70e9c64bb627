/** A proxy that speaks TLS itself, as a phone meets it: by a name that is not localhost. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "@playwright/test";
import { install } from "../harness/in-page.mjs";
import * as programs from "../harness/programs.mjs";
import { type RunningProxy, startProxy } from "../harness/proxy.mjs";
import { expect, test } from "./fixture.ts";

const HOST = "box.example";

/** A browser that finds the host here, and that believes certificates which nobody vouches for if `trusting`. */
async function open(trusting: boolean): Promise<Browser> {
  const args = ["--no-sandbox", "--disable-gpu", `--host-resolver-rules=MAP ${HOST} 127.0.0.1`];
  if (trusting) args.push("--ignore-certificate-errors");
  return await chromium.launch({ executablePath: programs.chromium(), args });
}

async function visit(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage();
  await page.addInitScript(install);
  await page.goto(url);
  return page;
}

test("over TLS a page by any name comes over HTTP/2, has WebCrypto and a service worker, and streams pass; without, it has neither", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bss-tls-"));
  const tls = ["--tls", "self-signed", "--tls-dir", folder, "--public-url", `https://${HOST}`];
  const proxies: RunningProxy[] = [];
  const browsers: Browser[] = [];
  try {
    const secure = await startProxy(tls);
    const plain = await startProxy(["--public-url", `http://${HOST}`]);
    proxies.push(secure, plain);
    const trusting = await open(true);
    const wary = await open(false);
    browsers.push(trusting, wary);

    const has = (page: Page) =>
      page.evaluate(() => ({
        secure: isSecureContext,
        subtle: typeof crypto.subtle === "object",
        worker: "serviceWorker" in navigator,
      }));
    const without = await visit(trusting, `http://${HOST}:${plain.port}/`);
    expect(await has(without)).toEqual({ secure: false, subtle: false, worker: false });
    await expect(visit(wary, `https://${HOST}:${secure.port}/`)).rejects.toThrow("ERR_CERT_AUTHORITY_INVALID");

    // As it is typed on a phone, without a scheme: the proxy sends it to https.
    const server = await visit(trusting, `http://${HOST}:${secure.port}/`);
    expect(server.url()).toBe(`https://${HOST}:${secure.port}/`);
    expect(await has(server)).toEqual({ secure: true, subtle: true, worker: true });
    const came = await server.evaluate(() =>
      performance.getEntriesByType("navigation").map((entry) => (entry as PerformanceNavigationTiming).nextHopProtocol),
    );
    expect(came).toEqual(["h2"]);
    const state = await server.evaluate(async () => {
      const registration = await navigator.serviceWorker.register("/browser-stream-server.js", { type: "module" });
      const worker = registration.installing ?? registration.waiting ?? registration.active;
      await new Promise<void>((resolve) => {
        if (worker?.state === "activated") resolve();
        worker?.addEventListener("statechange", () => worker.state === "activated" && resolve());
      });
      return worker?.state;
    });
    expect(state).toBe("activated");

    await server.evaluate(async () => {
      globalThis.bss = await import("/browser-stream-server.js");
      kept.mdm = bss.MuxDemux();
      kept.server = bss.StreamServer(kept.mdm, (stream) => {
        stream.readable.pipeTo(stream.writable).catch(() => {});
      });
      await kept.server.listen("tls").listening;
    });
    const client = await visit(trusting, `https://${HOST}:${secure.port}/`);
    const equal = await client.evaluate(async () => {
      globalThis.bss = await import("/browser-stream-server.js");
      const stream = bss.StreamClient(bss.MuxDemux()).connect("tls");
      const sent = t.pattern(1, 0, 1 << 22);
      const sending = new Blob([sent]).stream().pipeTo(stream.writable);
      const got = new Uint8Array(await new Response(stream.readable).arrayBuffer());
      await sending;
      const digests = await Promise.all([sent, got].map((bytes) => crypto.subtle.digest("SHA-256", bytes)));
      const [one, other] = digests.map((digest) => new Uint8Array(digest).join());
      return got.length === sent.length && one === other;
    });
    expect(equal).toBe(true);
  } finally {
    for (const browser of browsers) await browser.close();
    for (const proxy of proxies) await proxy.stop();
    rmSync(folder, { recursive: true });
  }
});
