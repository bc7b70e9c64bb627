/** The upload example: its page, its program, and the files on the disk. */

import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, type Page } from "../browser/fixture.ts";
import { photograph } from "../browser/photograph.ts";
import { upload } from "../harness/programs.mjs";
import { startShim } from "../harness/shim.mjs";
import { test as base } from "./running.ts";

interface Uploading {
  /** The program's folder, empty at first. */
  folder: string;
  /** Its page. */
  url: string;
}

const test = base.extend<Uploading>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixture's needs off this pattern
  folder: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), "upload-"));
    await use(folder);
    await rm(folder, { recursive: true });
  },
  url: async ({ run, folder }, use) => {
    const program = run(upload(), "--folder", folder, "--bind", "127.0.0.1:0", "--file-mib-max", "64");
    expect(await program.line()).toBe(`files go to ${folder}`);
    await use(await program.url());
  },
});

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const row = (page: Page, name: string) => page.getByRole("listitem").filter({ hasText: name });
const mib = (n: number) => randomBytes(n << 20);

/** From now on a file that the page reads gives its bytes only as far as `kept.let` allows. */
async function holdFiles(page: Page): Promise<void> {
  await page.evaluate(() => {
    let allowed = 0;
    let wake = () => {};
    kept.let = (bytes: number) => {
      allowed += bytes;
      wake();
    };
    const stream = File.prototype.stream;
    File.prototype.stream = function () {
      const held = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform: async (chunk, controller) => {
          for (let at = 0; at < chunk.length; at += 65_536) {
            const piece = chunk.slice(at, at + 65_536);
            while (allowed < piece.length) {
              await new Promise<void>((resolve) => {
                wake = resolve;
              });
            }
            allowed -= piece.length;
            controller.enqueue(piece);
          }
        },
      });
      return stream.call(this).pipeThrough(held);
    };
  });
}

const letThrough = (page: Page, bytes: number) => page.evaluate((bytes) => kept.let(bytes), bytes);

/** Bytes that lie in the folder, under whatever name. */
async function bytesIn(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

test("files of any size arrive as they were, several at once, and none overwrites another", async ({
  tab,
  url,
  folder,
}) => {
  const page = await tab(url);
  await expect(page.getByRole("status").first()).toHaveText("Connected");
  await photograph(page, "upload-empty");
  const files = [
    { name: "large.bin", buffer: mib(20) },
    { name: "報告 تقرير.txt", buffer: Buffer.from("short") },
    { name: "empty.txt", buffer: Buffer.alloc(0) },
    ...Array.from({ length: 6 }, (_, n) => ({ name: `photo-${n}.jpg`, buffer: mib(1) })),
  ].map((file) => ({ ...file, mimeType: "application/octet-stream" }));
  await page.getByLabel("Choose files").setInputFiles(files);
  await expect(page.getByText("Uploaded", { exact: true })).toHaveCount(files.length);
  await page.getByLabel("Choose files").setInputFiles(files.slice(0, 1));
  await expect(row(page, "large.bin").last()).toContainText("Uploaded as large (1).bin");
  for (const { name, buffer } of files) expect(sha256(await readFile(join(folder, name))), name).toBe(sha256(buffer));
  expect(sha256(await readFile(join(folder, "large (1).bin")))).toBe(sha256(files[0]?.buffer ?? Buffer.alloc(0)));
  expect((await readdir(folder)).length).toBe(files.length + 1);
  await photograph(page, "upload-done");

  await page.getByRole("button", { name: "Clear finished" }).click();
  await expect(page.getByRole("listitem")).toHaveCount(0);
});

test("files that are dropped anywhere on the page are taken", async ({ tab, url, folder }) => {
  const page = await tab(url);
  await page.evaluate(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(["dropped"], "dropped.txt"));
    for (const kind of ["dragenter", "dragover", "drop"]) {
      document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }
  });
  await expect(row(page, "dropped.txt")).toContainText("Uploaded");
  expect(await readFile(join(folder, "dropped.txt"), "utf8")).toBe("dropped");
});

