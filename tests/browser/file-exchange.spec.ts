/** The file-exchange example: senders and receivers as people use them. */

import { createHash, randomBytes } from "node:crypto";
import { open, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { chromium } from "@playwright/test";
import { startProxy } from "../harness/proxy.mjs";
import { holdFiles, keptBytes, letThrough, PIECE, row, sample, save, sha256, sha256Of, share } from "./exchange.ts";
import { expect, type Page, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";

const MIB = 1 << 20;
const LONG = process.env.LONG === "1";
const LARGE = (LONG ? 1024 : 64) * MIB;

/** Downloads that a page began. */
function downloadsOf(page: Page): string[] {
  const names: string[] = [];
  page.on("download", (download) => names.push(download.suggestedFilename()));
  return names;
}

test("files go to several receivers at once, each as it was, under its name", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  await photograph(sender, "file-exchange-idle");
  const files = [
    sample("été 日本 🎉 (1).bin", 8 * MIB + 123),
    sample("تقرير.pdf", 300_000, "application/pdf"),
    sample("it’s 100% 'quoted'; a=b.html", PIECE, "text/html"),
    sample("empty.txt", 0, "text/plain"),
  ];
  const link = await share(sender, files);
  const receivers = await Promise.all([tab(link), tab(link), tab(link)]);
  await expect(sender.getByRole("heading", { name: "3 receivers here" })).toBeVisible();
  await photograph(sender, "file-exchange-shared");
  if (receivers[0]) await photograph(receivers[0], "file-exchange-listed");
  await Promise.all(
    receivers.map(async (receiver) => {
      for (const file of files) {
        const download = await save(receiver, file.name);
        expect(download.suggestedFilename()).toBe(file.name);
        expect(await sha256Of(download), file.name).toBe(sha256(file.buffer));
        await expect(row(receiver, file.name)).toContainText("Saved, and checked");
      }
      expect(await keptBytes(receiver), "nothing stays in the browser's own storage").toBe(0);
    }),
  );
  await expect(row(sender, "has 4 of 4 files")).toHaveCount(3);
  await photograph(sender, "file-exchange-sent");
  if (receivers[0]) await photograph(receivers[0], "file-exchange-done");
});

test("all files are saved by one press, one after the other, and one again", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const link = await share(sender, [sample("a.bin", MIB), sample("b.bin", MIB)]);
  const receiver = await tab(link);
  await receiver.getByRole("button", { name: "Save all" }).click();
  await expect(receiver.getByRole("heading", { name: "2 of 2 saved" })).toBeVisible();
  expect((await save(receiver, "a.bin", "Save again")).suggestedFilename()).toBe("a.bin");
});

