/** The file-exchange example: one upload for all who start together. */

import { holdFiles, MIB, row, sample, sha256, sha256Of, share } from "./exchange.ts";
import { expect, test } from "./fixture.ts";

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
  for (const all of downloads) {
    // The page may say that it saved the last before we are told of its download.
    await expect.poll(() => all.length).toBe(files.length);
    expect(await Promise.all(all)).toEqual(files.map(({ buffer }) => sha256(buffer)));
  }
  // The others have no more than 8 pieces; whether the second is shared, too, depends on how long each receiver saves the first.
  const read: number[] = await sender.evaluate(() => kept.read.filter((at: number) => at >= 8));
  expect(read, "each piece of the first was read once for all").toEqual(Array.from({ length: 25 }, (_, at) => at + 8));
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
