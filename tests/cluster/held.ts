/** A talk that is not over before a node is killed. */

import type { Page } from "../browser/fixture.ts";

/** Has the page's end of the next talk (`connect` of talk.ts) hold its last quarter back until {@link goOn}. */
export async function holdBack(page: Page, total: number): Promise<void> {
  await page.evaluate((total) => {
    const gate = t.gate();
    kept.goOn = gate.open;
    kept.onSent = (sent: number) => (sent < 0.75 * total ? undefined : gate.passed);
  }, total);
}

export async function goOn(page: Page): Promise<void> {
  await page.evaluate(() => kept.goOn());
}

/** How often the page's stream went on over another connection. */
export function moves(page: Page): Promise<number> {
  return page.evaluate(() => kept.stream.resumption.moves);
}
