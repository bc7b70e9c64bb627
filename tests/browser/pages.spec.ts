/** The pages that the proxy serves, as a person uses them. */

import { startShim } from "../harness/shim.mjs";
import { expect, shut, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";

test("echo: a second tab types and sees it come back, and the first counts its clients", async ({ tab, realProxy }) => {
  const server = await tab(`${realProxy.url}examples/echo/`);
  await photograph(server, "echo-server-idle");
  const name = `écho 日本 ${realProxy.port}`;
  await server.getByLabel("Name").fill(name);
  await server.getByRole("button", { name: "Serve" }).click();
  await expect(server.getByRole("heading")).toContainText(name);
  await expect(server.locator("#clients")).toHaveText("0");

  const opening = server.waitForEvent("popup");
  await server.getByRole("link", { name: "Open a client tab" }).click();
  const client = await opening;
  await client.getByRole("textbox", { name: "Message" }).fill("hello over there");
  await client.getByRole("button", { name: "Send" }).click();
  const talk = client.getByRole("log");
  await expect(talk).toContainText("back after");
  await expect(talk.getByText("hello over there")).toHaveCount(2);
  await expect(server.locator("#clients")).toHaveText("1");
  await photograph(client, "echo-client");
  await photograph(server, "echo-server");

  await shut(client);
  await expect(server.locator("#clients")).toHaveText("0");
  await expect(server.locator("#served")).toHaveText("1");
  await server.getByRole("button", { name: "Stop" }).click();
  await expect(server.getByRole("button", { name: "Serve" })).toBeVisible();

  await server.getByLabel("Name").fill(`${name} again`);
  await server.getByRole("button", { name: "Serve" }).click();
  await expect(server.getByRole("heading")).toContainText(`${name} again`);
  for (const count of ["#clients", "#served", "#bytes"]) await expect(server.locator(count)).toHaveText("0");
});

test("echo: a name that somebody serves is refused in words, and a client without a server is told what to do", async ({
  tab,
  realProxy,
}) => {
  const [first, second] = await Promise.all([
    tab(`${realProxy.url}examples/echo/`),
    tab(`${realProxy.url}examples/echo/`),
  ]);
  const name = `taken ${realProxy.port}`;
  for (const page of [first, second]) {
    await page.getByLabel("Name").fill(name);
    await page.getByRole("button", { name: "Serve" }).click();
    if (page === first) await expect(page.locator("#clients")).toBeVisible();
  }
  await expect(second.getByRole("alert")).toContainText("Another tab serves this name");
  await photograph(second, "echo-taken");

  await second.getByLabel("Name").fill(" ");
  await second.getByRole("button", { name: "Serve" }).click();
  await expect(second.getByRole("heading"), "a blank is no name").toHaveText("A tab that serves");
  expect(await second.locator("#name:invalid").count()).toBe(1);

  const lonely = await tab(`${realProxy.url}examples/echo/?connect=nobody`);
  await expect(lonely.locator("#end")).toContainText("Nobody serves this name yet");
  await photograph(lonely, "echo-nobody");
});

test("echo: both tabs say when the connection is away and when the next one is tried, and go on when it is back", async ({
  tab,
  realProxy,
}) => {
  const shim = await startShim(realProxy.port);
  const server = await tab(`${shim.url}examples/echo/`);
  const name = `away ${realProxy.port} 日本`;
  await server.getByLabel("Name").fill(name);
  await server.getByRole("button", { name: "Serve" }).click();
  await expect(server.locator("#clients")).toHaveText("0");
  const client = await tab(`${shim.url}examples/echo/?connect=${encodeURIComponent(name)}`);
  await expect(client.getByRole("status")).toHaveText("Connected");
  // The longest delays, so that there is something to see.
  for (const page of [server, client]) {
    await page.evaluate(() => {
      Math.random = () => 0.999;
    });
  }
  shim.refuse(true);
  shim.cut();
  for (const page of [server, client]) {
    await expect(page.getByRole("status").first()).toHaveText("Reconnecting");
    await expect(page.locator("#status-time")).toHaveText(/^next try in [2-5] s$/, { timeout: 20_000 });
    await expect(page.getByRole("button", { name: "Try now" })).toBeVisible();
  }
  await expect(server.getByText("If the proxy still runs it keeps the name for two minutes")).toBeVisible();
  await expect(server.getByRole("link", { name: "Open a client tab" })).toBeHidden();
  await expect(client.getByText("What you send now is kept")).toBeVisible();
  await client.getByRole("textbox", { name: "Message" }).fill("while it was away");
  await client.keyboard.press("Enter");
  await photograph(server, "echo-suspended");
  await photograph(client, "echo-reconnecting");

  shim.refuse(false);
  // Where the page was quicker the button is gone, and the press does nothing.
  for (const page of [server, client]) await page.locator("#try-now").dispatchEvent("click");
  await expect(server.getByRole("status")).toHaveText("Serving");
  await expect(server.getByRole("button", { name: "Try now" })).toBeHidden();
  await expect(server.locator("#status-time")).toHaveText("");
  await expect(server.getByText("It serves as long as it stays open")).toBeVisible();
  await expect(client.getByRole("status").first()).toHaveText("Connected");
  await expect(client.getByText("What you send now is kept")).toBeHidden();
  await expect(client.getByRole("log").getByText("while it was away")).toHaveCount(2);
  await client.getByRole("textbox", { name: "Message" }).fill("here again");
  await client.keyboard.press("Enter");
  await expect(client.getByRole("log").getByText("here again")).toHaveCount(2);
  await shim.stop();
});

test("the start page says that the proxy answers, and runs its own snippet", async ({ tab }) => {
  const page = await tab();
  await expect(page.getByText("The proxy answers")).toBeVisible();
  await expect(page.locator("#delay")).toHaveText(/ms$/);
  await photograph(page, "start");
  await page.getByRole("button", { name: "Run both here" }).click();
  await expect(page.locator("#result")).toContainText("hello");
  await expect(page.locator("#result")).toContainText("came back after");
});

test("every link of the start page leads somewhere", async ({ tab, realProxy, request }) => {
  const page = await tab();
  const links = await page.locator("a[href]").evaluateAll((all) => all.map((a) => (a as HTMLAnchorElement).href));
  const own = [...new Set(links)].filter((link) => link.startsWith(realProxy.url));
  expect(own.length).toBeGreaterThan(1);
  for (const link of own) expect((await request.get(link)).status(), link).toBe(200);
});

test("ping-pong: two tabs play over the proxy and directly, and a broken path is left for the proxy", async ({
  tab,
  realProxy,
}) => {
  test.slow();
  const server = await tab(`${realProxy.url}examples/ping-pong/`);
  await expect(server.getByRole("status")).toHaveText("Ready");
  await photograph(server, "ping-pong-server");
  const opening = server.waitForEvent("popup");
  await server.getByRole("link", { name: "Open the other tab" }).click();
  const player = await opening;
  const carrier = player.locator("#carrier");
  await expect(carrier).toHaveText(/^Direct/, { timeout: 40_000 });
  await expect(server.locator("#answered-direct")).not.toHaveText("0");
  await expect(server.locator("#players")).toHaveText("1");
  for (const time of ["#proxy-median", "#direct-median"]) await expect(player.locator(time)).toContainText(/m?s$/);
  await photograph(player, "ping-pong-player");
  // How long it stays on the proxy is for the direct path to say: no look may be there in time.
  const said = await carrier.evaluateHandle((carrier) => {
    const said: string[] = [];
    new MutationObserver(() => said.push(carrier.textContent ?? "")).observe(carrier, {
      childList: true,
      characterData: true,
      subtree: true,
    });
    return said;
  });
  const breaker = player.getByRole("button", { name: "Break the direct path" });
  await expect(breaker).toBeEnabled();
  const moves = async () => Number(await player.locator("#moves").textContent());
  const before = await moves();
  await breaker.press("Enter");
  await expect.poll(() => said.jsonValue()).toContainEqual(expect.stringMatching(/^Broken/));
  await photograph(player, "ping-pong-broken");
  await expect
    .poll(() => said.jsonValue(), { timeout: 40_000 })
    .toContainEqual(expect.stringMatching(/^On the proxy .* after the break/));
  await expect(carrier).toHaveText(/^Direct/, { timeout: 40_000 });
  // To the proxy and back, and once more each time that a busy machine keeps it silent for too long.
  await expect.poll(moves).toBeGreaterThanOrEqual(before + 2);
  await shut(server);
  await expect(player.locator("#player-problem")).toContainText("lost");
});

test("ping-pong: who comes to a name that nobody serves is told what to do", async ({ tab, realProxy }) => {
  const lonely = await tab(`${realProxy.url}examples/ping-pong/?with=nobody`);
  await expect(lonely.locator("#player-problem")).toContainText("Nobody answers");
});

/** A picture of one point. */
const PICTURE = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

test("send-image: a tab that has as many streams as it takes says so", async ({ tab, realProxy }) => {
  const frame = await tab(`${realProxy.url}examples/send-image/`);
  await expect(frame.getByRole("status")).toHaveText("Ready");
  const link = await frame.locator("#open-sender").evaluate((a: HTMLAnchorElement) => a.href);
  const crowd = await tab();
  await crowd.evaluate(async (name) => {
    const client = bss.StreamClient(bss.MuxDemux());
    const streams = Array.from({ length: 24 }, () => client.connect(name, { meta: "here" }));
    await Promise.all(streams.map(({ opened }: { opened: Promise<void> }) => opened));
  }, new URL(link).searchParams.get("to") ?? "");
  const sender = await tab(link);
  await expect(sender.locator("#sender-problem")).toContainText("no more clients now");
});

test("send-image: a picture from one tab appears in another, and what is none is not sent", async ({
  tab,
  realProxy,
}) => {
  const frame = await tab(`${realProxy.url}examples/send-image/`);
  await expect(frame.getByRole("status")).toHaveText("Ready");
  await photograph(frame, "send-image-empty");
  const opening = frame.waitForEvent("popup");
  await frame.getByRole("link", { name: "Open the tab that sends" }).click();
  const sender = await opening;
  await expect(sender.locator("#way")).toContainText("Directly", { timeout: 40_000 });
  const draw = sender.getByRole("button", { name: "Draw one and send it" });
  await expect(draw, "who came by the keyboard goes on from here").toBeFocused();
  await sender.keyboard.press("Enter");
  const pictures = frame.getByRole("img");
  await expect(pictures).toHaveCount(1);
  await expect(frame.getByRole("listitem")).toContainText("circles.png");
  expect(await pictures.first().evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(960);
  // A stream that takes more than a second to move goes through the proxy, rightly.
  const told = sender.getByText(/^Shown\. It went (directly|through the proxy)\.$/);
  await expect(told).toBeVisible();
  const [, way] = /went (.*)\.$/.exec((await told.textContent()) ?? "") ?? [];
  await expect(frame.getByRole("listitem"), "both tabs say the same").toContainText(`, ${way}`);
  await sender
    .getByLabel("Choose pictures")
    .setInputFiles([{ name: "日本 no picture.txt", mimeType: "text/plain", buffer: Buffer.from("text") }]);
  await expect(sender.getByText("No picture that can be shown")).toBeVisible();
  await sender
    .getByLabel("Choose pictures")
    .setInputFiles([{ name: "broken.png", mimeType: "image/png", buffer: Buffer.from("no png") }]);
  await expect(sender.getByText("The other tab could not show it.")).toBeVisible();
  await expect(pictures).toHaveCount(1);
  await sender.getByLabel("Choose pictures").setInputFiles(
    Array.from({ length: 8 }, (_, at) => ({
      name: `${at} ${at === 0 ? "a long name, and another word, ".repeat(5) : "صورة"}.png`,
      mimeType: "image/png",
      buffer: PICTURE,
    })),
  );
  await expect(pictures).toHaveCount(9);
  await expect(sender.getByText("Shown.")).toHaveCount(9);
  await photograph(frame, "send-image-frame");
  await photograph(sender, "send-image-sender");
  await shut(frame);
  await expect(sender.locator("#sender-problem")).toContainText("lost");
});
