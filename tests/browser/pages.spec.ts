/** The pages that the proxy serves, as a person uses them. */

import { startShim } from "../harness/shim.mjs";
import { expect, test } from "./fixture.ts";
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

  await client.close();
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
