/** The example image-swarm: the origin sends each picture once, whoever comes later has it from visitors, and the first may leave. */

import { startOrigin } from "../../examples/image-swarm/serve.mjs";
import { pictures } from "../harness/evil.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { startShim } from "../harness/shim.mjs";
import { expect, type Page, test } from "./fixture.ts";
import { ALL, expectAll, ONE, totals, visit } from "./image-swarm.ts";
import { photograph } from "./photograph.ts";

test("the ids in the page are those of the pictures that are drawn", async ({ tab, realProxy }) => {
  const page = await tab(`${realProxy.url}examples/image-swarm/`);
  const ids = await page
    .locator("img[data-swarm]")
    .evaluateAll((all) => all.map((img) => (img as HTMLElement).dataset.swarm));
  expect(ids).toEqual(pictures().map(({ id }) => id));
});

test("the origin sends each picture once, six visitors in turn have them from each other, and the first may leave", async ({
  tab,
  realProxy,
}) => {
  test.slow();
  const origin = await startOrigin({ proxy: realProxy.url });
  const first = await tab(origin.url);
  await expectAll(first);
  expect(Object.values(origin.sent().pictures)).toEqual(new Array(20).fill(ONE));
  await photograph(first, "image-swarm-origin");
  const visitors: Page[] = [];
  let last = first;
  for (let count = 0; count < 6; count++) {
    const visitor = await visit(tab, origin.url);
    await expectAll(visitor);
    expect(await totals(visitor), `visitor ${count + 1}`).toEqual({ peers: ALL, origin: 0, here: 0 });
    visitors.push(visitor);
    last = visitor;
    if (count === 1) await first.close();
    // Two that pass them on are enough, and kinder to the machine.
    if (count >= 2) await visitors.shift()?.close();
  }
  await expect(last.locator("#saved")).toContainText("did not have to come from the origin");
  await photograph(last, "image-swarm-visitor");
  await origin.stop();
});

test("a tab that is loaded again has its pictures still, and passes them on", async ({ tab, realProxy }) => {
  test.slow();
  const origin = await startOrigin({ proxy: realProxy.url });
  const first = await tab(origin.url);
  await expectAll(first);
  await first.reload();
  await expectAll(first);
  expect(await totals(first)).toEqual({ peers: 0, origin: 0, here: ALL });
  await photograph(first, "image-swarm-again");
  expect(origin.sent().bytes).toBe(ALL);
  const second = await visit(tab, origin.url);
  await expectAll(second);
  expect(await totals(second)).toEqual({ peers: ALL, origin: 0, here: 0 });
  await origin.stop();
});

test("without an origin a tab says that nobody has them, and draws them for itself and the others", async ({ tab }) => {
  const proxy = await startProxy();
  const shim = await startShim(proxy.port);
  const page = await tab(`${shim.url}examples/image-swarm/`);
  const draw = page.getByRole("button", { name: "Draw them in this tab" });
  await expect(draw).toBeVisible({ timeout: 30_000 });
  await expect(page.locator("#told")).toContainText("Nobody who has these pictures is here");
  await expect(page.getByRole("img", { name: "Hills in turquoise under an orange sky" })).toBeVisible();
  await photograph(page, "image-swarm-nobody");
  const waiting = await tab(`${proxy.url}examples/image-swarm/?take`);
  await draw.press("Enter");
  await expectAll(page);
  await expect(waiting.getByText("This tab only takes")).toBeVisible();
  await expectAll(waiting);
  expect((await totals(waiting)).peers).toBe(ALL);
  const again = waiting.getByRole("link", { name: "Pass on again" });
  expect(await again.evaluate((link: HTMLAnchorElement) => link.href)).toBe(`${proxy.url}examples/image-swarm/?`);
  await photograph(page, "image-swarm-drawn");

  shim.refuse(true);
  shim.cut();
  await expect(page.locator("#status-text")).toHaveText("Reconnecting");
  await photograph(page, "image-swarm-away");
  shim.refuse(false);
  await expect(page.locator("#status-text")).toHaveText("Connected", { timeout: 20_000 });

  // Who only takes is nobody's source.
  await page.close();
  const late = await tab(`${proxy.url}examples/image-swarm/`);
  await expect(late.locator("#told")).toContainText("Nobody who has these pictures is here", { timeout: 30_000 });
  await shim.stop();
  await proxy.stop();
});
