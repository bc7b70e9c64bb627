/** The file-exchange example: pages that are loaded again, close, crash, or are there twice. */

import { writeFile } from "node:fs/promises";
import { startProxy } from "../harness/proxy.mjs";
import { startShim } from "../harness/shim.mjs";
import {
  downloadsOf,
  holdFiles,
  keptBytes,
  letThrough,
  MIB,
  row,
  sample,
  save,
  sha256,
  sha256Of,
  share,
} from "./exchange.ts";
import { expect, type Page, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";

/** The next pages get the file that they kept at the third attempt only, as while the worker of the page before has it open. */
async function openLate(page: Page): Promise<void> {
  const late = () => {
    // biome-ignore lint/suspicious/noExplicitAny: TypeScript knows of it in workers only
    const { prototype } = FileSystemFileHandle as any;
    const open = prototype.createSyncAccessHandle;
    let times = 0;
    prototype.createSyncAccessHandle = async function () {
      if (++times < 3) throw new DOMException("it is open", "NoModificationAllowedError");
      return await open.call(this);
    };
  };
  await page.route("**/hold.worker.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${late})();${await response.text()}` });
  });
}

/** Links of which the browser keeps handles of files. */
async function keptLinks(page: Page): Promise<number> {
  return await page.evaluate(async () => {
    const NAME = "file-exchange";
    if (!(await indexedDB.databases()).some(({ name }) => name === NAME)) return 0;
    const answer = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const database = await answer(indexedDB.open(NAME));
    const links = await answer(database.transaction(NAME).objectStore(NAME).count());
    database.close();
    return links;
  });
}

test("a receiver that is loaded again goes on where it was, and what it has is not sent twice", async ({
  tab,
  realProxy,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("continued 続き.bin", 8 * MIB);
  const link = await share(sender, [file]);
  await holdFiles(sender, 20);
  const receiver = await tab(link);
  await row(receiver, file.name).getByRole("button", { name: "Save" }).click();
  await expect(row(receiver, file.name)).toContainText("5.2 MB of 8.4 MB");
  await sender.evaluate(() => {
    kept.read.length = 0;
  });
  const downloading = receiver.waitForEvent("download");
  await openLate(receiver);
  await receiver.reload();
  await expect(row(receiver, file.name)).toContainText("MB of 8.4 MB");
  await letThrough(sender, 1000);
  expect(await sha256Of(await downloading)).toBe(sha256(file.buffer));
  const read: number[] = await sender.evaluate(() => kept.read);
  expect(Math.min(...read), "from the last piece that was there").toBe(19);
  await expect(row(receiver, file.name)).toContainText("Saved, and checked");
  expect(await keptBytes(receiver)).toBe(0);
});

test("a sender that is loaded again chooses its files again, and receivers go on where they were", async ({
  tab,
  realProxy,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("again.bin", 4 * MIB);
  const path = test.info().outputPath(file.name);
  await writeFile(path, file.buffer);
  const link = await share(sender, path);
  await holdFiles(sender, 8);
  const receiver = await tab(link);
  await row(receiver, file.name).getByRole("button", { name: "Save" }).click();
  await expect(row(receiver, file.name)).toContainText("2.1 MB of 4.2 MB");
  sender.on("dialog", (dialog) => dialog.accept());
  await sender.reload();
  await expect(sender.getByRole("alert").first()).toContainText("choose them again: \u2066again.bin\u2069");
  await photograph(sender, "file-exchange-again");
  await expect(row(receiver, file.name)).toContainText(/The sender (is away|does not share it now)/);
  const downloading = receiver.waitForEvent("download");
  expect(await share(sender, path), "the link is the same").toBe(link);
  expect(await sha256Of(await downloading)).toBe(sha256(file.buffer));
});

test("what was dropped is shared again by one press, where the browser has a handle of it", async ({
  tab,
  realProxy,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  // A file of the browser's own file system stands for one of the disk: a test may drop no other.
  await sender.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const handle = await root.getFileHandle("dropped.txt", { create: true });
    const writer = await handle.createWritable();
    await writer.write("dropped here");
    await writer.close();
    const file = await handle.getFile();
    const dataTransfer = {
      files: [file],
      items: [{ webkitGetAsEntry: () => null, getAsFileSystemHandle: async () => handle }],
    };
    const drop = new DragEvent("drop", { bubbles: true, cancelable: true });
    Object.defineProperty(drop, "dataTransfer", { value: dataTransfer });
    document.body.dispatchEvent(drop);
  });
  await expect(row(sender, "dropped.txt")).toBeVisible();
  await expect(sender.getByRole("status").first()).toHaveText("Connected");
  const link = await sender.getByLabel("Link", { exact: true }).inputValue();
  await expect.poll(() => keptLinks(sender), "handles are kept for the next page").toBe(1);
  await sender.reload();
  await expect(sender.getByRole("button", { name: "Share the same files again" })).toBeVisible();
  await photograph(sender, "file-exchange-dropped");
  await sender.getByRole("button", { name: "Share the same files again" }).click();
  await expect(row(sender, "dropped.txt")).toBeVisible();
  await expect(sender.getByRole("alert").first()).toHaveText("");
  const receiver = await tab(link);
  expect(await sha256Of(await save(receiver, "dropped.txt"))).toBe(sha256(Buffer.from("dropped here")));
  await sender.getByRole("button", { name: "Stop sharing" }).click();
  await expect(sender.getByRole("alert").first()).toContainText("You stopped sharing");
});

test("a sender whose tab dies: receivers are told, and no file looks complete", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("dies.bin", 4 * MIB);
  const link = await share(sender, [file]);
  await holdFiles(sender, 8);
  const receiver = await tab(link);
  const downloads = downloadsOf(receiver);
  await row(receiver, file.name).getByRole("button", { name: "Save" }).click();
  await expect(row(receiver, file.name)).toContainText("2.1 MB of 4.2 MB");
  await sender.close();
  await expect(row(receiver, file.name)).toContainText("The sender is away. 2.1 MB of 4.2 MB is here");
  await expect(receiver.getByText("The sender’s connection is away")).toBeVisible();
  expect(downloads).toEqual([]);
});

