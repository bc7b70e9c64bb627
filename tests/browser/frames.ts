/** How smooth a page is: how long its frames take. */

import type { Page, TestInfo } from "@playwright/test";

interface Frames {
  count: number;
  /** Milliseconds. */
  median: number;
  p99: number;
  most: number;
  /** Rows of the table that are in the page. */
  inPage: number;
}

/** For so long, while the table is scrolled by so many pixels in each frame. */
export async function frames(page: Page, ms: number, step: number): Promise<Frames> {
  return await page.evaluate(
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
}

/** Prints it, and keeps it with the test. */
export function say(info: TestInfo, what: string, { count, median, p99, most, inPage }: Frames): void {
  const text = `${count} frames, median ${median} ms, 99th of 100 ${p99} ms, longest ${most} ms, ${inPage} rows in the page`;
  console.log(`${what}: ${text}`);
  info.annotations.push({ type: what, description: text });
}
