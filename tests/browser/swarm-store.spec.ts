/** What a page keeps of a swarm, in a real browser: the origin's own files, and the Cache API. */

import { PIECE } from "../harness/evil.mjs";
import { expect, type Page, test } from "./fixture.ts";
import { fetchIn, findable, join, seed } from "./swarm-tab.ts";

const NAME = "browser-stream-server-swarm";
const SIZE = 2 * PIECE + 5;

/** Ids of what is kept there, whole. */
const whole = (page: Page): Promise<string[]> =>
  page.evaluate(async () =>
    (await kept.swarm.contents())
      .filter(({ have, pieces }: { have: number; pieces: number }) => have === pieces)
      .map(({ id }: { id: string }) => id),
  );

/** Puts other bytes where a piece is kept. */
async function spoil(page: Page, store: "opfs" | "cache", id: string, piece: number): Promise<void> {
  await page.evaluate(
    async ({ name, store, id, piece }) => {
      if (store === "cache") {
        await (await caches.open(name)).put(`https://swarm.invalid/${id}/${piece}`, new Response("other bytes"));
        return;
      }
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(name);
      const file = await (await folder.getDirectoryHandle(id)).getFileHandle(`${piece}`);
      const writable = await file.createWritable();
      await writable.write("other bytes");
      await writable.close();
    },
    { name: NAME, store, id, piece },
  );
}

/** Another tab of the same browser: it has the same files. */
async function beside(page: Page): Promise<Page> {
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.evaluate(async () => {
    globalThis.bss = await import("/browser-stream-server.js");
  });
  return other;
}

for (const store of ["opfs", "cache"] as const) {
  test(`${store}: what was fetched is there after a reload, checked again, and a spoilt piece is fetched anew`, async ({
    tab,
    realProxy,
  }) => {
    const [seeder, page] = [await tab(), await tab()];
    await join(seeder, { store: "memory" });
    await join(page, { store });
    const number = store === "opfs" ? 31 : 32;
    const id = await seed(seeder, number, SIZE);
    await findable(page, id);
    expect(await fetchIn(page, id, number, SIZE)).toMatchObject({ isRight: true, sources: { peers: SIZE } });

    await page.goto(realProxy.url);
    await page.evaluate(async () => {
      globalThis.bss = await import("/browser-stream-server.js");
    });
    await join(page, { store });
    expect(await whole(page)).toEqual([id]);
    expect(await fetchIn(page, id, number, SIZE)).toMatchObject({ isRight: true, sources: { peers: 0, kept: SIZE } });

    await spoil(page, store, id, 1);
    // Found out when it is read, and given to nobody.
    expect(await fetchIn(page, id, number, SIZE)).toMatchObject({ isRight: true });
    expect(await page.evaluate(() => kept.swarm.stats().peers)).toBe(PIECE);
    expect(await whole(page)).toEqual([id]);
  });

  test(`${store}: what was used least of late makes room, and two tabs share what there is`, async ({ tab }) => {
    const page = await tab();
    await join(page, { store, storeBytesMax: 5 * PIECE, serve: false });
    const [one, two] = [await seed(page, 41, SIZE), await seed(page, 42, SIZE)];
    const other = await beside(page);
    await join(other, { store, serve: false });
    expect((await whole(other)).toSorted()).toEqual([one, two].toSorted());
    expect(await fetchIn(other, one, 41, SIZE)).toMatchObject({ isRight: true, sources: { kept: SIZE } });

    const three = await seed(page, 43, SIZE);
    expect((await whole(page)).toSorted()).toEqual([two, three].toSorted());
    // What one tab has removed the other has no longer.
    expect(await other.evaluate((id) => t.outcome(kept.swarm.fetch(id).blob()).then(({ code }) => code), one)).toBe(
      "not_found",
    );
    expect(await fetchIn(other, two, 42, SIZE)).toMatchObject({ isRight: true });
  });

  test(`${store}: where the browser has no room pieces are in memory, and given all the same`, async ({ tab }) => {
    const [page, reader] = [await tab(), await tab()];
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Storage.overrideQuotaForOrigin", { origin: new URL(page.url()).origin, quotaSize: 100_000 });
    await join(page, { store });
    await page.evaluate(() => {
      kept.about = [];
      kept.swarm.on("state", ({ about, is }: { about: string; is: string }) => kept.about.push(`${about} ${is}`));
    });
    const id = await seed(page, 51, SIZE);
    expect(await page.evaluate(() => kept.about)).toContain("store memory");
    await join(reader, { store: "memory" });
    await findable(reader, id);
    expect(await fetchIn(reader, id, 51, SIZE)).toMatchObject({ isRight: true, sources: { peers: SIZE } });
  });
}
