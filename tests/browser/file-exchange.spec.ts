/** The file-exchange example: senders and receivers as people use them. */

import {
  downloadsOf,
  holdFiles,
  keptBytes,
  letThrough,
  MIB,
  PIECE,
  row,
  sample,
  save,
  sha256,
  sha256Of,
  share,
} from "./exchange.ts";
import { expect, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";

/** The code alone, without the key behind it. */
const codeOf = (link: string) => /#([^.]*)/.exec(link)?.[1] ?? "";

const LONG = process.env.LONG === "1";

test("files go to several receivers at once, each as it was, under its name", async ({ tab, realProxy }) => {
  test.setTimeout(180_000);
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  await photograph(sender, "file-exchange-idle");
  const files = [
    sample("été 日本 🎉 (1).bin", (LONG ? 32 : 8) * MIB + 123),
    sample("تقرير.pdf", 300_000, "application/pdf"),
    sample("it’s 100% 'quoted'; a=b.html", PIECE, "text/html"),
    sample("empty.txt", 0, "text/plain"),
  ];
  const link = await share(sender, files);
  const many = LONG ? 8 : 3;
  const receivers = await Promise.all(Array.from({ length: many }, () => tab(link)));
  await expect(sender.getByRole("heading", { name: `${many} receivers here` })).toBeVisible();
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
  await expect(row(sender, "has 4 of 4 files")).toHaveCount(many);
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
  await expect(row(receiver, file.name), "so nothing more can be read").toContainText("2.1 MB of 4.2 MB");
  await row(sender, "Chrome on Linux").getByRole("button", { name: "Cancel" }).click();
  await expect(row(receiver, file.name)).toContainText("The sender cancelled it. Nothing of it was kept.");
  expect(await keptBytes(receiver)).toBe(0);
  await expect(row(sender, "cancelled by you")).toBeVisible();

  await row(receiver, file.name).getByRole("button", { name: "Try again" }).click();
  await expect(row(sender, "Chrome on Linux"), "from its start").toContainText("0 bytes of 4.2 MB");
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

test("everything is done by keyboard, and what happens is said", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  const file = sample("keys.bin", MIB);
  const choosing = sender.waitForEvent("filechooser");
  await sender.keyboard.press("Tab"); // the way home
  await sender.keyboard.press("Tab");
  await expect(sender.getByLabel("Choose files")).toBeFocused();
  await sender.keyboard.press("Enter");
  const chooser = await choosing;
  await chooser.setFiles([file]);
  await expect(sender.locator("#news")).toHaveText("1 file shared");
  // The files are listed before the link's keys are made.
  await expect(sender.getByLabel("Link", { exact: true })).not.toHaveValue("");
  const link = await sender.getByLabel("Link", { exact: true }).inputValue();

  const receiver = await tab(`${realProxy.url}examples/file-exchange/`);
  for (let i = 0; i < 3; i++) await receiver.keyboard.press("Tab");
  await expect(receiver.getByLabel("Code or link")).toBeFocused();
  await receiver.keyboard.type(codeOf(link).toUpperCase());
  await receiver.keyboard.press("Enter");
  await expect(receiver.getByRole("heading", { name: "1 file for you" })).toBeVisible();
  await expect(receiver.locator("#incoming-title"), "the focus goes on at the list").toBeFocused();
  await receiver.keyboard.press("Tab");
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
  await expect(cut.getByRole("heading", { name: "This link is not whole" })).toBeVisible();
  const code = codeOf(link).replaceAll("-", "");
  const outcome = await cut.evaluate(async (code) => {
    const text = new TextEncoder().encode(`browser-stream-server file-exchange 1 ${code}`);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
    const name = `files-${[...digest.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    const meta = { exchange: 1, key: "0".repeat(32), me: "0".repeat(16), do: "list" };
    return await t.outcome(bss.StreamClient(bss.MuxDemux()).connect(name, { meta }).opened);
  }, code);
  expect(outcome.code).toBe("forbidden");
});
