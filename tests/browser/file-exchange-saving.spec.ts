/** The file-exchange example: where a file goes while it comes, in browsers that can more and less. */

import { createHash, randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { chromium } from "@playwright/test";
import { startProxy } from "../harness/proxy.mjs";
import {
  holdFiles,
  keptBytes,
  letThrough,
  MIB,
  memoryOf,
  row,
  sample,
  save,
  sha256,
  sha256Of,
  share,
} from "./exchange.ts";
import { expect, type Page, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";

const LONG = process.env.LONG === "1";
const LARGE = (LONG ? 1024 : 64) * MIB;

test("where the browser's storage is too small a file goes straight into the downloads, and fails there if it is cancelled", async ({
  tab,
  realProxy,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("straight.bin", 4 * MIB);
  const link = await share(sender, [file]);
  await holdFiles(sender, 8);
  const receiver = await tab(link);
  await receiver.evaluate(() => {
    navigator.storage.estimate = async () => ({ quota: 1000, usage: 0 });
  });
  const broken = await save(receiver, file.name);
  await expect(row(receiver, file.name)).toContainText("begins anew if this page is loaded again");
  await row(receiver, file.name).getByRole("button", { name: "Cancel" }).click();
  expect(await broken.failure(), "what came is no file").not.toBeNull();
  await letThrough(sender, 1000);
  expect(await sha256Of(await save(receiver, file.name, "Try again"))).toBe(sha256(file.buffer));
  expect(await keptBytes(receiver)).toBe(0);
});

test("a browser that has no service worker, or hands it no stream, downloads the file that it kept", async ({
  tab,
  realProxy,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("handed 手.bin", 2 * MIB + 1);
  const receiver = await tab(await share(sender, [file]));
  await receiver.evaluate(() => {
    globalThis.structuredClone = () => {
      throw new DOMException("no stream", "DataCloneError");
    };
  });
  const download = await save(receiver, file.name);
  expect(download.suggestedFilename()).toBe(file.name);
  expect(await sha256Of(download)).toBe(sha256(file.buffer));
  await receiver.reload();
  await expect(row(receiver, file.name).getByRole("button", { name: "Save" }), "nothing begins again").toBeVisible();

  // As where a certificate was believed by hand.
  await receiver.evaluate(() => {
    ServiceWorkerContainer.prototype.register = async () => {
      throw new DOMException("An SSL certificate error occurred when fetching the script.", "SecurityError");
    };
  });
  expect(await sha256Of(await save(receiver, file.name))).toBe(sha256(file.buffer));
});

test("a page over plain http says what is missing, and takes files in memory, checked by a SHA-256 of its own", async ({
  tab,
}) => {
  const proxy = await startProxy(["--bind", "0.0.0.0:0", "--open"]);
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const own = addresses.find(({ family, internal }) => family === "IPv4" && !internal);
  expect(own, "this machine has an address that is not its loopback").toBeDefined();
  const sender = await tab(`http://${own?.address}:${proxy.port}/examples/file-exchange/`);
  expect(await sender.evaluate(() => [isSecureContext, "subtle" in crypto, "serviceWorker" in navigator])).toEqual([
    false,
    false,
    false,
  ]);
  const file = sample("ohne https 日本.bin", 3 * MIB + 1);
  const link = await share(sender, [file]);
  await expect(sender.getByText("This address is of this machine only.")).toBeHidden();
  const receiver = await tab(link);
  await expect(receiver.getByText("This page came over plain http.")).toBeVisible();
  await photograph(receiver, "file-exchange-plain");
  const download = await save(receiver, file.name);
  expect(download.suggestedFilename()).toBe(file.name);
  expect(await sha256Of(download)).toBe(sha256(file.buffer));
  await expect(row(receiver, file.name)).toContainText("Saved, and checked");

  // One that would not fit into memory is refused before a byte of it is sent.
  await sender.evaluate(() => {
    const transfer = new DataTransfer();
    const large = new File(["x"], "large.bin");
    Object.defineProperty(large, "size", { value: 2 ** 28 + 1 });
    transfer.items.add(large);
    const event = new DragEvent("drop", { bubbles: true, cancelable: true });
    Object.defineProperty(event, "dataTransfer", { value: { files: [large] } });
    document.body.dispatchEvent(event);
  });
  await row(receiver, "large.bin").getByRole("button", { name: "Save" }).click();
  await expect(row(receiver, "large.bin")).toContainText("Too large for a page over plain http");
  await proxy.stop();
});

test(`${LARGE / MIB} MiB are in no page's memory while they are on their way`, async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const path = test.info().outputPath("large.bin");
  const sum = await writeLarge(path, LARGE);
  const link = await share(sender, path);
  await holdFiles(sender, 64);
  const receiver = LONG ? await onDisk(link) : await tab(link);
  const downloading = save(receiver, "large.bin");
  const used: Record<string, number[]> = { sender: [], receiver: [] };
  const look = async () => {
    used.sender?.push(await memoryOf(sender));
    used.receiver?.push(await memoryOf(receiver));
  };
  await expect(row(receiver, "large.bin")).toContainText("16.8 MB of");
  await look();
  await letThrough(sender, 160);
  await expect(row(receiver, "large.bin")).toContainText("58.7 MB of", { timeout: 60_000 });
  await look();
  const begun = performance.now();
  await letThrough(sender, 100_000);
  const download = await downloading;
  const seconds = (performance.now() - begun) / 1000;
  expect(await sha256Of(download)).toBe(sum);
  await look();
  if (LONG)
    console.log(`${((LARGE - 58.7e6) / MIB / seconds).toFixed(0)} MiB/s from the one page to the other's storage`);
  for (const [who, [first = 0, ...later]] of Object.entries(used)) {
    const grown = Math.max(...later) - first;
    console.log(`${who}: ${(first / MIB).toFixed(1)} MiB at 16 MiB, at most ${(grown / MIB).toFixed(1)} more later`);
    expect(grown, `${who} grew`).toBeLessThan(8 * MIB);
  }
  if (LONG) await receiver.context().close();
});

/** Random bytes in a file; their digest. */
async function writeLarge(path: string, bytes: number): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path, "w");
  for (let at = 0; at < bytes; at += MIB) {
    const part = randomBytes(MIB);
    hash.update(part);
    await file.write(part);
  }
  await file.close();
  return hash.digest("hex");
}

/** A page of a browser that has its profile on the disk: what others keep for a page is in memory. */
async function onDisk(url: string): Promise<Page> {
  const { launchOptions } = test.info().project.use;
  const context = await chromium.launchPersistentContext(test.info().outputPath("profile"), launchOptions);
  const page = await context.newPage();
  await page.goto(url);
  return page;
}