test("a name that is not safe, and a file that is too large, are refused with a code and in words", async ({
  tab,
  url,
  folder,
}) => {
  const page = await tab(url);
  const refused = await page.evaluate(async () => {
    const mdm = bss.MuxDemux();
    const ask = async (meta: unknown) => (await t.outcome(mdm.createStream(meta, { path: "/upload" }).opened)).code;
    const unsafe = ["../up.txt", "/etc/passwd", "a\\b", ".profile", "..", "", "a\u0000b", "c:d", "x".repeat(241)];
    const codes = [];
    for (const name of unsafe) codes.push(await ask({ name, size: 1 }));
    return { codes, noMeta: await ask(undefined), large: await ask({ name: "a", size: (64 << 20) + 1 }) };
  });
  expect(new Set(refused.codes)).toEqual(new Set(["bad_request"]));
  expect(refused).toMatchObject({ noMeta: "bad_request", large: "limit" });
  await page.evaluate(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(["hidden"], ".profile"));
    dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
  });
  await expect(row(page, ".profile")).toContainText("a name does not begin with a dot");
  await expect(row(page, ".profile")).toContainText("Rename the file, and choose it again");
  await expect(page.getByRole("button", { name: "Remove .profile" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Try again .profile" }), "it would be refused again").toBeHidden();
  expect(await readdir(folder)).toEqual([]);
});

test("more or fewer bytes than announced are an error with a code, and leave no file", async ({ tab, url, folder }) => {
  const page = await tab(url);
  const codes = await page.evaluate(async () => {
    const mdm = bss.MuxDemux();
    const send = async (size: number) => {
      const stream = mdm.createStream({ name: "lie.txt", size }, { path: "/upload" });
      await t.say(stream.writable, "12345").catch(() => {});
      return (await t.outcome(stream.closed)).code;
    };
    return [await send(4), await send(6)];
  });
  expect(codes).toEqual(["4001", "4001"]);
  await expect.poll(() => readdir(folder)).toEqual([]);
});

test("a paused file sends nothing while another goes on, and resumes where it stood", async ({ tab, url, folder }) => {
  const page = await tab(url);
  await holdFiles(page);
  const buffer = mib(3);
  const name = "a rather long name of a file that someone scanned in the summer of 2026, final version (2).pdf";
  await page.getByLabel("Choose files").setInputFiles([{ name, mimeType: "", buffer }]);
  await letThrough(page, 1 << 20);
  await expect.poll(() => bytesIn(folder)).toBe(1 << 20);
  await expect(row(page, name)).toContainText("1.0 MB of 3.1 MB");
  await page.getByRole("button", { name: `Pause ${name}` }).click();
  await expect(row(page, name)).toContainText("Paused at 1.0 MB of 3.1 MB");
  await expect(page.getByRole("button", { name: `Resume ${name}` })).toBeFocused();
  await letThrough(page, 8 << 20);

  await page
    .getByLabel("Choose files")
    .setInputFiles([{ name: "other.bin", mimeType: "", buffer: buffer.subarray(0, 1 << 20) }]);
  await expect(row(page, "other.bin")).toContainText("Uploaded");
  expect(await bytesIn(folder), "the paused megabyte and the other file").toBe(2 << 20);
  await photograph(page, "upload-paused");

  await page.keyboard.press("Enter");
  await expect(row(page, name)).toContainText("Uploaded");
  expect(sha256(await readFile(join(folder, name)))).toBe(sha256(buffer));
});

test("a cancelled file leaves nothing, and can be tried again", async ({ tab, url, folder }) => {
  const page = await tab(url);
  await holdFiles(page);
  const buffer = mib(2);
  await page.getByLabel("Choose files").setInputFiles([{ name: "away.bin", mimeType: "", buffer }]);
  await letThrough(page, 1 << 20);
  await expect.poll(() => bytesIn(folder)).toBe(1 << 20);
  await page.getByRole("button", { name: "Cancel away.bin" }).click();
  await expect(row(page, "away.bin")).toContainText("Cancelled. Nothing of it was kept.");
  await expect.poll(() => readdir(folder)).toEqual([]);
  await expect(page.getByRole("button", { name: "Try again away.bin" })).toBeFocused();

  await letThrough(page, 8 << 20);
  await page.keyboard.press("Enter");
  await expect(row(page, "away.bin")).toContainText("Uploaded");
  expect(sha256(await readFile(join(folder, "away.bin")))).toBe(sha256(buffer));
});

test("a connection that breaks leaves nothing, says so, and the file can be tried again", async ({
  tab,
  url,
  folder,
}) => {
  const shim = await startShim(Number(new URL(url).port));
  const page = await tab(`${shim.url}examples/upload/`);
  await holdFiles(page);
  const buffer = mib(2);
  await page.getByLabel("Choose files").setInputFiles([{ name: "lost.bin", mimeType: "", buffer }]);
  await letThrough(page, 1 << 20);
  await expect.poll(() => bytesIn(folder)).toBe(1 << 20);
  shim.cut();
  await expect(row(page, "lost.bin")).toContainText("The connection broke");
  await expect.poll(() => readdir(folder)).toEqual([]);
  await photograph(page, "upload-failed");
  await letThrough(page, 8 << 20);
  await page.getByRole("button", { name: "Try again lost.bin" }).click();
  await expect(row(page, "lost.bin")).toContainText("Uploaded");
  expect(sha256(await readFile(join(folder, "lost.bin")))).toBe(sha256(buffer));
  await shim.stop();
});

test("a proxy that takes no files is told apart", async ({ tab, realProxy }) => {
  const page = await tab(`${realProxy.url}examples/upload/`);
  await page.getByLabel("Choose files").setInputFiles([{ name: "a.txt", mimeType: "", buffer: Buffer.from("a") }]);
  await expect(row(page, "a.txt")).toContainText("The program here takes no files");
});
