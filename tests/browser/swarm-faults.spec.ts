/** Swarms in real browsers with peers that are dead, silent, lie or leave, trackers that are started again, and no way but the proxy's: everything arrives, verified, each time. */

import { startOrigin } from "../../examples/image-swarm/serve.mjs";
import { announce, type Evil, PIECE, pictures } from "../harness/evil.mjs";
import { freePort } from "../harness/port.mjs";
import { type RunningProxy, startProxy } from "../harness/proxy.mjs";
import { test as base, expect, type Page } from "./fixture.ts";
import { ALL, expectAll, ONE, totals, visit } from "./image-swarm.ts";
import { fetchIn, findable, holders, join, seed } from "./swarm-tab.ts";

interface Fixtures {
  /** The example's page, with an origin, at a proxy whose tracker knows nobody else. */
  site: { url: string; proxy: RunningProxy; sent: () => { bytes: number; pictures: Record<string, number> } };
}

const test = base.extend<Fixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixture's needs off this pattern
  site: async ({}, use) => {
    const proxy = await startProxy();
    const origin = await startOrigin({ proxy: proxy.url });
    await use({ url: origin.url, proxy, sent: origin.sent });
    await origin.stop();
    await proxy.stop();
  },
});

/** A page with harmful peers of that kind, which hold all pictures. */
async function evil(
  tab: (url: string) => Promise<Page>,
  { proxy }: Fixtures["site"],
  kind: Evil,
  many = 1,
): Promise<Page> {
  const page = await tab(proxy.url);
  await page.evaluate(announce, { kind, contents: pictures(), many, piece: PIECE });
  return page;
}

test("threat_25_dead_ids_among_the_candidates_are_waited_for_once_and_all_together", async ({ tab, site }) => {
  const dead = await evil(tab, site, "dead", 5);
  const page = await tab(site.url);
  await expectAll(page);
  expect(await totals(page)).toMatchObject({ origin: ALL });
  const all: { name: string; at: number }[] = await dead.evaluate(() => kept.opened);
  // Half a minute later each may be tried again.
  const opened = all.filter(({ at }) => at - (all[0]?.at ?? 0) < 25_000);
  expect(new Set(opened.map(({ name }) => name)).size).toBe(5);
  expect(opened, "each is dialed once, for all pictures").toHaveLength(5);
  const times = opened.map(({ at }) => at);
  // Were they waited for one after the other, three seconds each, the last would be dialed twelve seconds later.
  expect(Math.max(...times) - Math.min(...times)).toBeLessThan(10_000);
});

for (const [kind, fact] of [
  ["silent", "threat_25_a_peer_that_accepts_and_says_nothing_holds_no_picture_up"],
  ["mute", "threat_25_a_peer_that_accepts_and_never_sends_is_left_for_the_origin"],
  ["leaver", "threat_25_a_peer_that_leaves_in_the_middle_of_a_piece_is_left_for_the_origin"],
] as const) {
  test(fact, async ({ tab, site }) => {
    await evil(tab, site, kind, 2);
    const page = await tab(site.url);
    await expectAll(page);
    expect(await totals(page)).toEqual({ peers: 0, origin: ALL, here: 0 });
  });
}

test("threat_25_wrong_bytes_are_shown_to_nobody_and_who_sent_them_is_asked_no_more", async ({ tab, site }) => {
  test.slow();
  const liar = await evil(tab, site, "liar");
  const page = await tab(site.url);
  await expectAll(page);
  expect(await totals(page)).toEqual({ peers: 0, origin: ALL, here: 0 });
  const asked: number = await liar.evaluate(() => kept.asked);
  expect(asked, "what was asked of it before the first answer, and not each piece").toBeLessThan(40);
  // The same next to somebody who does not lie.
  const other = await visit(tab, site.url);
  await expectAll(other);
  expect(await totals(other)).toEqual({ peers: ALL, origin: 0, here: 0 });
});

test("threat_25_a_seeder_that_leaves_in_the_middle_costs_nothing_but_the_rest_from_the_origin", async ({
  tab,
  site,
}) => {
  const first = await tab(site.url);
  await expectAll(first);
  const page = await tab(site.url);
  await expect(page.locator('.gallery li[data-state="done"]').first()).toBeVisible();
  await first.close();
  await expectAll(page);
  const { peers, origin } = await totals(page);
  expect(peers + origin).toBe(ALL);
});

test("threat_25_a_tracker_that_is_started_again_is_told_anew_what_everybody_holds", async ({ tab, site }) => {
  test.slow();
  const first = await tab(site.url);
  await expectAll(first);
  await site.proxy.kill();
  const admin = `127.0.0.1:${await freePort()}`;
  const proxy = await startProxy(["--bind", `127.0.0.1:${site.proxy.port}`, "--admin", admin]);
  await expect(first.locator("#status-text")).toHaveText("Connected", { timeout: 20_000 });
  // It tells of its twenty pictures behind that.
  await expect.poll(() => holders(admin)).toBe(20);
  const page = await visit(tab, site.url);
  await expectAll(page);
  expect(await totals(page)).toEqual({ peers: ALL, origin: 0, here: 0 });
  await proxy.stop();
});

test("threat_25_without_webrtc_everything_comes_through_the_proxy", async ({ tab, realProxy }) => {
  const [seeder, page] = [await tab(realProxy.url), await tab(realProxy.url)];
  for (const one of [seeder, page]) {
    await one.evaluate(() => Reflect.deleteProperty(globalThis, "RTCPeerConnection"));
    await join(one, { store: "memory" });
  }
  const id = await seed(seeder, 11, 3 * PIECE + 5);
  await findable(page, id);
  const sources = { proxy: 3 * PIECE + 5, direct: 0, origin: 0 };
  expect(await fetchIn(page, id, 11, 3 * PIECE + 5)).toMatchObject({ isRight: true, sources });
});

test("threat_25_with_nobody_but_the_origin_the_page_is_as_without_a_swarm", async ({ tab, site }) => {
  const page = await tab(site.url);
  await expectAll(page);
  expect(await totals(page)).toEqual({ peers: 0, origin: ALL, here: 0 });
  expect(Object.values(site.sent().pictures)).toEqual(new Array(20).fill(ONE));
});

test("a page that gives nothing is nobody's source, and neither is one that is hidden before it has anything", async ({
  tab,
}) => {
  const [seeder, taker, hidden, late] = [await tab(), await tab(), await tab(), await tab()];
  await hidden.evaluate(() => {
    Object.defineProperty(document, "hidden", { get: () => kept.isHidden ?? true });
    Object.defineProperty(document, "visibilityState", { get: () => ((kept.isHidden ?? true) ? "hidden" : "visible") });
  });
  await join(seeder, { store: "memory" });
  await join(taker, { store: "memory", serve: false });
  await join(hidden, { store: "memory" });
  await join(late, { store: "memory" });
  const size = PIECE + 1;
  const id = await seed(seeder, 12, size);
  for (const page of [taker, hidden]) {
    await findable(page, id);
    expect(await fetchIn(page, id, 12, size)).toMatchObject({ isRight: true, sources: { peers: size } });
  }
  await seeder.close();
  expect(await fetchIn(late, id, 12, size)).toMatchObject({ code: "not_found" });
  await hidden.evaluate(() => {
    kept.isHidden = false;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await findable(late, id);
  expect(await fetchIn(late, id, 12, size)).toMatchObject({ isRight: true, sources: { peers: size } });
});
