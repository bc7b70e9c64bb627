/** What is measured in one round. */

import { startProxy } from "../../harness/proxy.mjs";
import { profile } from "./cost.mjs";
import { MIB } from "./size.mjs";
import { startSlowLink } from "./slow-link.mjs";
import { LIGHT, NAME, startPeer } from "./stage.mjs";
import { faults, together } from "./swarm.mjs";
import { visits } from "./visits.mjs";

const TOTAL = 256 * MIB;
/** Of a delayed transfer, the first part is not counted: in it the windows grow. */
const DELAYED = 160 * MIB;
const GROWING = 32 * MIB;
const COST_TOTAL = 256 * MIB;
const TICKS_MS = 3_000;
/** The first bytes of a page are slower: windows grow, code is compiled, for some thousand messages ever better. So much of each kind goes first. */
const WARM = 256 * MIB;
/** Until every queue on a slow way is as full as it gets, and how long it is looked at then. */
const FILL_MS = 4_000;
const SLOW_MS = 5_000;

/**
 * @typedef {import("./stage.mjs").Stage} Stage
 * @typedef {import("puppeteer-core").Page} Page
 * @typedef {(key: string, value: number) => void} Add
 * @typedef {object} Case
 * @property {string} name
 * @property {(stage: Stage, add: Add) => Promise<string | void>} run gives the reason where it cannot run here
 */

/** @type {Case[]} */
export const CASES = [
  { name: "throughput down", run: (stage, add) => throughput(stage, add, "Down") },
  { name: "throughput up", run: (stage, add) => throughput(stage, add, "Up") },
  { name: "resumable down", run: (stage, add) => resumable(stage, add, "Down") },
  { name: "resumable up", run: (stage, add) => resumable(stage, add, "Up") },
  { name: "sealed down", run: (stage, add) => sealed(stage, add, "Down") },
  { name: "sealed up", run: (stage, add) => sealed(stage, add, "Up") },
  { name: "carriers down", run: (stage, add) => carriers(stage, add, "Down") },
  { name: "carriers up", run: (stage, add) => carriers(stage, add, "Up") },
  { name: "cost down", run: (stage, add) => cost(stage, add, "Down") },
  { name: "cost up", run: (stage, add) => cost(stage, add, "Up") },
  { name: "delay on the page's side", run: (stage, add) => delayed(stage, add, "near", stage.farMux, NAME) },
  { name: "delay on the peer's side", run: (stage, add) => delayed(stage, add, "far", stage.mux, `far-${NAME}`) },
  { name: "slow link", run: slowLink },
  { name: "background", run: background },
  { name: "swarm of four", run: together },
  { name: "swarm with faults", run: faults },
  { name: "visits by HTTP", run: (_, add) => visits(add) },
];

/** Bare and ours in the same page, one after the other; who is first changes. @param {Stage} stage @param {Add} add @param {"Down" | "Up"} way */
async function throughput(stage, add, way) {
  const page = await stage.tab();
  const runs = {
    bare: async (/** @type {number} */ total) => {
      await stage.peer.tell({ bare: `${stage.relay}/s` });
      return await transfer(page, `bare${way}`, `${stage.relay}/c`, total);
    },
    ours: (/** @type {number} */ total) => transfer(page, `ours${way}`, stage.mux, total, LIGHT),
  };
  const order = /** @type {("bare" | "ours")[]} */ (turns++ % 4 > 1 ? ["ours", "bare"] : ["bare", "ours"]);
  for (const kind of order) add(`${kind}${way}First`, await runs[kind](WARM));
  for (const kind of order) {
    const before = stage.cpuMs();
    add(kind + way, await runs[kind](TOTAL));
    add(`${kind}${way}Cpu`, ((stage.cpuMs() - before) * MIB) / TOTAL);
  }
  await page.close();
}
let turns = 0;

/** A stream that survives its connection and one that does not, to the library in Node, one after the other; who is first changes. @param {Stage} stage @param {Add} add @param {"Down" | "Up"} way */
async function resumable(stage, add, way) {
  const page = await stage.tab();
  const order = turns++ % 4 > 1 ? [true, false] : [false, true];
  const run = (/** @type {boolean} */ resume, /** @type {number} */ total) =>
    transfer(page, `ours${way}`, stage.mux, total, NAME, 0, resume);
  for (const resume of order) await run(resume, WARM);
  for (const resume of order) add((resume ? "resumable" : "plain") + way, await run(resume, TOTAL));
  await page.close();
}

