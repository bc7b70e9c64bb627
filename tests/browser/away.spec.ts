/** The pages that the proxy serves, while it does not answer or goes down. */

import { startProxy } from "../harness/proxy.mjs";
import { startShim } from "../harness/shim.mjs";
import { expect, type Page, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";

const status = (page: Page) => page.getByRole("status").first();
const tryNow = (page: Page) => page.getByRole("button", { name: "Try now" });
/** A press that does nothing where the page was quicker, and the button is gone. */
const press = (page: Page) => page.locator("#try-now").dispatchEvent("click");

/** Waits between two attempts are as long as can be, so that there is something to see. */
async function slow(page: Page): Promise<void> {
  await page.evaluate(() => {
    Math.random = () => 0.999;
  });
}

test("echo: a server and a client that get no connection say so, and go on when there is one", async ({
  tab,
  realProxy,
}) => {
  const shim = await startShim(realProxy.port);
  const name = `unanswered ${realProxy.port}`;
  const server = await tab(`${shim.url}examples/echo/`);
  const client = await tab(`${shim.url}examples/echo/?connect=${encodeURIComponent(name)}`);
  await expect(client.locator("#end")).toContainText("Nobody serves this name yet");
  await Promise.all([slow(server), slow(client)]);
  shim.refuse(true);
  shim.cut();
  await server.getByLabel("Name").fill(name);
  await server.getByRole("button", { name: "Serve" }).click();
  await expect(status(server)).toHaveText("No answer from the proxy");
  await expect(server.getByText("serves as soon as it does")).toBeVisible();
  await expect(tryNow(server)).toBeVisible();
  await photograph(server, "echo-server-unanswered");
  // From here on the client has those seconds.
  await client.getByRole("button", { name: "Connect again" }).click();
  await expect(status(client)).toHaveText("Reconnecting");
  await expect(client.getByText("goes on trying, for 17 seconds in all")).toBeVisible();
  await expect(tryNow(client)).toBeVisible();
  await photograph(client, "echo-client-unanswered");

  shim.refuse(false);
  await press(server);
  await expect(status(server)).toHaveText("Serving");
  await expect(tryNow(server)).toBeHidden();
  await press(client);
  await expect(status(client)).toHaveText("Connected");
  await shim.stop();
});

test("echo: both tabs say that the proxy goes down, that it does not answer when it is gone, and nothing of a page that it would not allow", async ({
  tab,
}) => {
  const proxy = await startProxy();
  const server = await tab(`${proxy.url}examples/echo/`);
  await server.getByLabel("Name").fill("down");
  await server.getByRole("button", { name: "Serve" }).click();
  await expect(status(server)).toHaveText("Serving");
  const client = await tab(`${proxy.url}examples/echo/?connect=down`);
  await expect(status(client)).toHaveText("Connected");
  // It is gone as soon as both have moved off it, which they do at once.
  for (const page of [server, client]) {
    await status(page).evaluate((line) => {
      kept.said = [];
      new MutationObserver(() => kept.said.push(line.textContent)).observe(line, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    });
  }
  process.kill(proxy.pid, "SIGTERM");
  for (const page of [server, client]) await expect(status(page)).toHaveText("No answer from the proxy");
  for (const page of [server, client]) expect(await page.evaluate(() => kept.said)).toContain("The proxy goes down");
  await photograph(server, "echo-gone-down");
  await expect(client.getByText("What you send now is kept")).toBeVisible();
  await proxy.kill();
});

test("start: running both without a proxy says why nothing comes, and can be given up", async ({ tab, realProxy }) => {
  const shim = await startShim(realProxy.port);
  const page = await tab(shim.url);
  shim.refuse(true);
  shim.cut();
  await page.getByRole("button", { name: "Run both here" }).click();
  await expect(page.locator("#result")).toHaveText("The proxy does not answer. This page goes on trying.");
  await photograph(page, "start-unanswered");
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.locator("#result")).toHaveText("Cancelled.");
  shim.refuse(false);
  await page.getByRole("button", { name: "Run again" }).click();
  await expect(page.locator("#result")).toContainText("came back after");
  await shim.stop();
});

test("the line on top ends where the page does", async ({ tab, realProxy }) => {
  for (const path of ["", "examples/echo/"]) {
    const page = await tab(`${realProxy.url}${path}`);
    const gap = await page.evaluate(() => {
      const right = (selector: string) => document.querySelector(selector)?.getBoundingClientRect().right ?? 0;
      for (const small of document.querySelectorAll(".status .quiet")) small.textContent = "";
      return right(".bar") - right(".status [role=status]");
    });
    expect(gap, path).toBeLessThan(1);
  }
});
