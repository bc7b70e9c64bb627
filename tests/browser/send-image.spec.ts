/** The pages of send-image where something goes wrong: tabs that close, names that are taken, pictures that do not arrive. */

import { expect, type Page, shut, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";

/** A picture of one point. */
const POINT = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const points = (many: number) =>
  Array.from({ length: many }, (_, at) => ({ name: `point ${at}.png`, mimeType: "image/png", buffer: POINT }));

const told = (sender: Page) => sender.locator("#sent [data-part=told]");
const status = (page: Page) => page.getByRole("status").first();

async function openSender(frame: Page): Promise<Page> {
  await expect(status(frame)).toHaveText("Ready");
  const opening = frame.waitForEvent("popup");
  await frame.getByRole("link", { name: "Open the tab that sends" }).click();
  const sender = await opening;
  await expect(status(sender)).toHaveText("Connected");
  return sender;
}

test("the tab that shows is closed: each picture says at once and in one text that it did not arrive, and all are sent again", async ({
  tab,
  realProxy,
}) => {
  test.slow();
  const frame = await tab(`${realProxy.url}examples/send-image/`);
  const sender = await openSender(frame);
  // It takes them, and gets none shown: three are on their way, and the others wait.
  await frame.evaluate(() => {
    HTMLImageElement.prototype.decode = () => new Promise(() => {});
  });
  await sender.getByLabel("Choose pictures").setInputFiles(points(40));
  await expect(sender.getByText("On its way.")).toHaveCount(3);
  await sender.setViewportSize({ width: 390, height: 700 });
  await told(sender).last().scrollIntoViewIfNeeded();
  await shut(frame);
  await expect(status(sender)).toHaveText("Not connected");
  const texts = await told(sender).allTextContents();
  expect(texts).toEqual(texts.map(() => "It did not arrive: the connection to the other tab ended."));
  await expect(sender.getByRole("button", { name: "Cancel" })).toHaveCount(0);
  await expect(sender.getByRole("button", { name: "Send again" }), "there is nowhere to send them").toHaveCount(0);
  await expect(sender.locator("#sender-problem")).toContainText("40 pictures did not arrive: they are kept here");
  await expect(sender.getByRole("button", { name: "Connect again" })).toBeFocused();
  await expect(sender.locator("#sender-problem"), "what to do is not below what went wrong").toBeInViewport();
  await sender.setViewportSize({ width: 1280, height: 720 });
  await photograph(sender, "send-image-broken");

  const opening = sender.waitForEvent("popup");
  await sender.getByRole("link", { name: "Open the tab that shows" }).click();
  const next = await opening;
  await expect(status(sender)).toHaveText("Connected");
  const again = sender.getByRole("button", { name: "Send the 40 that did not arrive again" });
  await expect(again).toBeFocused();
  await photograph(sender, "send-image-again");
  await sender.getByRole("button", { name: "Send again point 7.png" }).click();
  await expect(sender.getByText("Shown.")).toHaveCount(1);
  await sender.getByRole("button", { name: "Send the 39 that did not arrive again" }).click();
  await expect(sender.getByText("Shown.")).toHaveCount(40, { timeout: 60_000 });
  await expect(sender.locator("#missed")).toBeHidden();
  await expect(next.getByRole("img")).toHaveCount(24);
  await expect(next.getByText("The newest 24 are kept here. 16 older ones were taken down.")).toBeVisible();
});

test("the tab that shows has its name again when it is loaded again, and who sends connects again", async ({
  tab,
  realProxy,
}) => {
  const frame = await tab(`${realProxy.url}examples/send-image/`);
  const sender = await openSender(frame);
  await frame.reload();
  await expect(status(frame)).toHaveText("Ready");
  await expect(sender.locator("#sender-problem")).toContainText("lost: that tab was closed or loaded again");
  await sender.getByRole("button", { name: "Connect again" }).click();
  await expect(status(sender)).toHaveText("Connected");
  await sender.getByRole("button", { name: "Draw one and send it" }).click();
  await expect(frame.getByRole("img")).toHaveCount(1);
});

test("a second tab under one name says whose turn it is, and has the name when the first goes", async ({
  tab,
  realProxy,
}) => {
  const first = await tab(`${realProxy.url}examples/send-image/`);
  await expect(status(first)).toHaveText("Ready");
  const second = await tab(first.url());
  await expect(second.getByText("Another tab has the name in this address")).toBeVisible();
  await photograph(second, "send-image-queued");
  await shut(first);
  await expect(status(second)).toHaveText("Ready");
  await expect(second.getByText("Another tab has the name")).toBeHidden();
});

test("who sends to nobody is told what to do, and what is pasted meanwhile is kept", async ({ tab, realProxy }) => {
  const name = `nobody ${realProxy.port}`;
  const sender = await tab(`${realProxy.url}examples/send-image/?to=${encodeURIComponent(name)}`);
  await expect(sender.locator("#sender-problem")).toContainText("No tab shows pictures under this name now.");
  await sender.evaluate(
    (points) => {
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([Uint8Array.from(points)], "pasted.png", { type: "image/png" }));
      document.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
    },
    [...POINT],
  );
  await expect(sender.getByText("It was not sent: there is no connection")).toBeVisible();
  await photograph(sender, "send-image-nobody");
  const opening = sender.waitForEvent("popup");
  await sender.getByRole("link", { name: "Open the tab that shows" }).click();
  const frame = await opening;
  await expect(status(frame)).toHaveText("Ready");
  expect(new URL(frame.url()).searchParams.get("name")).toBe(name);
  await sender.getByRole("button", { name: "Send the one that did not arrive again" }).click();
  await expect(frame.getByRole("img")).toHaveCount(1);
});

test("the chooser offers no picture that would be refused", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/send-image/?to=nobody`);
  const accept = (await sender.locator("#file").getAttribute("accept")) ?? "";
  expect(accept.split(",")).toContain("image/png");
  expect(accept).not.toMatch(/svg|\*/);
});
