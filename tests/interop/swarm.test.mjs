/** Swarms of the library in Node, over the real proxy and its tracker. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { MuxDemux, Swarm } from "../harness/library.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { until } from "../harness/wait.mjs";

const PIECE = 256 * 1024;
/** Bytes a second that a peer gives, where that is what counts: so few that what a busy machine takes for the rest is little beside it. */
const RATE = 256 * 1024;
const WAIT_MS = 20_000;

/** @type {import("../harness/proxy.mjs").RunningProxy} */
let proxy;

before(async () => {
  proxy = await startProxy();
});

after(async () => {
  await proxy?.stop();
});

/** @param {import("/browser-stream-server-swarm.js").SwarmOptions} [options] */
function join(options) {
  const mdm = MuxDemux(proxy.mux, { WebSocket: /** @type {any} */ (WebSocket) });
  const swarm = Swarm(mdm, { store: "memory", ...options });
  const leave = async () => {
    await swarm.close();
    mdm.close();
  };
  return Object.assign(swarm, { leave, mdm });
}

/**
 * @param {number} length
 * @param {number} seed
 */
function pattern(length, seed) {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8) * 7 + (at >> 16) + seed) & 0xff);
}

/**
 * An origin that counts what it sends.
 * @param {Uint8Array} bytes
 */
async function serve(bytes) {
  const told = { sent: 0, url: "", close: () => server.close() };
  const server = createServer((request, response) => {
    const [, from = "", to = ""] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
    const [first, last] = from ? [Number(from), Number(to)] : [0, bytes.length - 1];
    const part = bytes.subarray(first, last + 1);
    told.sent += part.length;
    if (from) response.writeHead(206, { "content-range": `bytes ${first}-${last}/${bytes.length}` });
    response.end(part);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  told.url = `http://127.0.0.1:${address.port}/content`;
  return told;
}

/**
 * @param {{ blob(): Promise<Blob> }} fetching
 * @param {Uint8Array} bytes
 */
async function comes(fetching, bytes) {
  const blob = await fetching.blob();
  assert.equal(Buffer.compare(Buffer.from(await blob.arrayBuffer()), bytes), 0);
}

/**
 * Until this one finds so many holders.
 * @param {ReturnType<typeof join>} peer
 * @param {string} id
 * @param {number} count
 */
async function finds(peer, id, count) {
  await until(WAIT_MS, `${count} holders of ${id}`, async () => (await peer.find(id)).seeders >= count);
}

/**
 * Until another peer would find so many holders.
 * @param {string} id
 * @param {number} count
 */
async function held(id, count) {
  const asker = join({ serve: false });
  try {
    await finds(asker, id, count);
  } finally {
    await asker.leave();
  }
}

test("what one seeds others fetch, and the first can leave", { timeout: 120_000 }, async () => {
  const bytes = pattern(9 * PIECE + 1234, 1);
  const first = join();
  const id = await first.seed(new Blob([bytes]));
  await held(id, 1);
  const second = join();
  const fetching = second.fetch(id);
  await comes(fetching, bytes);
  assert.equal(fetching.sources.proxy, bytes.length);
  await held(id, 2);
  await first.leave();
  const third = join();
  await comes(third.fetch(id), bytes);
  assert.equal(second.stats().up, bytes.length);
  await Promise.all([second.leave(), third.leave()]);
});

test("the origin sends a content once to five who come one after the other", { timeout: 120_000 }, async () => {
  const bytes = pattern(5 * PIECE, 2);
  const origin = await serve(bytes);
  const seeding = join();
  const id = await seeding.seed(bytes);
  await seeding.leave();
  const peers = [];
  for (let count = 1; count <= 5; count++) {
    const peer = join();
    peers.push(peer);
    // Who has an origin waits a second for the tracker's first answer, and that may wait for the connection.
    await finds(peer, id, count - 1);
    await comes(peer.fetch(id, { origin: origin.url }), bytes);
    await held(id, count);
  }
  assert.equal(origin.sent, bytes.length);
  await Promise.all(peers.map((peer) => peer.leave()));
  origin.close();
});

test("four peers that give 256 KiB a second each give together more than one of them", {
  timeout: 120_000,
}, async () => {
  const bytes = pattern(16 * PIECE, 3);
  const time = async (/** @type {number} */ count) => {
    const seeders = Array.from({ length: count }, () => join({ uploadBytesPerSecond: RATE }));
    const ids = await Promise.all(seeders.map((seeder) => seeder.seed(new Blob([bytes]))));
    const id = /** @type {string} */ (ids[0]);
    await held(id, count);
    const fetcher = join({ serve: false });
    const from = performance.now();
    await comes(fetcher.fetch(id), bytes);
    const ms = performance.now() - from;
    await Promise.all([fetcher, ...seeders].map((peer) => peer.leave()));
    return ms;
  };
  const [one, four] = [await time(1), await time(4)];
  assert.ok(four < one / 2, `${four} ms with four, ${one} ms with one`);
});

test("threat_25_a_seeder_whose_connection_broke_is_found_again", { timeout: 120_000 }, async () => {
  const bytes = pattern(3 * PIECE, 4);
  const seeder = join();
  const id = await seeder.seed(new Blob([bytes]));
  await held(id, 1);
  const port = String(proxy.port);
  await proxy.kill();
  proxy = await startProxy(["--bind", `127.0.0.1:${port}`]);
  await held(id, 1);
  const fetcher = join();
  await comes(fetcher.fetch(id), bytes);
  await Promise.all([seeder.leave(), fetcher.leave()]);
});
