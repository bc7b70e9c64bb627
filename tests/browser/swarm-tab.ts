/** Pages that are in swarms. */

import type { SwarmOptions } from "../../browser-lib/src/swarm/index.ts";
import { expect, type Page } from "./fixture.ts";

/** Puts a swarm into the page as `kept.swarm`. */
export async function join(page: Page, options: SwarmOptions = {}): Promise<void> {
  await page.evaluate(async (options) => {
    const { Swarm } = await import("/browser-stream-server-swarm.js");
    kept.mdm ??= bss.MuxDemux();
    kept.swarm = Swarm(kept.mdm, options);
  }, options);
}

/** Seeds so many bytes of a pattern there; gives their id. */
export async function seed(page: Page, number: number, bytes: number): Promise<string> {
  return await page.evaluate(({ number, bytes }) => kept.swarm.seed(t.pattern(number, 0, bytes)), { number, bytes });
}

/** What a fetch came to: whether it was that pattern, and where its bytes came from. */
export interface Got {
  isRight: boolean;
  code: string;
  sources: { peers: number; direct: number; proxy: number; origin: number; kept: number };
}

/** Fetches a content there; the bytes are held against the pattern. */
export async function fetchIn(
  page: Page,
  id: string,
  number: number,
  bytes: number,
  options: object = {},
): Promise<Got> {
  return await page.evaluate(
    async ({ id, number, bytes, options }) => {
      const got = kept.swarm.fetch(id, options);
      const { code } = await t.outcome(got.done);
      const blob: Blob | undefined = code === "" ? await got.blob() : undefined;
      const came = new Uint8Array((await blob?.arrayBuffer()) ?? new ArrayBuffer());
      const right = t.pattern(number, 0, bytes);
      const { peers, direct, proxy, origin, kept: here } = got.sources;
      const isRight = came.length === right.length && came.every((byte, at) => byte === right[at]);
      return { isRight, code, sources: { peers, direct, proxy, origin, kept: here } };
    },
    { id, number, bytes, options },
  );
}

/** Waits until the page is told of somebody who has all of it: who seeds it is about to say so. */
export async function findable(page: Page, id: string): Promise<void> {
  await expect.poll(() => page.evaluate(async (id) => (await kept.swarm.find(id)).seeders, id)).toBeGreaterThan(0);
}

/** How many holders a tracker knows: a page counts once for each content that it holds. `admin` is where its proxy has `--admin`. */
export async function holders(admin: string): Promise<number> {
  const metrics = await (await fetch(`http://${admin}/metrics`)).text();
  return Number(/^bss_swarm_holders (\d+)/m.exec(metrics)?.[1]);
}
