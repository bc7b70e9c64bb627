/**
 * `make bench`, the part in a page: the library through the proxy beside a bare WebSocket in the same Chromium, interleaved, medians.
 *
 * `node main.mjs [PATTERN] [ROUNDS]` runs the cases whose name contains PATTERN.
 */

import { fileURLToPath } from "node:url";
import { chromium } from "../../harness/programs.mjs";
import { CASES } from "./cases.mjs";
import { FIGURES } from "./figures.mjs";
import { setStage } from "./stage.mjs";
import { add, print, row, write } from "./table.mjs";

const ROUNDS = 5;
const OUT = fileURLToPath(new URL("../../../target/bench-browser.json", import.meta.url));

const [pattern = "", rounds = String(ROUNDS)] = process.argv.slice(2);
const missing = lacking();
if (missing) {
  console.log(`NOT RUN: the rows in a page: ${missing}`);
  write(OUT, 0, [], [`the rows in a page: ${missing}`]);
} else {
  await measure(pattern, Number(rounds));
}

/** Why there is no browser, or undefined. */
function lacking() {
  try {
    chromium();
    return undefined;
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
}

/** @param {string} pattern @param {number} rounds */
async function measure(pattern, rounds) {
  /** @type {import("./table.mjs").Samples} */
  const samples = new Map();
  /** @type {Set<string>} */
  const notRun = new Set();
  const stage = await setStage();
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const { name, run } of CASES.filter(({ name }) => name.includes(pattern))) {
        console.error(`round ${round} of ${rounds}: ${name}, in a page`);
        const reason = await run(stage, (key, value) => add(samples, key, value));
        if (reason) notRun.add(`${name}, in a page: ${reason}`);
      }
    }
  } finally {
    await stage.stop();
  }
  const rows = FIGURES.flatMap((figure) => row(figure, samples) ?? []);
  print(rows);
  for (const reason of notRun) console.log(`NOT RUN: ${reason}`);
  // What was asked for in part is shown, but the file always holds a whole run.
  if (pattern === "") write(OUT, rounds, rows, [...notRun]);
}
