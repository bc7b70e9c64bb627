/** The file-exchange page on one side, `bss send` and `bss recv` on the other. */

import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { holdFiles, row, sample, save, sha256, sha256Of, share } from "./exchange.ts";
import { expect, test } from "./programs.ts";

const MIB = 1 << 20;

test("a page sends, and bss recv has the same files, by link and by code", async ({ tab, realProxy, run, folder }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const files = [sample("été 日本 🎉.bin", 5 * MIB + 123), sample("empty.txt", 0, "text/plain")];
  const link = await share(sender, files);
  const code = link.slice(link.indexOf("#") + 1);
  for (const invitation of [[link], [code, "--url", realProxy.mux]]) {
    const receiver = run("recv", ...invitation, "--force", "--output", folder);
    for (const file of files) {
      const path = await receiver.line();
      expect(path).toBe(join(folder, file.name));
      expect(sha256(readFileSync(path))).toBe(sha256(file.buffer));
    }
    expect(await receiver.ended).toEqual({ code: 0, said: "" });
  }
  await expect(row(sender, "has 2 of 2 files")).toHaveCount(2);
});

test("bss send sends, and pages have the same files, one of them late", async ({ tab, realProxy, run, folder }) => {
  const bytes = { "été 日本 🎉.bin": randomBytes(5 * MIB + 123), "empty.txt": Buffer.alloc(0) };
  const paths = Object.entries(bytes).map(([name, content]) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  });
  const sender = run("send", "--url", realProxy.mux, ...paths);
  const link = await sender.line();
  const [, page, key] = /^(.*)\.([^.]*)$/.exec(link) ?? [];
  expect(page).toBe(`${realProxy.url}examples/file-exchange/#${await sender.line()}`);
  expect(key, "the sender's key").toMatch(/^[\w-]{43}$/);
  const receive = async () => {
    const receiver = await tab(link);
    for (const [name, content] of Object.entries(bytes)) {
      const download = await save(receiver, name);
      expect(download.suggestedFilename()).toBe(name);
      expect(await sha256Of(download), name).toBe(createHash("sha256").update(content).digest("hex"));
      await expect(row(receiver, name)).toContainText("Saved, and checked");
    }
    return receiver;
  };
  const [one] = await Promise.all([receive(), receive()]);
  await receive();
  sender.child.kill("SIGINT");
  expect((await sender.ended).code).toBe(130);
  await expect(one.getByText("The sender stopped sharing.").first()).toBeVisible();
});

test("a page that cancels is told to bss send, and one that stops sharing to bss recv", async ({
  tab,
  realProxy,
  run,
  folder,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("held.bin", 8 * MIB);
  const link = await share(sender, [file]);
  await holdFiles(sender, 4);
  const receiver = run("recv", link, "--output", folder);
  await expect(row(sender, "bss on")).toBeVisible();
  await sender.getByRole("button", { name: /Stop sharing/ }).click();
  const ended = await receiver.ended;
  expect(ended.code).toBe(70);
  expect(ended.said).toMatch(/^bss: (gone|cancelled): .*the sender stopped/i);
});
