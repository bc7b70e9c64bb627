/** The file-exchange example: what a file is, beside its bytes; and what is no file. */

import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { row, type Sample, sample, save, share } from "./exchange.ts";
import { photograph } from "./photograph.ts";
import { expect, type Page, test } from "./programs.ts";

/** Endings that say nothing, so that a type is the sender's word and no guess of anybody's. */
const typed = () => [
  sample("image", 1000, "image/png"),
  sample("データ.x", 1000, "application/vnd.example+json"),
  sample("nothing known", 10, ""),
];

/** Saves a file; the type under which the browser got it. */
async function typeOf(receiver: Page, { name }: Sample): Promise<string | undefined> {
  const responding = receiver.waitForResponse((response) => /\/save\/[0-9a-f]+$/.test(response.url()));
  await save(receiver, name);
  return (await responding).headers()["content-type"];
}

test("a file has the type at a receiver that it has at the sender", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const files = typed();
  const receiver = await tab(await share(sender, files));
  const types: (string | undefined)[] = [];
  for (const file of files) types.push(await typeOf(receiver, file));
  expect(types).toEqual(["image/png", "application/vnd.example+json", "application/octet-stream"]);
});

test("what bss send shares has its type in the page", async ({ tab, realProxy, run, folder }) => {
  const types = { "a.png": "image/png", "été.txt": "text/plain", "a.zzzz": "application/octet-stream" };
  const paths = Object.keys(types).map((name) => join(folder, name));
  for (const path of paths) await writeFile(path, "some bytes");
  const receiver = await tab(await run("send", "--url", realProxy.mux, ...paths).line());
  for (const [name, type] of Object.entries(types)) {
    expect(await typeOf(receiver, { name, mimeType: type, buffer: Buffer.alloc(0) }), name).toBe(type);
  }
});

test("bss recv notes the type that a file has in the page", async ({ tab, realProxy, run, folder }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const receiver = run("recv", await share(sender, typed()), "--output", folder);
  expect(await receiver.ended).toEqual({ code: 0, said: "" });
  const noted = typed().map(({ name }) => {
    // A pax archive has the attributes of its files as text.
    const archive = execFileSync("tar", ["--xattrs", "-C", folder, "-cf", "-", name]).toString("latin1");
    return /user\.mime_type=([\w.+/-]+)/.exec(archive)?.[1];
  });
  expect(noted).toEqual(["image/png", "application/vnd.example+json", "application/octet-stream"]);
});

test("a folder that is dropped is not sent, which is said, and the files beside it are", async ({
  tab,
  realProxy,
  folder,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const paths = { folder: join(folder, "a folder"), file: join(folder, "a file.txt") };
  await mkdir(paths.folder);
  await writeFile(join(paths.folder, "inside.txt"), "inside");
  await writeFile(paths.file, "beside");
  await drop(sender, Object.values(paths));
  await expect(sender.getByText("Folders are not sent: choose the files in them, or pack them first")).toBeVisible();
  await expect(row(sender, "a file.txt")).toBeVisible();
  await expect(sender.getByRole("listitem").filter({ hasText: /folder|inside/ })).toHaveCount(0);
  await photograph(sender, "file-exchange-folder");
});

/** Drops what is on the disk, as by hand. */
async function drop(page: Page, files: string[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await session.send("Input.dispatchDragEvent", { type, x: 100, y: 300, data });
  }
}
