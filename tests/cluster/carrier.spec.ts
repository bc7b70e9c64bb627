/** Pages that no WebSocket reaches, whose every request comes to the next node: three real proxies, and a balancer that knows no session. */

import { expect, serveEcho, test } from "../browser/fixture.ts";
import { connect, expectWhole, said, serve, WINDOW_MAX } from "../browser/talk.ts";
import { startCluster } from "../harness/cluster.mjs";
import { freePort } from "../harness/port.mjs";
import { startUpgrades } from "../harness/upgrades.mjs";
import { goOn, holdBack, moves } from "./held.ts";

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
  const [owner, passed] = [await cluster.owner(), await cluster.metrics("bss_cluster_http_ups_total")];
  expect(passed[owner], `who has the session passes nothing on: ${passed}`).toBe(0);
  expect(Math.max(...passed), `and others do what is for that one: ${passed}`).toBeGreaterThan(0);
  await cluster.stop();
});

test("where the node is killed that has its session a page goes on over HTTP at another, and no byte is lost", async ({
  tab,
  name,
}) => {
  const cluster = await startScattered();
  const [server, client] = [await tab(cluster.url), await tab(cluster.url)];
  await serve(server, name, 1, TOTAL, ["http"]);
  await holdBack(client, TOTAL);
  await connect(client, name, 2, TOTAL, ["http"]);
  const received = () => client.evaluate(() => kept.mdm.stats().received);
  await expect.poll(received, { intervals: [5], timeout: 60_000 }).toBeGreaterThan(TOTAL / 4);
  await cluster.kill(await cluster.owner());
  await goOn(client);
  const [mine, theirs] = await Promise.all([said(client), said(server)]);
  expect(await moves(client)).toBeGreaterThan(0);
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
  /** A metric of each node. */
  const metrics = (metric: string) =>
    Promise.all(
      admins.map(async (port) => {
        const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
        const line = text.split("\n").find((line) => line.startsWith(`${metric} `));
        return Number(line?.slice(metric.length));
      }),
    );
  return {
    nodes: cluster.nodes,
    url: balancer.url,
    metrics,
    /** The first node that has a session over HTTP. */
    async owner() {
      return (await metrics('bss_sessions_total{carrier="http"}')).findIndex((count) => count > 0);
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