/** A sealed stream and one in the clear, to the library in Node, one after the other; who is first changes. @param {Stage} stage @param {Add} add @param {"Down" | "Up"} way */
async function sealed(stage, add, way) {
  const page = await stage.tab();
  const names = /** @type {[key: string, name: string][]} */ ([
    ["clear", NAME],
    ["sealed", `sealed-${NAME}`],
  ]);
  const order = turns++ % 4 > 1 ? names.reverse() : names;
  for (const [, name] of order) await transfer(page, `ours${way}`, stage.mux, WARM, name);
  for (const [key, name] of order) add(key + way, await transfer(page, `ours${way}`, stage.mux, TOTAL, name));
  await page.close();
}

/** What carries a session, one after the other in one page; who is first changes. @param {Stage} stage @param {Add} add @param {"Down" | "Up"} way */
async function carriers(stage, add, way) {
  const page = await stage.tab();
  const all = ["websocket", "http", ...(stage.hasWebTransport ? ["webtransport"] : [])];
  all.push(...all.splice(0, turns++ % all.length));
  const run = (/** @type {string} */ carrier, /** @type {number} */ total) =>
    transfer(page, `ours${way}`, `${stage.mux}#${carrier}`, total, LIGHT);
  for (const carrier of all) await run(carrier, WARM);
  for (const carrier of all) {
    const before = stage.cpuMs();
    add(carrier + way, await run(carrier, TOTAL));
    add(`${carrier}${way}Cpu`, ((stage.cpuMs() - before) * MIB) / TOTAL);
  }
  await page.close();
  return stage.hasWebTransport ? undefined : "WebTransport is missing: build bss with the feature webtransport";
}

/** Milliseconds of the main thread in the library's code for each MiB. @param {Stage} stage @param {Add} add @param {"Down" | "Up"} way */
async function cost(stage, add, way) {
  const page = await stage.tab("index.js");
  await transfer(page, `ours${way}`, stage.mux, WARM);
  const ms = await profile(page, () => transfer(page, `ours${way}`, stage.mux, COST_TOTAL));
  add(`library${way}`, (ms * MIB) / COST_TOTAL);
  await page.close();
}

/** @param {Stage} stage @param {Add} add @param {string} side @param {string} url @param {string} name */
async function delayed(stage, add, side, url, name) {
  const page = await stage.tab();
  for (const way of ["Down", "Up"]) add(side + way, await transfer(page, `ours${way}`, url, DELAYED, name, GROWING));
  await page.close();
}

/** A ping beside a transfer of the same session, through 10 Mbit/s. @param {Stage} stage @param {Add} add */
async function slowLink(stage, add) {
  const link = await startSlowLink().catch((error) => `it needs root, unshare, nsenter, ip and tc (${error.message})`);
  if (typeof link === "string") return link;
  /** @type {(() => unknown)[]} */
  const stops = [link.stop];
  try {
    const proxy = await startProxy(
      ["--bind", `${link.address}:0`, "--open", "--allow-origin", stage.origin],
      link.through,
    );
    stops.push(proxy.stop);
    const peer = await startPeer(stops, link.through);
    await peer.tell({ serve: proxy.mux, name: NAME });
    const page = await stage.tab();
    for (const way of ["Down", "Up"]) {
      const times = await page.evaluate(
        (...all) => globalThis.bench.pings(...all),
        proxy.mux,
        NAME,
        way,
        FILL_MS,
        SLOW_MS,
      );
      // They are so few that the 99th percentile is the worst.
      add(`slow${way}`, Math.max(...times));
    }
    await page.close();
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
  return undefined;
}

/** The same upload with the page in front, and behind another tab. @param {Stage} stage @param {Add} add */
async function background(stage, add) {
  const page = await stage.tab();
  await page.bringToFront();
  await transfer(page, "oursUp", stage.mux, WARM);
  add("visibleUp", await transfer(page, "oursUp", stage.mux, TOTAL));
  const other = await stage.browser.newPage();
  await other.bringToFront();
  const visibility = await page.evaluate(() => document.visibilityState);
  if (visibility !== "hidden") throw new Error(`the page in the background is ${visibility}`);
  add("hiddenTicks", await page.evaluate((ms) => globalThis.bench.ticks(ms), TICKS_MS));
  add("hiddenUp", await transfer(page, "oursUp", stage.mux, TOTAL));
  await other.close();
  await page.close();
}

/**
 * MiB/s of one transfer.
 *
 * @param {Page} page @param {string} kind a function of in-page.mjs @param {string} url @param {number} total @param {string} name
 * @param {number} skip bytes at the start that are not counted @param {boolean} resume
 */
async function transfer(page, kind, url, total, name = NAME, skip = 0, resume = true) {
  const ms = await page.evaluate(
    (kind, ...rest) => globalThis.bench[kind](...rest),
    /** @type {any} */ (kind),
    url,
    total,
    name,
    skip,
    resume,
  );
  return ((total - skip) / MIB / ms) * 1000;
}
