/** What a reader that stops on a direct carrier costs: itself, and whoever writes to it. */

import { processOf, rss } from "../harness/memory.mjs";
import { stoppedReader, told } from "../harness/stopped-reader.mjs";
import { expect, type Page, test } from "./fixture.ts";

const MIB = 1 << 20;
const TOTAL = (process.env.LONG === "1" ? 256 : 64) * MIB;
/** What a window may grow to. */
const WINDOW_MAX = 8 * MIB;
/** The window, as much again that waits in the browser, and what a page's heap is larger by for no reason of ours. */
const GROWTH_MAX = 32 * MIB;

/** Tells how many bytes a page's process holds when its garbage is gone. */
async function meter(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  const pid = await processOf(session);
  return async () => {
    await session.send("HeapProfiler.collectGarbage");
    return rss(pid);
  };
}

test("a_reader_who_stops_on_a_direct_carrier_costs_neither_page_more_than_its_window", async ({ tab, name }) => {
  const [writer, reader] = await Promise.all([tab(), tab()]);
  const meters = { writer: await meter(writer), reader: await meter(reader) };
  const result = await stoppedReader({ writer, reader, measure: (page) => meters[page](), name, total: TOTAL });
  console.log(told("Chromium", TOTAL, result));
  expect(result.unread).toBeLessThanOrEqual(WINDOW_MAX);
  expect(result.readerGrowth).toBeLessThan(GROWTH_MAX);
  expect(result.writerGrowth).toBeLessThan(GROWTH_MAX);
  expect(result.seen, "the meter sees what a page holds").toBeGreaterThan(GROWTH_MAX);
  expect(result.received).toBe(16 * MIB + TOTAL);
  expect(result.direct).toBeGreaterThan(result.came - MIB);
});
