/** A long talk between two ends of one stream through a network that fails, as much in each direction. */

import type { Carrier } from "browser-stream-server";
import { type Shim, seeded } from "../harness/shim.mjs";
import { expect, type Page } from "./fixture.ts";

/** Bytes each way: 64 MiB, with `LONG=1` 256. */
export const TOTAL = (process.env.LONG === "1" ? 256 : 64) << 20;
/** How often a connection is cut. */
export const CUTS = 50;
/** What one move may say again in one direction where cuts leave windows little time to grow: what a sender keeps to begin with, and more in longer talks. */
const AGAIN_MAX = TOTAL / 64;
/** What a window may grow to. */
export const WINDOW_MAX = 8 << 20;

/** What a page tries unless it is told. */
const ALL: readonly Carrier[] = ["websocket", "webtransport", "http"];

/** What one end sent and received, and what it said again. */
export interface Said {
  sent: { bytes: number; sha: string };
  received: { bytes: number; sha: string };
  resent: number;
}

/** Makes a page serve `name`; what its first stream comes to is {@link said}. */
export async function serve(
  page: Page,
  name: string,
  seed: number,
  total = TOTAL,
  carriers: readonly Carrier[] = ALL,
): Promise<void> {
  await page.evaluate(
    async ({ name, seed, total, carriers }) => {
      kept.errors = [];
      const served = t.gate<unknown>();
      kept.streams = 0;
      kept.said = served.passed;
      kept.mdm = bss.MuxDemux(undefined, { carriers });
      kept.mdm.on("error", (error: unknown) => kept.errors.push(`${error}`));
      const server = bss.StreamServer(kept.mdm, (stream) => {
        kept.streams++;
        served.open(t.converse(stream, seed, total));
      });
      server.on("error", (error: unknown) => kept.errors.push(`${error}`));
      await server.listen(name).listening;
    },
    { name, seed, total, carriers },
  );
}

/** Makes a page connect to `name` and talk; what that comes to is {@link said}. It goes on as `kept.onSent`, if there is one, lets it. */
export async function connect(
  page: Page,
  name: string,
  seed: number,
  total = TOTAL,
  carriers: readonly Carrier[] = ALL,
): Promise<void> {
  await page.evaluate(
    async ({ name, seed, total, carriers }) => {
      kept.errors = [];
      kept.mdm = bss.MuxDemux(undefined, { carriers });
      kept.mdm.on("error", (error: unknown) => kept.errors.push(`${error}`));
      kept.stream = bss.StreamClient(kept.mdm).connect(name);
      kept.said = t.converse(kept.stream, seed, total, kept.onSent);
      kept.said.catch(() => {});
      await kept.stream.opened;
    },
    { name, seed, total, carriers },
  );
}

/** What a page's end of the talk came to; no error was told on the way. */
export async function said(page: Page): Promise<Said> {
  const said = await page.evaluate(() => kept.said);
  expect(await page.evaluate(() => kept.errors), "no user of the library saw an error").toEqual([]);
  return said;
}

/** What one end received is what the other sent, all of it, and no more was said again than moves cost. */
export function expectWhole(mine: Said, theirs: Said, moves: number, againMax = AGAIN_MAX, total = TOTAL): void {
  expect(mine.sent.bytes).toBe(total);
  expect(mine.received).toEqual(theirs.sent);
  expect(theirs.received).toEqual(mine.sent);
  expect(mine.sent.sha).not.toBe(theirs.sent.sha);
  for (const { resent } of [mine, theirs]) expect(resent).toBeLessThanOrEqual(moves * againMax);
  console.log(`${moves} moves, ${mine.resent} and ${theirs.resent} bytes said again of ${total} each way`);
}

/** Cuts one of the connections again and again, each time behind a random number of bytes. */
export async function harass(shims: readonly Shim[], seed: number): Promise<void> {
  const random = seeded(seed);
  const share = (2 * TOTAL) / CUTS;
  for (let cut = 0; cut < CUTS; cut++) {
    const shim = shims[Math.floor(random() * shims.length)] as Shim;
    const before = shim.connections();
    await shim.cutAfter(1 + Math.floor(random() * share));
    await expect.poll(() => shim.connections(), { intervals: [5], timeout: 30_000 }).toBeGreaterThan(before);
  }
}
