/** Tabs at different nodes of a cluster: three real proxies, and a real NATS server. */

import { expect, type Page, serveEcho, test, tryConnect } from "../browser/fixture.ts";
import { connect, expectWhole, said, serve, WINDOW_MAX } from "../browser/talk.ts";
import { startCluster } from "../harness/cluster.mjs";
import { startShim } from "../harness/shim.mjs";
import { goOn, holdBack, moves } from "./held.ts";

/** Bytes each way while a node is killed. */
const TOTAL = (process.env.LONG === "1" ? 100 : 8) << 20;

test("tabs at different nodes speak to one another, and hear of each other's names", async ({ tab, name }) => {
  const cluster = await startCluster();
  const [server, client, other] = await tabs(tab, cluster.nodes);
  await serveEcho(server, name);
  const echoed = await client.evaluate(async (name) => {
    kept.mdm = bss.MuxDemux();
    const stream = bss.StreamClient(kept.mdm).connect(name);
    const [, back] = await Promise.all([t.say(stream.writable, "across nodes"), t.text(stream.readable)]);
    return back;
  }, name);
  expect(echoed).toBe("across nodes");
  const taken = await other.evaluate(async (name) => {
    kept.mdm = bss.MuxDemux();
    return await t.outcome(bss.StreamServer(kept.mdm, () => {}).listen(name).listening);
  }, name);
  expect(taken.code).toBe("name_taken");
  expect((await tryConnect(other, `${name}-of-nobody`, { wait: 0 })).code).toBe("not_found");
  await cluster.stop();
});

for (const [whose, killed] of [
  ["the_server", 0],
  ["the_client", 1],
] as const) {
  test(`a_transfer_between_tabs_at_two_nodes_goes_on_at_the_third_when_that_of_${whose}_is_killed`, async ({
    tab,
    name,
  }) => {
    const cluster = await startCluster();
    const [first, second, third] = cluster.nodes;
    if (!first || !second || !third) throw new Error("three nodes");
    // Each tab has a way of its own, which leads to another node once the test says so: as a balancer does that sees a node gone.
    const ways = await Promise.all([startShim(first.port), startShim(second.port)]);
    const [server, client] = await tabs(tab, ways);
    await serve(server, name, 1, TOTAL);
    await holdBack(client, TOTAL);
    await connect(client, name, 2, TOTAL);
    const carried = () => ways.reduce((sum, way) => sum + way.carried(), 0);
    await expect.poll(carried, { intervals: [5], timeout: 60_000 }).toBeGreaterThan(TOTAL);
    ways[killed]?.to(third.port);
    await cluster.nodes[killed]?.end("SIGKILL");
    await goOn(client);
    const [mine, theirs] = await Promise.all([said(client), said(server)]);
    expect(await moves(client)).toBeGreaterThan(0);
    expectWhole(mine, theirs, 2, WINDOW_MAX, TOTAL);
    expect(await server.evaluate(() => kept.streams), "its server met one stream").toBe(1);
    for (const way of ways) await way.stop();
    await cluster.stop();
  });
}

/** A tab at each of these places. */
async function tabs(tab: (url?: string) => Promise<Page>, places: readonly { url: string }[]) {
  const pages = await Promise.all(places.map((place) => tab(place.url)));
  return pages as [Page, Page, Page];
}
