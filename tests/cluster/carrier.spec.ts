/** Pages that no WebSocket reaches, whose every request comes to the next node: three real proxies, and a balancer that knows no session. */

import { expect, serveEcho, test } from "../browser/fixture.ts";
import { connect, expectWhole, said, serve, WINDOW_MAX } from "../browser/talk.ts";
import { startCluster } from "../harness/cluster.mjs";
import { freePort } from "../harness/port.mjs";
import { startUpgrades } from "../harness/upgrades.mjs";

const LONG = process.env.LONG === "1";
/** Bytes there and back, and each way while a node is killed. */
const BYTES = (LONG ? 64 : 4) << 20;
const TOTAL = (LONG ? 64 : 8) << 20;

test("where each request comes to another node a page talks over HTTP, and every byte arrives", async ({
  tab,
  name,
}) => {
  const cluster = await startScattered();
  const server = await tab(cluster.nodes[1]?.url);
  await serveEcho(server, name);
  const client = await tab(cluster.url);
  const { received, sent, carrier } = await client.evaluate(
    async ({ name, total }) => {
      kept.mdm = bss.MuxDemux(undefined, { carriers: ["http"] });
      const stream = bss.StreamClient(kept.mdm).connect(name);
      const [received, sent] = await Promise.all([t.receive(stream.readable), t.send(stream.writable, 7, total)]);
      return { received, sent, carrier: kept.mdm.carrier };
    },
    { name, total: BYTES },
  );
  expect(received).toEqual(sent);
  expect([received.bytes, carrier]).toEqual([BYTES, "http"]);
  const passed = await Promise.all([0, 1, 2].map((at) => cluster.metric(at, "bss_cluster_http_ups_total")));
  expect(passed.filter((count) => count > 0).length, `two nodes pass on what is for the third: ${passed}`).toBe(2);
  await cluster.stop();
});

test("where the node is killed that has its session a page goes on over HTTP at another, and no byte is lost", async ({
  tab,
  name,
}) => {
  const cluster = await startScattered();
  const [server, client] = [await tab(cluster.url), await tab(cluster.url)];
  await serve(server, name, 1, TOTAL, ["http"]);
  await connect(client, name, 2, TOTAL, ["http"]);
  const received = () => client.evaluate(() => kept.mdm.stats().received);
  await expect.poll(received, { intervals: [5], timeout: 60_000 }).toBeGreaterThan(TOTAL / 4);
  const held = await Promise.all([0, 1, 2].map((at) => cluster.metric(at, 'bss_sessions_total{carrier="http"}')));
  await cluster.kill(held.findIndex((count) => count > 0));
  const [mine, theirs] = await Promise.all([said(client), said(server)]);
  expectWhole(mine, theirs, 2, WINDOW_MAX, TOTAL);
  expect(await server.evaluate(() => kept.streams), "its server met one stream").toBe(1);
  await cluster.stop();
});

/** Three nodes, and in front of them what gives each request to the next of those that are there, and lets no WebSocket through. */
async function startScattered() {
  const admins = await Promise.all([freePort(), freePort(), freePort()]);
  const cluster = await startCluster(
    3,
    admins.map((port) => ["--admin", `127.0.0.1:${port}`]),
  );
  const there = [...cluster.nodes];
  let turn = 0;
  const balancer = await startUpgrades(() => there[turn++ % there.length]?.port ?? 0);
  return {
    nodes: cluster.nodes,
    url: balancer.url,
    /** A metric of one node. */
    async metric(at: number, metric: string) {
      const text = await (await fetch(`http://127.0.0.1:${admins[at]}/metrics`)).text();
      const line = text.split("\n").find((line) => line.startsWith(`${metric} `));
      return Number(line?.slice(metric.length));
    },
    /** Ends a node as if its machine had gone: the balancer sees that. */
    async kill(at: number) {
      const [killed] = cluster.nodes.slice(at, at + 1);
      there.splice(there.indexOf(killed as (typeof there)[number]), 1);
      await killed?.end("SIGKILL");
    },
    async stop() {
      await balancer.stop();
      await cluster.stop();
    },
  };
}
