/** Swarms: several holders with small lines beside one of them, and images from peers of which most do harm beside the origin alone. */

import { startOrigin } from "../../../examples/image-swarm/serve.mjs";
import { announce, PIECE, pictures } from "../../harness/evil.mjs";
import { install } from "../../harness/in-page.mjs";
import { MIB } from "./size.mjs";

/** What a holder gives in a second. */
const LINE = MIB;
const HOLDERS = 4;
const TOTAL = 8 * MIB;
/** Harmful peers of each kind. */
const EVIL = 2;

/**
 * @typedef {import("./stage.mjs").Stage} Stage
 * @typedef {(key: string, value: number) => void} Add
 */

/** A content from one holder, then another one from four. @param {Stage} stage @param {Add} add */
export async function together(stage, add) {
  const url = `${stage.origin}/`;
  const holders = [];
  for (let at = 0; at < HOLDERS; at++) holders.push(await member(stage, url, { uploadBytesPerSecond: LINE }));
  const page = await member(stage, url, {});
  for (const [key, many] of /** @type {[string, number][]} */ ([
    ["swarmOne", 1],
    ["swarmFour", HOLDERS],
  ])) {
    const seed = seeds++;
    const ids = await Promise.all(holders.slice(0, many).map((holder) => holder.evaluate(seedIn, seed, TOTAL)));
    add(key, (TOTAL / MIB / (await page.evaluate(fetchIn, ids[0] ?? "", many))) * 1000);
  }
  for (const tab of [...holders, page]) await tab.browserContext().close();
}
let seeds = 0;

/** The twenty pictures of the example with harmful peers among those who announce them, and one that is none; then from the origin alone. @param {Stage} stage @param {Add} add */
export async function faults(stage, add) {
  const origin = await startOrigin({ proxy: stage.mux.replace(/^ws(.*)mux$/, "http$1") });
  const url = new URL("/", origin.url).href;
  const [evil, good, page] = [await open(stage, url), await member(stage, url, {}), await member(stage, url, {})];
  try {
    const contents = pictures();
    const ids = contents.map(({ id }) => id);
    for (const kind of /** @type {const} */ (["dead", "silent", "mute", "liar", "leaver"])) {
      await evil.evaluate(announce, { kind, contents, many: EVIL, piece: PIECE });
    }
    await good.evaluate(showAll, ids, true);
    add("swarmFaults", await page.evaluate(showAll, ids, true));
    add("originAlone", await page.evaluate(showAll, ids, false));
  } finally {
    for (const one of [evil, good, page]) await one.browserContext().close();
    await origin.stop();
  }
}

/** A page in a window of its own: one behind others would give less. @param {Stage} stage @param {string} url */
async function open(stage, url) {
  const context = await stage.browser.createBrowserContext();
  const page = await context.newPage();
  await page.goto(url);
  await page.evaluate(install);
  await page.evaluate(async () => {
    globalThis.bss = await import("/browser-stream-server.js");
  });
  return page;
}

/** One with a swarm. @param {Stage} stage @param {string} url @param {{ uploadBytesPerSecond?: number }} options */
async function member(stage, url, options) {
  const page = await open(stage, url);
  await page.evaluate(
    async (mux, options) => {
      const { Swarm } = await import("/browser-stream-server-swarm.js");
      kept.swarm = Swarm(bss.MuxDemux(mux), { store: "memory", ...options });
    },
    stage.mux,
    options,
  );
  return page;
}

/** @param {number} seed @param {number} total */
async function seedIn(seed, total) {
  const words = new Uint32Array(total / 4).map((_, at) => Math.imul(at + 1, 0x9e3779b1 + 2 * seed));
  return /** @type {string} */ (await kept.swarm.seed(new Uint8Array(words.buffer)));
}

/** Milliseconds until all of it is there and checked, from so many. @param {string} id @param {number} many */
async function fetchIn(id, many) {
  const start = performance.now();
  const got = kept.swarm.fetch(id);
  await got.done;
  const took = performance.now() - start;
  const givers = Object.keys(got.sources.perPeer).length;
  if (givers !== many) throw new Error(`${givers} of ${many} gave`);
  return took;
}

/** Milliseconds until all pictures can be seen. @param {string[]} ids @param {boolean} isSwarm */
async function showAll(ids, isSwarm) {
  const start = performance.now();
  await Promise.all(
    ids.map(async (id, at) => {
      const origin = `/examples/image-swarm/pictures/${String(at + 1).padStart(2, "0")}.png`;
      const blob = isSwarm
        ? await kept.swarm.fetch(id, { origin: new URL(origin, location.href) }).blob()
        : await (await fetch(origin)).blob();
      const image = new Image();
      image.src = URL.createObjectURL(blob);
      await image.decode();
      URL.revokeObjectURL(image.src);
    }),
  );
  return performance.now() - start;
}