test("a sender whose tab crashed: receivers are told at once that it is away, and later that it is gone", async ({
  tab,
}) => {
  const config = test.info().outputPath("bss.toml");
  await writeFile(config, "[limits]\nlease_grace_ms = 8000\n");
  const proxy = await startProxy(["--config", config]);
  const sender = await tab(`${proxy.url}examples/file-exchange/`);
  const file = sample("crashed.bin", 4 * MIB);
  const link = await share(sender, [file]);
  await holdFiles(sender, 8);
  const receiver = await tab(link);
  const downloads = downloadsOf(receiver);
  await row(receiver, file.name).getByRole("button", { name: "Save" }).click();
  await expect(row(receiver, file.name)).toContainText("2.1 MB of 4.2 MB");
  const session = await sender.context().newCDPSession(sender);
  session.send("Page.crash").catch(() => {}); // There is nobody to answer.
  await expect(row(receiver, file.name)).toContainText("The sender is away. 2.1 MB of 4.2 MB is here");
  await expect(row(receiver, file.name)).toContainText("Broke off: the sender is gone. 2.1 MB is kept here for a day", {
    timeout: 20_000,
  });
  await expect(
    receiver.getByText(/The sender is gone: .* this link ended with it. Ask them to share again/),
  ).toBeVisible();
  await photograph(receiver, "file-exchange-gone");
  expect(downloads).toEqual([]);
  const late = await tab(link);
  await expect(late.getByText("Nobody shares under this link now.")).toBeVisible();
  await proxy.stop();
});

test("connections that break in the middle, of both sides, cost nothing but a moment", async ({ tab, realProxy }) => {
  const [near, far] = await Promise.all([startShim(realProxy.port), startShim(realProxy.port)]);
  const sender = await tab(`${near.url}examples/file-exchange/`);
  const file = sample("broken off.bin", 4 * MIB);
  const link = await share(sender, [file]);
  await holdFiles(sender, 8);
  const receiver = await tab(link.replace(near.url, far.url));
  const downloading = save(receiver, file.name);
  await expect(row(receiver, file.name)).toContainText("2.1 MB of 4.2 MB");
  for (const shim of [near, far]) shim.cut();
  await letThrough(sender, 1000);
  expect(await sha256Of(await downloading)).toBe(sha256(file.buffer));
  const read: number[] = await sender.evaluate(() => kept.read);
  expect(read, "no piece was read twice").toEqual(Array.from({ length: 16 }, (_, at) => at));
  await Promise.all([near.stop(), far.stop()]);
});

test("two tabs with one link do not get into each other's way", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("two tabs.bin", 4 * MIB);
  const link = await share(sender, [file]);
  await holdFiles(sender, 8);
  const first = await tab(link);
  const one = save(first, file.name);
  await expect(row(first, file.name)).toContainText("2.1 MB of 4.2 MB");
  const second = await first.context().newPage();
  await second.goto(link);
  await expect(
    row(second, file.name).getByRole("button", { name: "Save" }),
    "it does not begin by itself",
  ).toBeVisible();
  const two = save(second, file.name);
  await expect(row(second, file.name)).toContainText("begins anew if this page is loaded again");
  await letThrough(sender, 1000);
  for (const download of [await one, await two]) expect(await sha256Of(download)).toBe(sha256(file.buffer));
});
