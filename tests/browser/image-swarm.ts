/** The page of the example image-swarm, as its tests see it. */

import { expect, type Page } from "./fixture.ts";

/** Bytes of one picture, and of all. */
export const ONE = 308_548;
export const ALL = 20 * ONE;

/** Waits until all pictures are there; they are whole, for each was checked and can be seen. */
export async function expectAll(page: Page): Promise<void> {
  const failed = page.locator(".gallery li[data-code]");
  await expect
    .poll(
      async () => [
        await page.locator("#told").textContent(),
        await failed.evaluateAll((all) => all.map((li) => (li as HTMLElement).dataset.code)),
      ],
      { timeout: 60_000 },
    )
    .toEqual(["All 20 are here, and each piece was checked.", []]);
  const widths = await page
    .locator(".gallery img")
    .evaluateAll((all) => all.map((img) => (img as HTMLImageElement).naturalWidth));
  expect(widths).toEqual(new Array(20).fill(640));
}

export interface Totals {
  peers: number;
  origin: number;
  here: number;
}

/** What came from where, in bytes. */
export async function totals(page: Page): Promise<Totals> {
  const bytes = async (id: string) => Number((await page.locator(id).getAttribute("data-bytes")) ?? "0");
  return { peers: await bytes("#from-peers"), origin: await bytes("#from-origin"), here: await bytes("#from-here") };
}

/** Opens the page for somebody who waits for the origin's pictures in vain: whom visitors keep waiting for seconds asks it too, rightly, and then it might be the quicker one. */
export async function visit(tab: () => Promise<Page>, url: string): Promise<Page> {
  const page = await tab();
  await page.route("**/pictures/*.png", async (route) => {
    if (route.request().method() === "HEAD") await route.continue();
  });
  await page.goto(url);
  return page;
}