test("a receiver that comes late gets the file from its start, while another is in the middle of it", async ({
  tab,
  realProxy,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("late.bin", 4 * MIB);
  const link = await share(sender, [file]);
  await holdFiles(sender, 8);
  const early = await tab(link);
  const first = save(early, file.name);
  await expect(row(early, file.name)).toContainText("2.1 MB of 4.2 MB");
  const late = await tab(link);
  await photograph(sender, "file-exchange-sending");
  await photograph(early, "file-exchange-receiving");
  const second = save(late, file.name);
  await letThrough(sender, 1000);
  for (const download of [await first, await second]) expect(await sha256Of(download)).toBe(sha256(file.buffer));
});

test("a receiver that cancels keeps nothing, the sender is told, and it can be had again", async ({
  tab,
  realProxy,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("cancelled.bin", 4 * MIB);
  const link = await share(sender, [file]);
  await holdFiles(sender, 8);
  const receiver = await tab(link);
  const downloads = downloadsOf(receiver);
  await row(receiver, file.name).getByRole("button", { name: "Save" }).click();
  await expect(row(receiver, file.name)).toContainText("2.1 MB of 4.2 MB");
  await row(receiver, file.name).getByRole("button", { name: "Cancel" }).click();
  await expect(row(receiver, file.name)).toContainText("Cancelled. Nothing of it was kept.");
  await expect(row(sender, "cancelled by them")).toBeVisible();
  expect(downloads).toEqual([]);
  expect(await keptBytes(receiver)).toBe(0);

  await letThrough(sender, 1000);
  expect(await sha256Of(await save(receiver, file.name, "Try again"))).toBe(sha256(file.buffer));
});

test("a sender that cancels, or takes a file back, tells its receivers; nothing is downloaded", async ({
  tab,
  realProxy,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("taken back.bin", 4 * MIB);
  const link = await share(sender, [file]);
  await holdFiles(sender, 8);
  const receiver = await tab(link);
  const downloads = downloadsOf(receiver);
  await row(receiver, file.name).getByRole("button", { name: "Save" }).click();
  await row(sender, "Chrome on Linux").getByRole("button", { name: "Cancel" }).click();
  await expect(row(receiver, file.name)).toContainText("The sender cancelled it.");
  await expect(row(sender, "cancelled by you")).toBeVisible();

  await row(receiver, file.name).getByRole("button", { name: "Try again" }).click();
  await row(sender, file.name).getByRole("button", { name: "Remove" }).click();
  await expect(row(receiver, file.name)).toContainText("The sender cancelled it.");
  await expect(row(receiver, file.name).getByRole("button", { name: "Try again" })).toBeHidden();

  await sender.getByRole("button", { name: "Stop sharing" }).click();
  await expect(receiver.getByText("The sender stopped sharing.")).toBeVisible();
  await expect(sender.getByRole("alert").first()).toContainText("You stopped sharing");
  const next = await tab(link);
  await expect(next.getByText("Nobody shares under this link now.")).toBeVisible();
  expect(downloads).toEqual([]);
});

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
  await receiver.reload();
  await expect(row(receiver, file.name)).toContainText("MB of 8.4 MB");
  await letThrough(sender, 1000);
  expect(await sha256Of(await downloading)).toBe(sha256(file.buffer));
  const read: number[] = await sender.evaluate(() => kept.read);
  expect(Math.min(...read), "from the last piece that was there").toBe(19);
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
  await expect(sender.getByRole("alert").first()).toContainText("choose them again: \u2068again.bin\u2069");
  await photograph(sender, "file-exchange-again");
  await expect(row(receiver, file.name)).toContainText(/The sender (is away|does not share it now)/);
  const downloading = receiver.waitForEvent("download");
  expect(await share(sender, path), "the link is the same").toBe(link);
  expect(await sha256Of(await downloading)).toBe(sha256(file.buffer));
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
  await writeFile(config, "[limits]\nlease_grace_ms = 4000\n");
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
  await expect(row(receiver, file.name)).toContainText("Broke off: the sender is gone. 2.1 MB is kept here for a day.");
  await expect(receiver.getByText("The sender is gone: their page was closed.")).toBeVisible();
  await photograph(receiver, "file-exchange-gone");
  expect(downloads).toEqual([]);
  await proxy.stop();
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

test("a piece that arrives damaged is refused, asked for once more, and then given up", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const files = [sample("once.bin", 2 * MIB), sample("always.bin", 2 * MIB)];
  const link = await share(sender, files);
  await holdFiles(sender, 1000);
  const receiver = await tab(link);
  await sender.evaluate(() => kept.bad.set(3, 1));
  expect(await sha256Of(await save(receiver, "once.bin"))).toBe(sha256(files[0]?.buffer ?? Buffer.alloc(0)));
  expect(await sender.evaluate(() => kept.bad.get(3))).toBe(0);

  const downloads = downloadsOf(receiver);
  await sender.evaluate(() => kept.bad.set(3, 99));
  await row(receiver, "always.bin").getByRole("button", { name: "Save" }).click();
  await expect(row(receiver, "always.bin")).toContainText("A piece arrived damaged twice, and was refused.");
  await expect(row(sender, "was refused")).toBeVisible();
  await photograph(receiver, "file-exchange-failed");
  expect(downloads).toEqual([]);
});

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

test("a browser that hands no stream to a service worker downloads the file that it kept", async ({
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
});

test("the sender may start everybody together: each waits for it, and the file is read once for all", async ({
  tab,
  realProxy,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const files = [sample("together.bin", 8 * MIB + 5), sample("next.bin", 2 * MIB), sample("small.txt", 10)];
  const link = await share(sender, files);
  await holdFiles(sender, 100_000);
  await sender.getByLabel("Wait until I start it for all together").check();
  const receivers = await Promise.all([tab(link), tab(link), tab(link)]);
  const downloads = receivers.map((receiver) => {
    const all: Promise<string>[] = [];
    receiver.on("download", (download) => all.push(sha256Of(download)));
    return all;
  });
  for (const receiver of receivers) {
    await receiver.getByRole("button", { name: "Save all" }).click();
    await expect(row(receiver, "together.bin")).toContainText("Waiting for the sender to start it for all");
  }
  await expect(sender.getByText("together.bin\u2069 · waits for your start")).toHaveCount(3);
  expect(await sender.evaluate(() => kept.read.length)).toBe(0);
  await sender.getByRole("button", { name: "Start for all" }).click();
  for (const receiver of receivers) await expect(receiver.getByRole("heading", { name: "3 of 3 saved" })).toBeVisible();
  for (const all of downloads) expect(await Promise.all(all)).toEqual(files.map(({ buffer }) => sha256(buffer)));
  const pieces = 33 + 8 + 3;
  expect(await sender.evaluate(() => kept.read.length), "each piece of a shared file was read once").toBe(pieces);
});

test("a receiver that stops is let go by those who share, and gets the rest alone", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("stopped.bin", 12 * MIB);
  const link = await share(sender, [file]);
  await holdFiles(sender, 100_000);
  await sender.getByLabel("Wait until I start it for all together").check();
  const [quick, other, stopped] = await Promise.all([tab(link), tab(link), tab(link)]);
  const whole = [quick, other, stopped].map((receiver) => receiver.waitForEvent("download"));
  // It keeps nothing more after its first MiB, until it is told to.
  await stopped.evaluate(() => {
    const post = Worker.prototype.postMessage;
    const held: (() => void)[] = [];
    let orders = 0;
    kept.go = () => {
      orders = Number.NEGATIVE_INFINITY;
      for (const go of held.splice(0)) go();
    };
    Worker.prototype.postMessage = function (message: unknown, transfer?: unknown) {
      const go = () => post.call(this, message, transfer as StructuredSerializeOptions);
      if (orders++ < 6) go();
      else held.push(go);
    };
  });
  for (const receiver of [quick, other, stopped])
    await row(receiver, file.name).getByRole("button", { name: "Save" }).click();
  await expect(sender.getByText("stopped.bin\u2069 · waits for your start")).toHaveCount(3);
  await sender.getByRole("button", { name: "Start for all" }).click();
  for (const download of whole.slice(0, 2)) expect(await sha256Of(await download)).toBe(sha256(file.buffer));
  await stopped.evaluate(() => kept.go());
  expect(await sha256Of(await (whole[2] ?? quick.waitForEvent("download")))).toBe(sha256(file.buffer));
  const again = await sender.evaluate(() => kept.read.length - 48);
  expect(again, "it was sent again from where it stood").toBeGreaterThan(30);
  expect(again, "and not from the start").toBeLessThan(48);
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

test("everything is done by keyboard, and what happens is said", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("keys.bin", MIB);
  await sender.keyboard.press("Tab"); // the way home
  await sender.keyboard.press("Tab");
  await expect(sender.getByLabel("Choose files")).toBeFocused();
  const [chooser] = await Promise.all([sender.waitForEvent("filechooser"), sender.keyboard.press("Enter")]);
  await chooser.setFiles([file]);
  await expect(sender.locator("#news")).toHaveText("1 file shared");
  const link = await sender.getByLabel("Link", { exact: true }).inputValue();

  const receiver = await tab(`${realProxy.url}examples/file-exchange/`);
  for (let i = 0; i < 3; i++) await receiver.keyboard.press("Tab");
  await expect(receiver.getByLabel("Code or link")).toBeFocused();
  await receiver.keyboard.type(link.slice(link.indexOf("#") + 1).toUpperCase());
  await receiver.keyboard.press("Enter");
  await expect(receiver.getByRole("heading", { name: "1 file for you" })).toBeVisible();
  for (let i = 0; i < 2; i++) await receiver.keyboard.press("Tab");
  await expect(row(receiver, file.name).getByRole("button", { name: `Save ${file.name}` })).toBeFocused();
  const [download] = await Promise.all([receiver.waitForEvent("download"), receiver.keyboard.press("Enter")]);
  expect(await sha256Of(download)).toBe(sha256(file.buffer));
  await expect(receiver.locator("#news")).toHaveText("keys.bin: Saved, and checked");
  await expect(row(receiver, file.name), "the focus is not lost with the button").toBeFocused();
  for (const page of [sender, receiver]) {
    const unnamed = await page
      .locator("button:visible, input:visible, progress:visible, [role=img]:visible")
      .evaluateAll((all) =>
        all
          .filter((one) => {
            const labels = (one as HTMLInputElement).labels?.length ?? 0;
            return labels === 0 && !one.ariaLabel && !one.textContent?.trim();
          })
          .map((one) => one.outerHTML),
      );
    expect(unnamed, "everything has a name").toEqual([]);
  }
});

test("a link that is not whole, or whose key is another, opens nothing", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const link = await share(sender, [sample("secret.txt", 100)]);
  const cut = await tab(link.slice(0, -1));
  await expect(cut.getByText("This link is not whole")).toBeVisible();
  const code = link.slice(link.indexOf("#") + 1).replaceAll("-", "");
  const outcome = await cut.evaluate(async (code) => {
    const text = new TextEncoder().encode(`browser-stream-server file-exchange 1 ${code}`);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
    const name = `files-${[...digest.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    const meta = { exchange: 1, key: "0".repeat(32), me: "0".repeat(16), do: "list" };
    return await t.outcome(bss.StreamClient(bss.MuxDemux()).connect(name, { meta }).opened);
  }, code);
  expect(outcome.code).toBe("forbidden");
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

/** What is on the page's heap and in its buffers, after what is not needed was thrown away. */
async function memoryOf(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize, backingStorageSize } = await session.send("Runtime.getHeapUsage");
  await session.detach();
  return usedSize + backingStorageSize;
}
