/** How smooth a page is: how long its frames take. */

import type { Page, TestInfo } from "@playwright/test";

interface Frames {
  count: number;
  /** Milliseconds. */
  median: number;
  p99: number;
  most: number;
  /** Milliseconds of a processor for one, on average: what the page's own thread does, however busy the machine is. */
  work: number;
  /** Rows of the table that are in the page. */
  inPage: number;
}

/** For so long, while the table is scrolled by so many pixels in each frame. */
export async function frames(page: Page, ms: number, step: number): Promise<Frames> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const worked = async (): Promise<number> => {
    const { metrics } = await session.send("Performance.getMetrics");
    return 1000 * (metrics.find(({ name }) => name === "TaskDuration")?.value ?? Number.NaN);
  };
  const before = await worked();
  const seen = await page.evaluate(
    async ({ ms, step }) => {
      const grid = document.querySelector("[role=grid]");
      const next = () => new Promise<number>(requestAnimationFrame);
      const took: number[] = [];
      const begin = await next();
      for (let before = begin; before < begin + ms; ) {
        grid?.scrollBy(0, step);
        const now = await next();
        took.push(now - before);
        before = now;
      }
      took.sort((a, b) => a - b);
      const at = (part: number) => Math.round((took[Math.floor((took.length - 1) * part)] ?? 0) * 10) / 10;
      const inPage = document.querySelectorAll(".body [role=row]").length;
      return { count: took.length, median: at(0.5), p99: at(0.99), most: at(1), inPage };
    },
    { ms, step },
  );
  const work = Math.round((((await worked()) - before) / seen.count) * 10) / 10;
  await session.detach();
  return { ...seen, work };
}

/** Prints it, and keeps it with the test. */
export function say(info: TestInfo, what: string, { count, median, p99, most, work, inPage }: Frames): void {
  const times = `median ${median} ms, 99th of 100 ${p99} ms, longest ${most} ms`;
  const text = `${count} frames, ${times}, ${work} ms of work for each, ${inPage} rows in the page`;
  console.log(`${what}: ${text}`);
  info.annotations.push({ type: what, description: text });
}
