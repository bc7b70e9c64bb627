/** The admin page while much changes: what moves, and how much work that is. */

import { expect, rows, session, stream, test } from "./admin-double.ts";
import { frames, say } from "./frames.ts";

/** As Chromium tells of what moved by itself. */
interface Shift {
  value: number;
  sources: { node: Node | null }[];
}

test("nothing moves while numbers change and grow", async ({ admin, page }) => {
  await page.addInitScript(() => {
    const moved: string[] = [];
    const note = (shifts: PerformanceEntryList) => {
      // A number that grows to the left within its own cell moves nothing.
      for (const { value, sources } of shifts as (PerformanceEntry & Shift)[])
        for (const { node } of sources)
          if (node?.nodeType !== Node.TEXT_NODE) moved.push(`${value}: ${(node as Element | null)?.outerHTML}`);
    };
    const observer = new PerformanceObserver((list) => note(list.getEntries()));
    observer.observe({ type: "layout-shift", buffered: true });
    /** What moved since this was asked before, also what is yet to be told. */
    const taken = () => {
      note(observer.takeRecords());
      return moved.splice(0);
    };
    globalThis.kept = { taken };
  });
  admin.change(
    "sessions",
    Array.from({ length: 40 }, (_, n) => session(n)),
  );
  const move = async (): Promise<void> => {
    for (let n = 1; n < 6; n++) {
      const memory = { memory_used: 7 * 12 ** n, memory_budget: 2.56e8, rss: 5e7 };
      admin.second({ received: 7 * 13 ** n, sent: 7 * 11 ** n, streams: 9 * 5 ** n, ...memory });
      const rate = { received: 7 * 13 ** n, streams: 9 * n, queue: 7 * 9 ** n };
      admin.change(
        "sessions",
        Array.from({ length: 40 }, (_, at) => session(at, rate)),
      );
      await frames(page, 550, 0);
    }
  };
  const contents = { overview: page.getByText("Buffers of 256 MB"), sessions: rows(page).first() };
  for (const [view, content] of Object.entries(contents)) {
    await page.goto(`${admin.url}#/${view}`);
    await expect(page.getByText("Live", { exact: true })).toBeVisible();
    admin.second({ streams: 9, received: 0, sent: 0, memory_used: 0, memory_budget: 2.56e8, rss: 5e7 });
    await expect(content).toBeVisible();
    await frames(page, 600, 0);
    await page.evaluate(() => kept.taken());
    await move();
    expect(await page.evaluate(() => kept.taken()), `in ${view}`).toEqual([]);
  }
});

test("10,000 rows that change each second are scrolled without a wait", async ({ admin, page }, info) => {
  const many = Array.from({ length: 10_000 }, (_, n) => stream(n));
  admin.change("streams", many);
  await page.goto(`${admin.url}#/streams`);
  const grid = page.getByRole("grid");
  await expect(grid).toHaveAttribute("aria-rowcount", "10001");
  let round = 0;
  const timer = setInterval(() => {
    round++;
    admin.second();
    const changed = many.filter((_, n) => n % 2 === round % 2);
    for (const row of changed) row.received += round * 1000;
    admin.change("streams", changed);
  }, 1000);
  const still = await frames(page, 5000, 0);
  const scrolled = await frames(page, 5000, 97);
  clearInterval(timer);
  for (const [what, seen] of Object.entries({ still, scrolled })) {
    say(info, `10,000 rows, 5,000 changed each second, ${what}`, seen);
    expect(seen.inPage, "only what is in sight is in the page").toBeLessThan(80);
    expect(seen.work, "no lag while the machine has time").toBeLessThan(30);
  }
  const last = await grid.evaluate((grid) => {
    grid.scrollTop = grid.scrollHeight;
    return grid.scrollHeight;
  });
  expect(last).toBeGreaterThan(10_000 * 36);
  await expect(grid.locator('[aria-rowindex="10001"]')).toBeVisible();
});
