/** What is said to many, and files, where the tabs are at different nodes. */

import { goIn, notices, texts, tick, write } from "../browser/chat-room.ts";
import { row, sample, save, sha256, sha256Of, share } from "../browser/exchange.ts";
import { expect, type Page, test } from "../browser/fixture.ts";
import { startCluster } from "../harness/cluster.mjs";
import { startShim } from "../harness/shim.mjs";

/** Messages of a quarter of a MiB. */
const MESSAGES = process.env.LONG === "1" ? 256 : 32;

test("three people whose pages are at three nodes chat in one room, until the node of one is killed", async ({
  tab,
  name,
}) => {
  const cluster = await startCluster();
  const people: Page[] = [];
  for (const [at, node] of cluster.nodes.entries()) {
    const page = await tab(`${node.url}examples/chat/`);
    await goIn(page, `Person ${at}`, name);
    people.push(page);
  }
  const [ann, bob, cem] = people as [Page, Page, Page];
  for (const page of people) await expect(page.locator("#people-list li")).toHaveCount(3);
  for (let number = 0; number < 5; number++) await write(ann, `Ann ${number}`);
  const all = Array.from({ length: 5 }, (_, number) => `Ann ${number}`);
  for (const page of people) await expect.poll(() => texts(page)).toEqual(all);
  await write(cem, "read");
  for (const page of people) await expect.poll(() => texts(page)).toEqual([...all, "read"]);
  await cluster.nodes[2]?.end("SIGKILL");
  for (const page of [ann, bob]) await expect(page.locator("#people-list li")).toHaveCount(2, { timeout: 40_000 });
  await write(bob, "still here");
  await expect.poll(() => texts(ann)).toEqual([...all, "read", "still here"]);
  await cluster.stop();
});

test("who comes back at another node when its own was killed is there once for everybody, and is sent all", async ({
  tab,
  name,
}) => {
  const cluster = await startCluster();
  const [first, second, third] = cluster.nodes;
  if (!first || !second || !third) throw new Error("three nodes");
  // It leads to another node once the test says so: as a balancer does that sees a node gone.
  const way = await startShim(third.port);
  const enter = async (url: string, person: string, room: string) => {
    const page = await tab(`${url}examples/chat/`);
    await goIn(page, person, room);
    return page;
  };
  const ann = await enter(first.url, "Ann", name);
  const bob = await enter(second.url, "Bob", name);
  const cem = await enter(way.url, "Cem", name);
  // By them it is seen when the node that was killed is written off.
  const watcher = await enter(first.url, "Eve", `${name}-2`);
  await enter(third.url, "Dan", `${name}-2`);
  await expect(people(watcher)).toHaveCount(2);
  for (const page of [ann, bob, cem]) await expect(people(page)).toHaveCount(3);
  await write(cem, "before");
  for (const page of [ann, bob]) await expect.poll(() => texts(page)).toEqual(["before"]);
  const most = await Promise.all([ann, bob, cem].map(mostPeople));

  way.to(second.port);
  await third.end("SIGKILL");
  await write(ann, "while it is away");
  await write(cem, "back again");
  const said = ["back again", "before", "while it is away"];
  for (const page of [ann, bob, cem]) await expect.poll(async () => (await texts(page)).sort()).toEqual(said);
  await expect(tick(ann, "while it is away")).toHaveText(ALL);
  await expect(people(watcher)).toHaveCount(1, { timeout: 40_000 });
  for (const [page, word] of [
    [ann, "to all"],
    [cem, "from the other node"],
  ] as const) {
    await write(page, word);
    await expect(tick(page, word)).toHaveText(ALL);
  }
  for (const page of [ann, bob, cem]) await expect(people(page)).toHaveCount(3);
  expect(await Promise.all(most.map((seen) => seen.evaluate(({ most }) => most)))).toEqual([3, 3, 3]);
  for (const page of [ann, bob]) {
    expect((await notices(page).allTextContents()).filter((notice) => /left|is back/.test(notice))).toEqual([]);
  }
  await way.stop();
  await cluster.stop();
});

/** Beside a message that all of the others have: what is said more of it stands behind a full stop. */
const ALL = /^\W*(delivered|seen by all)\. /;

function people(page: Page) {
  return page.locator("#people-list li");
}

/** The most people that were shown at once from now on. */
function mostPeople(page: Page) {
  return page.evaluateHandle(() => {
    const list = document.querySelector("#people-list");
    if (!list) throw new Error("no list of people");
    const seen = { most: 0 };
    const look = () => {
      seen.most = Math.max(seen.most, list.children.length);
    };
    new MutationObserver(look).observe(list, { childList: true });
    look();
    return seen;
  });
}

test("what a tab publishes at one node is read by tabs at all of them, in order and to the end", async ({
  tab,
  name,
}) => {
  const cluster = await startCluster();
  const [first, second, third] = cluster.nodes;
  if (!first || !second || !third) throw new Error("three nodes");
  const readers = await Promise.all([first, second, third, third].map((node) => tab(node.url)));
  const sender = await tab(first.url);
  const reading = readers.map((page) =>
    page.evaluate(async (name) => {
      const { Channel } = await import("/browser-stream-server-channel.js");
      const subscription = Channel(bss.MuxDemux()).subscribe(name, { wait: 15_000 });
      const sum = new t.Digest();
      for await (const { readable } of subscription) {
        for await (const chunk of readable as unknown as AsyncIterable<Uint8Array>) await sum.add(chunk);
      }
      return { bytes: sum.bytes, sha: await sum.hex(), reason: subscription.reason };
    }, name),
  );
  const sent = await sender.evaluate(
    async ({ name, messages, waitFor }) => {
      const { Channel } = await import("/browser-stream-server-channel.js");
      const publication = Channel(bss.MuxDemux()).publish(name, { waitFor });
      const sum = new t.Digest();
      for (let number = 0; number < messages; number++) {
        const data = t.pattern(1, number << 18, 1 << 18);
        await sum.add(data);
        await publication.send(data);
      }
      await publication.end("all of it");
      return { bytes: sum.bytes, sha: await sum.hex() };
    },
    { name, messages: MESSAGES, waitFor: readers.length },
  );
  expect(sent.bytes).toBe(MESSAGES << 18);
  for (const got of await Promise.all(reading)) expect(got).toEqual({ ...sent, reason: "all of it" });
  await cluster.stop();
});

test("a file that is shared at one node is saved whole by who opens its link at another", async ({ tab }) => {
  const cluster = await startCluster();
  const [first, second] = cluster.nodes;
  if (!first || !second) throw new Error("two nodes");
  const file = sample("across nodes.bin", (4 << 20) + 123);
  const sender = await tab(`${first.url}examples/file-exchange/`);
  const link = await share(sender, [file]);
  const receiver = await tab(link.replace(first.url, second.url));
  const download = await save(receiver, file.name);
  expect(await sha256Of(download), file.name).toBe(sha256(file.buffer));
  await expect(row(receiver, file.name)).toContainText("Saved, and checked");
  await cluster.stop();
});
