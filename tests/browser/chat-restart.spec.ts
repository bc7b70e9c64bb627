/** The chat over a proxy that is killed and started again: nobody has a seat any more, and nothing that was written is lost. */

import { startProxy } from "../harness/proxy.mjs";
import { startShim } from "../harness/shim.mjs";
import { goIn, notices, texts, tick, write, writeSixPictures } from "./chat-room.ts";
import { expect, type Page, test } from "./fixture.ts";

type Shim = Awaited<ReturnType<typeof startShim>>;

const NAMES = ["Ann", "Bob", "Cem"];

/** Lets a page through to the proxy again. */
async function back(page: Page, shim: Shim): Promise<void> {
  shim.refuse(false);
  await page.locator("#try-now").dispatchEvent("click");
  await expect(page.locator("#offline")).toBeHidden();
}

/** When a message was written, as it is shown. */
function written(page: Page, text: string): Promise<string | null> {
  const message = page.locator(".message", { has: page.getByText(text, { exact: true }) });
  return message.locator("time").getAttribute("datetime");
}

function colours(page: Page): Promise<string[]> {
  const faces = page.locator("#people-list .face");
  return faces.evaluateAll((all) =>
    all.map((face) => `${face.textContent} ${(face as HTMLElement).style.getPropertyValue("--hue")}`).sort(),
  );
}

test("chat: what three write while the proxy is started again comes to each once, whoever is back first", async ({
  tab,
  name,
}) => {
  const before = await startProxy();
  const shims = await Promise.all(NAMES.map(() => startShim(before.port)));
  const pages: Page[] = [];
  for (const [at, shim] of shims.entries()) {
    const page = await tab(`${shim.url}examples/chat/`);
    await goIn(page, NAMES[at] as string, name);
    pages.push(page);
  }
  const [ann, bob, cem] = pages as [Page, Page, Page];
  for (const page of pages) await expect(page.locator("#people-list li")).toHaveCount(3);
  const coloursBefore = await colours(ann);

  const [first, second, third] = shims as [Shim, Shim, Shim];
  second.stall();
  await write(ann, "Ann 0");
  await expect(cem.getByText("Ann 0", { exact: true })).toBeVisible();
  for (const shim of shims) shim.refuse(true);
  await before.kill();
  second.cut();
  second.flow();
  for (const [at, page] of pages.entries()) {
    await expect(page.locator("#offline")).toBeVisible();
    for (const number of [1, 2]) await write(page, `${NAMES[at]} ${number}`);
    await expect(tick(page, `${NAMES[at]} 1`)).toContainText("waits");
  }
  const after = await startProxy();
  for (const shim of shims) shim.to(after.port);
  await back(ann, first);
  await expect(tick(ann, "Ann 2"), "nobody is back").toContainText("waits");
  await expect(tick(ann, "Ann 2")).toHaveAttribute("title", /Nobody has it so far.*Bob.* and .*Cem/);
  await write(ann, "Ann 3");
  await expect(tick(ann, "Ann 3")).toContainText("waits");
  await back(bob, second);
  await expect(tick(ann, "Ann 3")).toContainText("seen by 1 of 2");
  await expect(tick(ann, "Ann 3")).toHaveAttribute("title", /Bob.? looked at it\..* It goes to .?Cem/);
  await back(cem, third);

  const all = ["Ann 0", "Ann 1", "Ann 2", "Ann 3", "Bob 1", "Bob 2", "Cem 1", "Cem 2"];
  for (const [at, page] of pages.entries()) {
    for (const text of all) await expect(page.getByText(text, { exact: true })).toHaveCount(1);
    const seen = await texts(page);
    for (const who of NAMES) {
      expect(
        seen.filter((text) => text.startsWith(who)),
        "in its writer's order",
      ).toEqual(all.filter((text) => text.startsWith(who)));
    }
    const others = NAMES.filter((who) => who !== NAMES[at]);
    for (const text of all.filter((text) => text.startsWith(NAMES[at] as string))) {
      await expect(tick(page, text)).toContainText("seen by all");
      for (const other of others) await expect(tick(page, text)).toHaveAttribute("title", new RegExp(other));
    }
    await expect(notices(page).filter({ hasText: "The proxy does not know this page any more" })).toHaveCount(1);
    await expect(notices(page).filter({ hasText: /lost|left/ }), "nothing is lost, nobody left").toHaveCount(0);
  }
  expect(await written(bob, "Ann 1"), "when it was written, not when it came").toBe(await written(ann, "Ann 1"));
  expect(await colours(ann)).toEqual(coloursBefore);

  // What comes now goes to everybody as ever.
  await write(bob, "Bob 3");
  await expect(tick(bob, "Bob 3")).toContainText("seen by all");
  for (const shim of shims) await shim.stop();
  await after.stop();
});

