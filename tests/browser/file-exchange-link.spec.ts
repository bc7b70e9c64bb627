/** The file-exchange example: links that are cut, or have something behind them, and receivers that went away again. */

import { holdFiles, MIB, row, sample, save, share } from "./exchange.ts";
import { expect, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";

test("a link that is cut opens the receiver's page, which says so on top and takes the whole one", async ({
  tab,
  realProxy,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const link = await share(sender, [sample("whole.bin", 1)]);
  const code = link.indexOf("#") + 1;
  for (const [cut, why] of [
    [link.slice(0, -1), "The key behind its code"],
    [link.slice(0, code + 15), "The key behind its code"],
    [link.slice(0, code + 8), "Its code is cut"],
  ] as const) {
    const receiver = await tab(cut);
    await receiver.setViewportSize({ width: 390, height: 664 });
    await expect(receiver.getByRole("heading", { name: "This link is not whole" })).toBeInViewport();
    await expect(receiver.getByText(why)).toBeInViewport();
    await expect(receiver.getByRole("heading", { name: "Send files" })).toBeHidden();
    await expect(receiver.locator("#status-text")).toHaveText("Not connected");
    await receiver.setViewportSize({ width: 1280, height: 720 });
    if (cut.length === code + 8) await photograph(receiver, "file-exchange-cut");
    await receiver.getByLabel("The whole link").fill(cut);
    await receiver.keyboard.press("Enter");
    await expect(receiver.getByRole("alert").filter({ hasText: /This (link|is no code)/ })).toBeVisible();
    await receiver.getByLabel("The whole link").fill(link);
    await receiver.keyboard.press("Enter");
    await expect(receiver.getByRole("heading", { name: "1 file for you" })).toBeVisible();
  }
});

test("what stands behind a whole link in a message does no harm", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const link = await share(sender, [sample("sentence.bin", 1)]);
  for (const behind of [".", " see you", "%20see%20you.", ")"]) {
    const receiver = await tab(`${link}${behind}`);
    await expect(receiver.getByRole("heading", { name: "1 file for you" })).toBeVisible();
    await expect(receiver.getByText("A code alone does not say"), "its key counts").toBeHidden();
  }
  const longer = await tab(`${link}A`);
  await expect(
    longer.getByRole("heading", { name: "This link is not whole" }),
    "a key with more is another",
  ).toBeVisible();
});

test("the sender sees who is gone, which of the files goes, and that all have arrived", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const names = ["first.bin", "second.bin", "third.bin"];
  const link = await share(
    sender,
    names.map((name) => sample(name, MIB)),
  );
  const [quick, slow] = await Promise.all([tab(link), tab(link)]);
  await quick.getByRole("button", { name: "Save all" }).click();
  await expect(row(sender, "All 3 files have arrived, and were checked")).toBeVisible();
  await expect(sender.getByRole("heading", { name: "2 receivers here" })).toBeVisible();
  await quick.close();
  await expect(row(sender, "All 3 files have arrived")).toContainText("gone · has 3 of 3 files");
  await expect(sender.locator("#people-title")).toHaveText("1 receiver here, 1 gone");

  await save(slow, "first.bin");
  await holdFiles(sender, 2);
  await row(slow, "second.bin").getByRole("button", { name: "Save" }).click();
  const second = row(sender, "File 2 of 3: \u2066second.bin\u2069");
  await expect(second).toContainText(" of 1.0 MB");
  await expect(second).not.toContainText("gone");
  await photograph(sender, "file-exchange-people");
  await slow.close();
  await expect(second).toContainText("broke off");
  await expect(second).toContainText("gone · has 1 of 3 files");
  await expect(sender.locator("#people-title")).toHaveText("0 receivers here, 2 gone");
});
