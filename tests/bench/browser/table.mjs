/** Medians of samples as rows: printed, and written as the Rust bench writes its own. */

import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname } from "node:path";

/**
 * @typedef {import("./figures.mjs").Figure} Figure
 * @typedef {Map<string, number[]>} Samples
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} unit
 * @property {number} ours
 * @property {number | null} baseline
 * @property {string | null} baseline_name
 * @property {number | null} ratio
 * @property {string | null} demand
 * @property {"ok" | "LOW" | null} verdict
 */

/** @param {Samples} samples @param {string} key @param {number} value */
export function add(samples, key, value) {
  samples.set(key, [...(samples.get(key) ?? []), value]);
}

/**
 * The medians; the ratio is that of rounds, since two halves of one round drift together. Undefined when it was not measured.
 *
 * @param {Figure} figure @param {Samples} samples @returns {Row | undefined}
 */
export function row(figure, samples) {
  const values = samples.get(figure.key);
  if (!values) return undefined;
  const ours = median(values);
  const others = figure.baseline && samples.get(figure.baseline[0]);
  const ratio = others ? median(values.map((value, i) => value / (others[i] ?? Number.NaN))) : null;
  const { demand, isMet } = judged(figure, ours, ratio);
  return {
    name: figure.name,
    unit: figure.unit,
    ours,
    baseline: others ? median(others) : null,
    baseline_name: figure.baseline?.[1] ?? null,
    ratio,
    demand,
    verdict: isMet === undefined ? null : isMet ? "ok" : "LOW",
  };
}

/** @param {Figure} figure @param {number} ours @param {number | null} ratio */
function judged({ ratioMin, min, max }, ours, ratio) {
  if (ratioMin !== undefined)
    return { demand: `≥ ${ratioMin.toFixed(2)}×`, isMet: ratio !== null && ratio >= ratioMin };
  if (min !== undefined) return { demand: `≥ ${min}`, isMet: ours >= min };
  if (max !== undefined) return { demand: `≤ ${max}`, isMet: ours <= max };
  return { demand: null, isMet: undefined };
}

/** @param {Row[]} rows */
export function print(rows) {
  console.log(line(["", "ours", "baseline", "ratio", "at least", "", "baseline"]));
  for (const { name, unit, ours, baseline, ratio, demand, verdict, baseline_name } of rows) {
    const factor = ratio === null ? "" : `${ratio.toFixed(2)}×`;
    const cells = [`${name}, ${unit}`, digits(ours), digits(baseline), factor, demand, verdict, baseline_name];
    console.log(line(cells.map((cell) => cell ?? "")));
  }
}

/** @param {string} path @param {number} rounds @param {Row[]} rows @param {string[]} notRun each with its reason */
export function write(path, rounds, rows, notRun) {
  const [cpu] = cpus();
  const report = {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores, ${cpu?.model ?? "unknown"}`,
    rounds,
    rows,
    not_run: notRun,
  };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
}

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  const [below = Number.NaN, above = Number.NaN] = [sorted[half - 1], sorted[half]];
  return sorted.length % 2 === 1 ? above : (below + above) / 2;
}

/** Three digits that count. @param {number | null} value */
function digits(value) {
  if (value === null) return "";
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** @param {string[]} cells */
function line([name = "", ours = "", baseline = "", ratio = "", demand = "", verdict = "", against = ""]) {
  const figures = `${ours.padStart(8)} ${baseline.padStart(8)} ${ratio.padStart(7)}`;
  return `${name.padEnd(49)} ${figures}  ${demand.padEnd(8)} ${verdict.padEnd(7)} ${against}`.trimEnd();
}
