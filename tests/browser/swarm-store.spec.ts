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

test("opfs: two tabs that fetch the same at the same time write each piece once, and the second takes nothing away where there is no room", async ({
  tab,
}) => {
  const [seeder, page] = [await tab(), await tab()];
  await join(seeder, { store: "memory" });
  const other = await beside(page);
  for (const one of [page, other]) await join(one, { store: "opfs", serve: false });
  const ids: string[] = [];
  for (const number of [61, 62, 63]) ids.push(await seed(seeder, number, SIZE));
  for (const id of ids) await findable(page, id);
  const got = await Promise.all([page, other].flatMap((one) => ids.map((id, at) => fetchIn(one, id, 61 + at, SIZE))));
  expect(got.map(({ isRight }) => isRight)).toEqual(ids.concat(ids).map(() => true));

  // What the first has, and has open, the second does not write again: neither of them knows of the other's.
  const [fourth, fifth] = [await seed(seeder, 64, SIZE), await seed(seeder, 65, SIZE)];
  for (const id of [fourth, fifth]) await findable(page, id);
  expect(await fetchIn(page, fourth, 64, SIZE)).toMatchObject({ isRight: true });
  await open(page, fourth);
  expect(await fetchIn(other, fourth, 64, SIZE)).toMatchObject({ isRight: true, sources: { peers: SIZE } });
  expect(await read(page)).toEqual([PIECE, PIECE, 5]);

  expect(await fetchIn(page, fifth, 65, SIZE)).toMatchObject({ isRight: true });
  await open(page, fifth);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Storage.overrideQuotaForOrigin", { origin: new URL(page.url()).origin, quotaSize: 100_000 });
  expect(await fetchIn(other, fifth, 65, SIZE)).toMatchObject({ isRight: true });
  expect(await read(page)).toEqual([PIECE, PIECE, 5]);
  const third = await beside(page);
  await join(third, { store: "opfs", serve: false });
  expect((await whole(third)).toSorted()).toEqual([...ids, fourth, fifth].toSorted());
});

/** Opens the files of a content's pieces; {@link read} tells how many bytes can be read of each, which is none once another was written in its place. */
async function open(page: Page, id: string): Promise<void> {
  await page.evaluate(
    async ({ name, id }) => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(name);
      const content = await folder.getDirectoryHandle(id);
      kept.files = await Promise.all(
        ["0", "1", "2"].map(async (piece) => await (await content.getFileHandle(piece)).getFile()),
      );
    },
    { name: NAME, id },
  );
}

function read(page: Page): Promise<number[]> {
  return page.evaluate(() =>
    Promise.all(
      (kept.files as File[]).map((file) =>
        file.arrayBuffer().then(
          ({ byteLength }) => byteLength,
          () => 0,
        ),
      ),
    ),
  );
}
