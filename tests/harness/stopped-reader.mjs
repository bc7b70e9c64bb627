/**
 * A reader that stops on a direct carrier while the other tab goes on writing, and what that costs both pages: the same for Chromium (Playwright) and
 * Firefox (puppeteer), which both have `page.evaluate`.
 */

import { until } from "./wait.mjs";

const MIB = 1 << 20;
/** Long enough for the window to grow to what it may. */
const BEFORE = 16 * MIB;
/** The writer counts as stopped when so many looks in a row saw no progress. */
const STILL_LOOKS = 50;
const STOP_MS = 60_000;
/** What a page is made to hold, to see that it would be noticed. */
const HELD = 128 * MIB;

/**
 * @typedef {{ evaluate(run: Function | string, argument?: unknown): Promise<any> }} Tab
 *
 * @typedef {object} StoppedReader
 * @property {number} unread bytes that lay in the reader's page when the writer stopped
 * @property {number} readerGrowth of the reader's page, from before the first byte to the highest point after the writer had stopped
 * @property {number} writerGrowth likewise, of the writer's page
 * @property {number} seen how much of {@link HELD} is seen in the reader's page, were it to hold that
 * @property {number} came bytes that had come when the writer stopped
 * @property {number} direct how many of them came directly
 * @property {number} received bytes that came in the end, every one of them right
 */

/**
 * `measure` makes a page's garbage go, where it can, and tells how many bytes the page holds.
 *
 * @param {{ writer: Tab, reader: Tab, measure: (page: "writer" | "reader") => Promise<number>, name: string, total: number }} scene
 * @returns {Promise<StoppedReader>}
 */
export async function stoppedReader({ writer, reader, measure, name, total }) {
  await writer.evaluate(serve, { name, total: BEFORE + total });
  await reader.evaluate(connect, name);
  for (const page of [writer, reader]) {
    await until(60_000, "a direct carrier", () => page.evaluate(() => globalThis.kept.stream?.carrier === "direct"));
  }
  const before = { reader: await measure("reader"), writer: await measure("writer") };
  await writer.evaluate(() => globalThis.kept.begin());
  await reader.evaluate(read, BEFORE);
  const most = { ...before };
  const look = async () => {
    most.reader = Math.max(most.reader, await measure("reader"));
    most.writer = Math.max(most.writer, await measure("writer"));
  };
  let [written, came, still] = [-1, -1, 0];
  await until(STOP_MS, "the writer to stop", async () => {
    const before = [written, came];
    // At both ends: one that stands still on a busy machine writes nothing, or hears nothing.
    [written, came] = await Promise.all([
      writer.evaluate(() => globalThis.kept.written),
      reader.evaluate(() => globalThis.kept.stream.resumption.received),
    ]);
    still = written === before[0] && came === before[1] ? still + 1 : 0;
    return still >= STILL_LOOKS;
  });
  // Later a part may come over the proxy: a connection on which nothing is heard for two seconds is given up.
  const direct = await reader.evaluate(() => globalThis.kept.stream.carried.direct.received);
  await look();
  const unread = came - (await reader.evaluate(() => globalThis.kept.read));
  const stood = await measure("reader");
  await reader.evaluate(hold, HELD);
  const seen = (await measure("reader")) - stood;
  const received = await reader.evaluate(readRest);
  return {
    unread,
    readerGrowth: most.reader - before.reader,
    writerGrowth: most.writer - before.writer,
    seen,
    came,
    direct,
    received,
  };
}

/** The figures in one line. @param {string} browser @param {number} total @param {StoppedReader} result */
export function told(browser, total, { unread, readerGrowth, writerGrowth, seen }) {
  const mib = (/** @type {number} */ bytes) => `${(bytes / MIB).toFixed(1)} MiB`;
  return (
    `a reader that stopped on a direct carrier in ${browser}, ${mib(total)} yet to come: ${mib(unread)} lay unread; the reader's page grew ` +
    `${mib(readerGrowth)}, the writer's ${mib(writerGrowth)}; of ${mib(HELD)} that it is made to hold ${mib(seen)} are seen`
  );
}

/** In the writer's page: its client gets the same 64 KiB over and over, so that no garbage is made. @param {any} argument */
async function serve({ name, total }) {
  const { bss, kept, t } = globalThis;
  kept.written = 0;
  const server = bss.StreamServer(bss.MuxDemux(), { direct: true }, (stream) => {
    kept.stream = stream;
    const chunk = t.pattern(5, 0, 65_536);
    kept.begin = () => {
      kept.sending = (async () => {
        const writer = stream.writable.getWriter();
        for (; kept.written < total; kept.written += chunk.length) await writer.write(chunk);
        await writer.close();
      })();
      kept.sending.catch(() => {});
    };
  });
  await server.listen(name).listening;
}

/** In the reader's page. @param {string} name */
async function connect(name) {
  const { bss, kept, t } = globalThis;
  kept.stream = bss.StreamClient(bss.MuxDemux(), { direct: true }).connect(name);
  kept.reader = kept.stream.readable.getReader();
  kept.read = 0;
  const right = t.pattern(5, 0, 65_536);
  kept.next = async () => {
    const { done, value } = await kept.reader.read();
    if (done) return false;
    for (const byte of value)
      if (byte !== right[kept.read++ % right.length]) throw new Error(`another byte before ${kept.read}`);
    return true;
  };
  await kept.stream.opened;
}

/** In the reader's page. @param {number} bytes */
async function read(bytes) {
  const { kept } = globalThis;
  while (kept.read < bytes) await kept.next();
}

/** In the reader's page: bytes that are written to, so that they are really there. @param {number} bytes */
function hold(bytes) {
  globalThis.kept.held = new Uint8Array(bytes).fill(1);
}

/** In the reader's page: all that is left. */
async function readRest() {
  const { kept } = globalThis;
  while (await kept.next()) {}
  return kept.read;
}
