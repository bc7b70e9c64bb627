/** The player's page of ping-pong while nothing comes back, and without a tab that answers. */

import { startShim } from "../harness/shim.mjs";
import { expect, type Page, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";

/** A player, whose proxy is behind `shim`, of a tab that answers; the two play directly. */
async function play(tab: (url?: string) => Promise<Page>, proxy: string, shim: string): Promise<Page> {
  const server = await tab(`${proxy}examples/ping-pong/`);
  await expect(server.getByRole("status")).toHaveText("Ready");
  const link = await server.locator("#open-player").evaluate((a: HTMLAnchorElement) => a.href);
  const player = await tab(link.replace(proxy, shim));
  await expect(player.locator("#carrier")).toHaveText(/^Direct/, { timeout: 40_000 });
  return player;
}

test("times that nothing new comes for are said to be old, and live again when it does", async ({ tab, realProxy }) => {
  const shim = await startShim(realProxy.port);
  const player = await play(tab, realProxy.url, shim.url);
  await expect(player.locator("#proxied")).toHaveText("It stays on the proxy.");
  await expect(player.locator("#proxy-last")).toContainText(/m?s$/);

  shim.stall();
  const silent = /^No answer since \d\d:\d\d:\d\d\. The times are from before\.$/;
  await expect(player.locator("#proxied")).toHaveText(silent);
  await expect(player.locator("#proxy-way")).toHaveAttribute("data-stale");
  await expect(player.locator("#carrier"), "the direct way goes on").toHaveText(/^Direct/);
  await expect(player.locator("#direct-way")).not.toHaveAttribute("data-stale");
  await photograph(player, "ping-pong-silent");
  shim.flow();
  await expect(player.locator("#proxied")).toHaveText("It stays on the proxy.");
  await expect(player.locator("#proxy-way")).not.toHaveAttribute("data-stale");
  await shim.stop();
});

test("what can be pressed while there is no connection stands beside what is said on a phone", async ({
  tab,
  realProxy,
}) => {
  const shim = await startShim(realProxy.port);
  const player = await play(tab, realProxy.url, shim.url);
  await player.setViewportSize({ width: 360, height: 740 });
  await player.evaluate(() => {
    Math.random = () => 0.999;
  });
  shim.refuse(true);
  shim.cut();
  const button = player.getByRole("button", { name: "Try now" });
  await expect(button).toBeVisible();
  await expect(player.locator("#status-time")).toHaveText(/^next try in \d s$/);
  await player.screenshot({ path: "test-results/pages/ping-pong-away-phone.png" });
  const [text, time, pressed] = await player.evaluate(() => {
    // The longest that it says.
    (document.querySelector("#status-text") as HTMLElement).textContent = "No answer from the proxy";
    const ids = ["#status-text", "#status-time", "#try-now"];
    return ids.map((id) => (document.querySelector(id) as HTMLElement).getBoundingClientRect().toJSON());
  });
  expect(pressed.left, "beside what is said").toBeGreaterThanOrEqual(Math.max(text.right, time.right));
  expect(pressed.top).toBeLessThan(text.bottom);
  expect(pressed.height, "in one line").toBeLessThan(44);
  await shim.stop();
});

test("who comes to a name that nobody serves has a way on", async ({ tab, realProxy }) => {
  const lonely = await tab(`${realProxy.url}examples/ping-pong/?with=nobody`);
  await expect(lonely.locator("#player-problem")).toContainText("Nobody answers");
  await photograph(lonely, "ping-pong-nobody");
  await lonely.getByRole("link", { name: "Answer in this tab" }).click();
  await expect(lonely.getByRole("status")).toHaveText("Ready");
  await expect(lonely.getByRole("link", { name: "Open the other tab" })).toBeVisible();
});
