/** The file-exchange example: a file larger than the memory that anybody should spend on it, straight into the downloads. `LONG=1`: 4 GiB. */

import { createHash } from "node:crypto";
import type { Browser } from "@playwright/test";
import { status } from "../harness/memory.mjs";
import { MIB, memoryOf, memoryOfWorker, row, save, sha256Of } from "./exchange.ts";
import { expect, type Page, test } from "./fixture.ts";

const LONG = process.env.LONG === "1";
const MANY = LONG ? 4096 : 128;
/** Different mebibytes, one after the other: so many that none stands where it would look right at a wrong place of a power of two. */
const KINDS = 17;
/**
 * What may come on top: in a page and in the service worker, what was read between the collection of its garbage and the look; in all processes of the browser, their own pools
 * beside. V8 lets the worker's garbage stand until there are 64 MiB and more of it, and collects it beside the work: that is what `before` the collection may come on top.
 */
const GROWTH_MAX = { sender: 32 * MIB, receiver: 32 * MIB, worker: 8 * MIB, processes: 128 * MIB, before: 256 * MIB };
type Who = keyof typeof GROWTH_MAX;

test(`${MANY} MiB go from page to page through the service worker, and into nobody's memory`, async ({
  tab,
  browser,
  realProxy,
}) => {
  test.setTimeout(600_000);
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  await dropLarge(sender);
  const receiver = await tab(await sender.getByLabel("Link", { exact: true }).inputValue());
  await receiver.evaluate(() => {
    // No room for a copy in its storage: so the file goes into the downloads while it comes.
    navigator.storage.estimate = async () => ({ quota: 1000, usage: 0 });
  });
  const begun = performance.now();
  const download = await save(receiver, "large.bin");
  const looks: Record<Who, number>[] = [];
  const done = row(receiver, "large.bin").getByText("Saved, and checked");
  await expect(row(receiver, "large.bin")).toContainText(/(\d\d\.\d|\d{3}) MB of|GB of|All here|Saved/);
  do {
    const before = await memoryOfAll(browser);
    // All at once: they go on making garbage, some 100 MiB in a second.
    const kept = [memoryOf(sender), memoryOf(receiver), memoryOfWorker(browser)] as const;
    const [inSender, inReceiver, worker] = await Promise.all(kept);
    looks.push({ before, sender: inSender, receiver: inReceiver, worker, processes: await memoryOfAll(browser) });
  } while (!(await settles(receiver, done)));
  const seconds = (performance.now() - begun) / 1000;
  expect(await sha256Of(download)).toBe(sumOfLarge());
  console.log(`${MANY} MiB in ${seconds.toFixed(0)} s, ${(MANY / seconds).toFixed(0)} MiB/s`);
  for (const who of Object.keys(GROWTH_MAX) as Who[]) {
    const [first = 0, ...later] = looks.map((look) => look[who]);
    const grown = Math.max(first, ...later) - first;
    console.log(
      `${who}: ${(first / MIB).toFixed(1)} MiB, ${(grown / MIB).toFixed(1)} more at most in ${looks.length} looks`,
    );
    expect(grown, `${who} grew`).toBeLessThan(GROWTH_MAX[who]);
  }
});

/** Drops a file on the page that needs no memory: the same few blobs, over and over. */
async function dropLarge(page: Page): Promise<void> {
  await page.evaluate(
    ({ MANY, KINDS, MIB }) => {
      const kinds = Array.from({ length: KINDS }, (_, kind) => {
        return new Blob([Uint8Array.from({ length: MIB }, (_, at) => Math.imul(at + kind, 0x9e3779b1) >>> 24)]);
      });
      const parts = Array.from({ length: MANY }, (_, at) => kinds[at % KINDS] as Blob);
      const dataTransfer = { files: [new File(parts, "large.bin")] };
      const drop = new DragEvent("drop", { bubbles: true, cancelable: true });
      Object.defineProperty(drop, "dataTransfer", { value: dataTransfer });
      document.body.dispatchEvent(drop);
    },
    { MANY, KINDS, MIB },
  );
  await expect(page.getByRole("status").first()).toHaveText("Connected");
}

/** The digest of that file. */
function sumOfLarge(): string {
  const kinds = Array.from({ length: KINDS }, (_, kind) => {
    return Uint8Array.from({ length: MIB }, (_, at) => Math.imul(at + kind, 0x9e3779b1) >>> 24);
  });
  const hash = createHash("sha256");
  for (let at = 0; at < MANY; at++) hash.update(kinds[at % KINDS] as Uint8Array);
  return hash.digest("hex");
}

/** Whether that is so by the next look. */
async function settles(page: Page, done: ReturnType<Page["getByText"]>): Promise<boolean> {
  await expect(row(page, "large.bin"), "it goes on").not.toContainText(/Broke off|Cancelled/);
  return await done.waitFor({ timeout: LONG ? 4000 : 1000 }).then(
    () => true,
    () => false,
  );
}

/** What the browser's processes have in memory that is no file's, in bytes. */
async function memoryOfAll(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const sizes = processInfo.map(({ id }) => {
    return [...status(id).matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm)].reduce(
      (sum, [, kib]) => sum + 1024 * Number(kib),
      0,
    );
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}
