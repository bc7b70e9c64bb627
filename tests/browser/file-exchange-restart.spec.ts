/** The file-exchange example: a proxy that is started again, pages that are loaded again with several files asked for, codes that are typed wrong. */

import { startProxy } from "../harness/proxy.mjs";
import { startShim } from "../harness/shim.mjs";
import { downloadsOf, holdFiles, letThrough, MIB, row, sample, save, sha256, sha256Of, share } from "./exchange.ts";
import { expect, test } from "./fixture.ts";

test("a proxy that died is started again: who is back first waits for the other, and nobody is said to have cancelled", async ({
  tab,
}) => {
  const first = await startProxy();
  const [near, far] = await Promise.all([startShim(first.port), startShim(first.port)]);
  const sender = await tab(`${near.url}examples/file-exchange/`);
  const file = sample("restart.bin", 4 * MIB);
  const link = await share(sender, [file]);
  await holdFiles(sender, 8);
  const receiver = await tab(link.replace(near.url, far.url));
  const downloading = save(receiver, file.name);
  await expect(row(receiver, file.name)).toContainText("2.1 MB of 4.2 MB");

  for (const shim of [near, far]) shim.refuse(true);
  await first.kill();
  for (const page of [sender, receiver]) await expect(page.locator("#status-text")).toHaveText("Reconnecting");
  await expect(row(receiver, file.name), "neither a rate nor a time that are none").not.toContainText(/\/s|left/);
  const second = await startProxy();
  for (const shim of [near, far]) shim.to(second.port);
  far.refuse(false);
  await expect(receiver.locator("#status-text")).toHaveText("Connected");
  await expect(row(receiver, file.name)).toContainText("The sender is away. 2.1 MB of 4.2 MB is here");
  await expect(receiver.locator("#receive-lead")).toContainText("(for up to two minutes)");

  near.refuse(false);
  await expect(sender.locator("#status-text")).toHaveText("Connected");
  await letThrough(sender, 1000);
  expect(await sha256Of(await downloading)).toBe(sha256(file.buffer));
  await expect(row(sender, "has 1 of 1 file")).not.toContainText("cancelled");
  await Promise.all([near.stop(), far.stop(), second.stop()]);
});

test("a receiver that is loaded again in the middle still gets all that it asked for", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const files = ["one.bin", "two.bin", "three.bin"].map((name) => sample(name, 2 * MIB));
  const link = await share(sender, files);
  await holdFiles(sender, 4);
  const receiver = await tab(link);
  const downloads = downloadsOf(receiver);
  await receiver.getByRole("button", { name: "Save all" }).click();
  await expect(row(receiver, "one.bin")).toContainText("1.0 MB of 2.1 MB");
  await receiver.reload();
  await expect(row(receiver, "three.bin")).toContainText("Waiting for its turn");
  await letThrough(sender, 1000);
  await expect(receiver.getByRole("heading", { name: "3 of 3 saved" })).toBeVisible();
  expect(downloads).toEqual(["one.bin", "two.bin", "three.bin"]);
});

test("how one file ended stays to be read while the next goes, and what is shared no more is not counted", async ({
  tab,
  realProxy,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const link = await share(sender, [sample("small.bin", 1), sample("a.bin", 2 * MIB), sample("b.bin", 2 * MIB)]);
  const receiver = await tab(link);
  await save(receiver, "small.bin");
  await holdFiles(sender, 2);
  await receiver.getByRole("button", { name: "Save all" }).click();
  await expect(row(receiver, "a.bin")).toContainText("524 KB of 2.1 MB");
  await row(receiver, "a.bin").getByRole("button", { name: "Cancel" }).click();
  const told = row(sender, "has 1 of 3 files").locator("[data-part=told]");
  await expect(told).toContainText(/a\.bin.* · cancelled by them\n.*b\.bin/);
  await row(sender, "small.bin").first().getByRole("button", { name: "Remove" }).click();
  await expect(sender.locator("#receivers")).not.toContainText("has 1 of");
});

test("a sender that is loaded again still waits to start all together", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  await share(sender, [sample("a.bin", 1)]);
  const waits = sender.getByLabel("Wait until I start it for all together");
  await waits.check();
  await sender.reload();
  await expect(waits).toBeChecked();
});

test("a code that was typed wrong is shown, and put right where it stands", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const link = await share(sender, [sample("typed.bin", 1)]);
  const code = link.slice(link.indexOf("#") + 1).split(".")[0] ?? "";
  const wrong = code.startsWith("0") ? `1${code.slice(1)}` : `0${code.slice(1)}`;
  const receiver = await tab(`${realProxy.url}examples/file-exchange/`);
  await receiver.getByLabel("Code or link").fill(`${code}.cut`);
  await receiver.keyboard.press("Enter");
  await expect(receiver.getByText("This link is not whole: the key")).toBeVisible();
  await receiver.getByLabel("Code or link").fill(wrong);
  await receiver.keyboard.press("Enter");
  await expect(receiver.getByText(`Nobody shares under ${wrong} now: check it.`)).toBeVisible();
  const field = receiver.locator("#corrected");
  await expect(field).toBeFocused();
  await expect(field).toHaveValue(wrong);
  await field.fill(code);
  await receiver.keyboard.press("Enter");
  await expect(receiver.getByRole("heading", { name: "1 file for you" })).toBeVisible();
  await expect(receiver.locator("#incoming-title")).toBeFocused();
  await expect(field).toBeHidden();
});
