/** Pictures of a page, to look at; and whether it fits on a phone. */

import { fileURLToPath } from "node:url";
import { expect, type Page } from "./fixture.ts";

const shots = fileURLToPath(new URL("../test-results/pages/", import.meta.url));

/** The page in light, in dark, and as wide as a small phone. */
export async function photograph(page: Page, what: string): Promise<void> {
  await page.emulateMedia({ colorScheme: "light" });
  await page.screenshot({ path: `${shots}${what}-light.png`, fullPage: true });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: `${shots}${what}-dark.png`, fullPage: true });
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
