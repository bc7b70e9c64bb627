/** The video call where there is little room. */

import { fileURLToPath } from "node:url";
import type { Locator } from "@playwright/test";
import { seat, test, tile } from "./caller.ts";
import { expect, type Page } from "./fixture.ts";

test.describe.configure({ mode: "default" });

const shots = fileURLToPath(new URL("../test-results/pages/", import.meta.url));
const FLAT = { width: 844, height: 390 };

interface Box {
  top: number;
  bottom: number;
  height: number;
}

async function boxes(all: Locator): Promise<Box[]> {
  return await all.evaluateAll((elements: Element[]) =>
    elements
      .map((element) => element.getBoundingClientRect())
      .map(({ top, bottom, height }) => ({ top, bottom, height })),
  );
}

/** Where the rows of buttons begin. */
async function rows(page: Page): Promise<number[]> {
  const buttons = await boxes(page.locator(".controls > button:visible"));
  expect(buttons.length).toBeGreaterThanOrEqual(6);
  return [...new Set(buttons.map(({ top }) => Math.round(top)))];
}

test("call: on a phone on its side the controls are one row, and each tile has a hundred pixels and is in view", async ({
  join,
  tab,
  name,
}) => {
  const ada = await join("Ada");
  const others = await tab();
  const seats = (names: readonly string[]) =>
    seat(
      others,
      `call-${name}`,
      names.map((name) => ({ name })),
    );
  await ada.setViewportSize(FLAT);
  for (const people of [3, 6]) {
    await seats(people === 3 ? ["Bea <b>x", "Cleo"] : ["長い名前 a long name, and more of it", "Eva", "Finn"]);
    await expect(ada.locator("#people .tile")).toHaveCount(people);
    expect(await rows(ada)).toHaveLength(1);
    for (const { height, top, bottom } of await boxes(ada.locator("#people .tile"))) {
      expect(height).toBeGreaterThanOrEqual(100);
      expect(top).toBeGreaterThanOrEqual(0);
      expect(bottom).toBeLessThanOrEqual(FLAT.height);
    }
    await ada.screenshot({ path: `${shots}video-call-flat-${people}.png` });
  }
  await expect(tile(ada, "Bea").locator(".initials")).toHaveText("BB");
  await expect(tile(ada, "Ada (you)").locator(".initials")).toHaveText("A");
  await ada.keyboard.press("s");
  await expect(ada.locator("#screens .tile")).toBeVisible();
  await ada.screenshot({ path: `${shots}video-call-flat-screen.png` });
  const [screen] = await boxes(ada.locator("#screens .tile"));
  expect(screen?.height).toBeGreaterThan(200);

  await ada.setViewportSize({ width: 1100, height: 720 });
  expect(await rows(ada), "and so they are in a small window").toHaveLength(1);
  await ada.screenshot({ path: `${shots}video-call-1100.png` });
});

test("call: a small tile says who it is and how it is, and tells the rest when asked", async ({ join, tab, name }) => {
  const ada = await join("Ada");
  await seat(await tab(), `call-${name}`, [{ name: "Ben" }]);
  await ada.keyboard.press("s");
  await expect(ada.locator("#screens .tile")).toBeVisible();
  await ada.setViewportSize({ width: 390, height: 844 });
  const mine = tile(ada, "Ada (you)");
  const traffic = mine.locator("[data-part=traffic]");
  await expect(mine.locator("[data-part=captions]")).toBeVisible();
  await expect(traffic).toBeHidden();
  await ada.screenshot({ path: `${shots}video-call-portrait-screen.png` });
  const [initials] = await boxes(tile(ada, "Ben").locator(".initials"));
  const [caption] = await boxes(tile(ada, "Ben").locator("[data-part=name]"));
  expect(initials?.bottom, "initials end where the name begins").toBeLessThanOrEqual(caption?.top ?? 0);
  await mine.getByRole("button", { name: "Details of Ada" }).click();
  await expect(traffic).toBeVisible();
  await ada.screenshot({ path: `${shots}video-call-portrait-open.png` });
  await ada.keyboard.press("Escape");
  await expect(traffic).toBeHidden();
});

test("call: on a phone the way into the call is in view, and nobody is said to see the preview", async ({
  tab,
  realProxy,
  name,
}) => {
  const page = await tab(`${realProxy.url}examples/video-call/#${name}`);
  await page.setViewportSize({ width: 390, height: 844 });
  await expect(page.locator("#preview")).toContainText("Preview. Nobody sees you yet.");
  await expect(page.getByRole("button", { name: "Join the call" })).toBeInViewport({ ratio: 1 });
  await page.screenshot({ path: `${shots}video-call-lobby-390.png` });
  const struck = page.locator('#join [data-toggle="camera"] use[href="#icon-off"]');
  await expect(struck).toBeHidden();
  await page.getByRole("button", { name: "Camera" }).click();
  await expect(struck).toBeVisible();
});
