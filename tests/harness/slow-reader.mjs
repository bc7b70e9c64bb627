/**
 * A client that stops reading while a tab sends, told step by step: the same for Chromium (Playwright) and Firefox
 * (puppeteer), which both have `page.evaluate`.
 */

import { until } from "./wait.mjs";

const MIB = 1 << 20;
/** The sender counts as stopped when so many looks in a row saw no progress. */
const STILL_LOOKS = 50;
const STOP_MS = 60_000;

/**
 * @typedef {{ evaluate(run: Function | string, argument?: unknown): Promise<any> }} Tab
 *
 * @typedef {object} SlowReader
 * @property {number} sentAtStop what the server had written when it stopped
 * @property {number} readAtStop what the client had read by then
 * @property {number} rssGrowth of the proxy, from before the transfer to the highest point while it stood
 * @property {number} echoMs for 8 MiB each way on another stream of the same tab, while the first stood
 * @property {{ bytes: number, sha: string }} sent
 * @property {{ bytes: number, sha: string }} received
 */

/**
 * @param {{ server: Tab, client: Tab, rss: () => number, name: string, total: number }} scene
 * @returns {Promise<SlowReader>}
 */
export async function slowReader({ server, client, rss, name, total }) {
  await server.evaluate(serve, { name, total });
  await client.evaluate(connect, name);
  const rssBefore = rss();
  await client.evaluate(readOne);
  const sentAtStop = await stopped(server, client);
  let rssMost = rss();
  const echoMs = await client.evaluate(echo, { name, bytes: 8 * MIB });
  rssMost = Math.max(rssMost, rss());
  const sentAfterEcho = await server.evaluate(() => globalThis.kept.sent);
  if (sentAfterEcho !== sentAtStop) throw new Error("the sender went on although nobody read");
  const readAtStop = await client.evaluate(() => globalThis.kept.read);
  const received = await client.evaluate(readRest);
  const sent = await server.evaluate(() => globalThis.kept.sending);
  return { sentAtStop, readAtStop, rssGrowth: rssMost - rssBefore, echoMs, sent, received };
}

/** The figures in one line. @param {string} browser @param {SlowReader} result */
export function told(browser, { sentAtStop, readAtStop, rssGrowth, echoMs, received }) {
  const mib = (/** @type {number} */ bytes) => `${(bytes / MIB).toFixed(1)} MiB`;
  return (
    `slow reader in ${browser}: of ${mib(received.bytes)} the sender stopped at ${mib(sentAtStop)} with ${mib(readAtStop)} read; ` +
    `proxy memory grew ${mib(rssGrowth)}; 8 MiB each way on another stream took ${Math.round(echoMs)} ms meanwhile`
  );
}

/** @param {Tab} server @param {Tab} client */
async function stopped(server, client) {
  let [sent, came, still] = [-1, -1, 0];
  await until(STOP_MS, "the sender to stop", async () => {
    const before = [sent, came];
    // At both ends: one that stands still on a busy machine sends nothing, or hears nothing.
    [sent, came] = await Promise.all([
      server.evaluate(() => globalThis.kept.sent),
      client.evaluate(() => globalThis.kept.stream.resumption.received),
    ]);
    still = sent === before[0] && came === before[1] && sent > 0 ? still + 1 : 0;
    return still >= STILL_LOOKS;
  });
  return sent;
}

/** In the server's page: the client that says `bulk` gets the pattern, others their echo. @param {any} argument */
async function serve({ name, total }) {
  const { bss, kept, t } = globalThis;
  kept.sent = 0;
  const handler = bss.StreamServer(bss.MuxDemux(), (stream) => {
    if (stream.meta === "bulk") {
      kept.sending = t.send(stream.writable, 6, total, (sent) => {
        kept.sent = sent;
      });
    } else {
      stream.readable.pipeTo(stream.writable);
    }
  });
  await handler.listen(name).listening;
}

/** In the client's page. @param {string} name */
async function connect(name) {
  const { bss, kept } = globalThis;
  kept.mdm = bss.MuxDemux();
  kept.stream = bss.StreamClient(kept.mdm).connect(name, { meta: "bulk" });
  await kept.stream.opened;
  kept.read = 0;
}

/** In the client's page: one chunk, and then nothing for a while. */
async function readOne() {
  const { kept, t } = globalThis;
  const reader = kept.stream.readable.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  kept.digest = new t.Digest();
  await kept.digest.add(value);
  kept.read = value.length;
}

/** In the client's page, on another stream to the same tab. @param {any} argument */
async function echo({ name, bytes }) {
  const { bss, kept, t } = globalThis;
  const start = performance.now();
  const stream = bss.StreamClient(kept.mdm).connect(name);
  const [sent, received] = await Promise.all([t.send(stream.writable, 7, bytes), t.receive(stream.readable)]);
  if (sent.sha !== received.sha) throw new Error("the echo differs");
  return performance.now() - start;
}

/** In the client's page: all that is left. */
async function readRest() {
  const { kept } = globalThis;
  const reader = kept.stream.readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { bytes: kept.digest.bytes, sha: await kept.digest.hex() };
    await kept.digest.add(value);
  }
}
