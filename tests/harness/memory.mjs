/** What processes hold: pages live in one of their own, and what a page keeps outside its heap counts there, too. */

import { readdirSync, readFileSync } from "node:fs";

/** Bytes of memory that a process holds now. @param {number} pid */
export function rss(pid) {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) * 1024;
}

/** Bytes of addresses that it has, used or not. @param {number} pid */
function addresses(pid) {
  return 1024 * Number(/^VmSize:\s+(\d+) kB$/m.exec(status(pid))?.[1] ?? 0);
}

/**
 * The process of Chromium that has a page's main frame: only its tracing tells.
 *
 * @param {import("@playwright/test").CDPSession} session of the page
 * @returns {Promise<number>}
 */
export async function processOf(session) {
  const { frameTree } = await session.send("Page.getFrameTree");
  /** @type {any[]} */
  const events = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", () => resolve(undefined)));
  await session.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["disabled-by-default-devtools.timeline"] },
  });
  await session.send("Tracing.end");
  await complete;
  const frames = events.flatMap(({ args }) => args?.data?.frames ?? []);
  const own = frames.find(({ frame }) => frame === frameTree.frame.id);
  if (!own?.processId) throw new Error(`the trace names no process of ${frameTree.frame.url}`);
  return own.processId;
}

/** So often has no other process grown at the same moment. */
const ROUNDS_MAX = 8;

/**
 * The process below `root` that has a page, in any browser: that whose addresses grow by a GiB whenever the page takes as many. A process that just starts grows
 * as well, but not each time. Nothing is written there, so that it costs no memory.
 *
 * @param {number} root
 * @param {{ evaluate(run: () => void): Promise<unknown> }} page
 * @returns {Promise<number>}
 */
export async function processAmong(root, page) {
  let grown = below(root);
  for (let round = 0; round < ROUNDS_MAX && grown.length > 1; round++) {
    const before = grown.map((pid) => ({ pid, size: addresses(pid) }));
    await page.evaluate(() => {
      // All of them are kept: were one freed meanwhile, the page would not have grown.
      globalThis.kept.markers ??= [];
      globalThis.kept.markers.push(new ArrayBuffer(2 ** 30));
    });
    grown = before.filter(({ pid, size }) => addresses(pid) - size >= 2 ** 30).map(({ pid }) => pid);
  }
  await page.evaluate(() => {
    globalThis.kept.markers = undefined;
  });
  const [pid = 0] = grown;
  if (grown.length !== 1) throw new Error(`${grown.length} processes grew by what one page took`);
  return pid;
}

/** @param {number} root @returns {number[]} */
function below(root) {
  const parents = new Map(
    readdirSync("/proc")
      .filter((entry) => /^\d+$/.test(entry))
      .map((entry) => [Number(entry), Number(/^PPid:\s+(\d+)$/m.exec(status(Number(entry)))?.[1])]),
  );
  const found = new Set([root]);
  for (let size = 0; size < found.size; ) {
    size = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/** Empty once it has ended. @param {number} pid */
export function status(pid) {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}
