/** Pictures of a page, to look at; and whether everybody can read it, and it fits on a phone. */

import { fileURLToPath } from "node:url";
import axe from "axe-core";
import { expect, type Page } from "./fixture.ts";

const shots = fileURLToPath(new URL("../test-results/pages/", import.meta.url));

/** The page in light, in dark, and as wide as a small phone. What WCAG 2.2 asks for at A and AA holds in both, as far as axe can see. */
export async function photograph(page: Page, what: string): Promise<void> {
  await page.emulateMedia({ colorScheme: "light" });
  await page.screenshot({ path: `${shots}${what}-light.png`, fullPage: true });
  await isAccessible(page, `${what} in light`);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: `${shots}${what}-dark.png`, fullPage: true });
  await isAccessible(page, `${what} in dark`);
  await page.setViewportSize({ width: 360, height: 740 });
  await page.screenshot({ path: `${shots}${what}-360.png`, fullPage: true });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width, `${what} fits into 360 pixels`).toBeLessThanOrEqual(360);
  const cut = await page
    .locator("pre")
    .evaluateAll((all) => all.filter((pre) => pre.scrollWidth > pre.clientWidth).length);
  expect(cut, `no code of ${what} is cut off at 360 pixels`).toBe(0);
  await page.setViewportSize({ width: 1280, height: 720 });
  await page.emulateMedia({ colorScheme: "light" });
}

async function isAccessible(page: Page, what: string): Promise<void> {
  await page.evaluate(axe.source);
  const faults = await page.evaluate(async () => {
    // What is fading in is not judged half way. Spinners go on for ever.
    const fading = document.getAnimations().filter((each) => each.effect?.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(fading.map(({ finished }) => finished));
    const values = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
    const { violations } = await axe.run(document, { runOnly: { type: "tag", values } });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}: ${node.failureSummary}`));
  });
  expect(faults, `${what} is accessible`).toEqual([]);
}