test("chat: what nobody came back for is said to be undelivered, and goes again by a button", async ({ tab, name }) => {
  const before = await startProxy();
  const shim = await startShim(before.port);
  const [ann, bob] = [await tab(`${shim.url}examples/chat/`), await tab(`${shim.url}examples/chat/`)];
  await goIn(ann, "Ann", name);
  await goIn(bob, "Bob", name);
  await expect(ann.locator("#people-list li")).toHaveCount(2);
  await ann.clock.install();
  shim.refuse(true);
  await before.kill();
  await expect(ann.locator("#offline")).toBeVisible();
  await bob.close();
  await write(ann, "is anybody there?");
  const after = await startProxy();
  shim.to(after.port);
  await back(ann, shim);
  const again = ann.getByRole("button", { name: "Send again" });
  await expect(tick(ann, "is anybody there?")).toHaveAttribute("title", /Nobody has it so far/);
  await expect(again).toBeHidden();
  await ann.clock.fastForward("02:00");
  await expect(tick(ann, "is anybody there?")).toContainText("not delivered");
  await expect(notices(ann).last()).toHaveText(/Bob.? did not come back/);
  const dan = await tab(`${shim.url}examples/chat/`);
  await goIn(dan, "Dan", name);
  await expect(ann.locator("#people-list li")).toHaveCount(2);
  await again.click();
  await expect(dan.getByText("is anybody there?", { exact: true })).toHaveCount(1);
  await expect(tick(ann, "is anybody there?")).toContainText("seen");
  await expect(again).toBeHidden();
  await shim.stop();
  await after.stop();
});

test("chat: more pictures than may wait at once are said again over a restart, in their order and before what is written behind them", async ({
  tab,
  name,
}) => {
  const before = await startProxy();
  const shims = [await startShim(before.port), await startShim(before.port)] as [Shim, Shim];
  const [ann, bob] = [await tab(`${shims[0].url}examples/chat/`), await tab(`${shims[1].url}examples/chat/`)];
  await goIn(ann, "Ann", name);
  await goIn(bob, "Bob", name);
  await expect(ann.locator("#people-list li")).toHaveCount(2);
  for (const shim of shims) shim.refuse(true);
  await before.kill();
  await expect(ann.locator("#offline")).toBeVisible();
  const names = await writeSixPictures(ann);
  await write(ann, "behind them");
  const after = await startProxy();
  for (const shim of shims) shim.to(after.port);
  await back(ann, shims[0]);
  await expect(tick(ann, "behind them")).toHaveAttribute("title", /Nobody has it so far/);
  await back(bob, shims[1]);
  await expect(bob.getByText("behind them", { exact: true })).toBeVisible();
  await write(ann, "the last");
  await expect(bob.getByText("the last", { exact: true })).toBeVisible();
  const came = await bob
    .locator(".message .picture img")
    .evaluateAll((all) => all.map((one) => (one as HTMLImageElement).alt));
  expect(came).toEqual(names.map((name) => `Picture by Ann: ${name}`));
  expect(await texts(bob)).toEqual(["six pictures", "behind them", "the last"]);
  await expect(ann.locator(".message.mine .tick")).toHaveCount(names.length + 2);
  await expect(ann.locator('.tick:not([data-mark="seen"])')).toHaveCount(0);
  for (const shim of shims) await shim.stop();
  await after.stop();
});
