/** Two tabs and the real proxy: what every test of this folder starts from. */

import { type BrowserContext, test as base, expect, type Page } from "@playwright/test";
import { install } from "../harness/in-page.mjs";
import { type RunningProxy, startProxy } from "../harness/proxy.mjs";

export { expect, type Page };

interface Fixtures {
  /** Opens a page of the proxy in a browser context of its own, with the library as `bss`. */
  tab: (url?: string) => Promise<Page>;
  /** A server name that no other test uses. */
  name: string;
}

interface WorkerFixtures {
  /** The proxy that the tests of one worker share. */
  realProxy: RunningProxy;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  realProxy: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixture's needs off this pattern
    async ({}, use) => {
      const proxy = await startProxy();
      await use(proxy);
      await proxy.stop();
    },
    { scope: "worker" },
  ],

  tab: async ({ browser, realProxy }, use) => {
    const errors: Error[] = [];
    const contexts: BrowserContext[] = [];
    const pages = new Set<Page>();
    await use(async (url = realProxy.url) => {
      const context = await browser.newContext();
      contexts.push(context);
      await context.addInitScript(install);
      const page = await context.newPage();
      pages.add(page);
      page.on("close", () => pages.delete(page));
      page.on("crash", () => pages.delete(page));
      page.on("pageerror", (error) => errors.push(error));
      await page.goto(url);
      await load(page);
      return page;
    });
    // What was reported before this call answers has been heard. What a page that goes rejects is not asked for: its open streams end `lost`, rightly.
    for (const page of pages) await page.evaluate(() => {});
    const heard = [...errors];
    for (const context of contexts) await context.close();
    expect(heard, "no error and no rejection was left alone in a page").toEqual([]);
  },

  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixture's needs off this pattern
  name: async ({}, use, info) => {
    await use(`name-${info.testId}-${info.repeatEachIndex}`);
  },
});

/** Imports the library into a page as `bss`. */
async function load(page: Page): Promise<void> {
  await page.evaluate(async () => {
    globalThis.bss = await import("/browser-stream-server.js");
  });
}

/** Closes a tab of somebody who sees it go: one whose page is too busy then is gone before it could tell anybody. */
export async function shut(page: Page): Promise<void> {
  await page.evaluate(() => {});
  await page.close();
}

/** Makes a tab serve `name` and send back what each client sends. */
export async function serveEcho(page: Page, name: string): Promise<void> {
  await page.evaluate(async (name) => {
    kept.mdm ??= bss.MuxDemux();
    kept.server = bss.StreamServer(kept.mdm, (stream) => {
      stream.readable.pipeTo(stream.writable).catch(() => {});
    });
    await kept.server.listen(name).listening;
  }, name);
}

/** What becomes of one connect from a page, and how long that took once there was a connection. */
export async function tryConnect(page: Page, name: string, options: { wait?: number } = {}) {
  return await page.evaluate(
    async ({ name, options }) => {
      kept.mdm ??= bss.MuxDemux();
      // Why there is none is told to the stream.
      await t.outcome(kept.mdm.ready);
      const start = performance.now();
      const result = await t.outcome((async () => bss.StreamClient(kept.mdm).connect(name, options).opened)());
      return { ...result, ms: performance.now() - start };
    },
    { name, options },
  );
}
