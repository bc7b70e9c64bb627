/** The CPU time of a process and all below it: sturdier than the clock on a machine that others use, too. Linux only. */

import { readdirSync, readFileSync } from "node:fs";

/** Milliseconds so far; what ended meanwhile is not in it. @param {number} root a process id */
export function cpuMs(root) {
  const parents = new Map(processes().map((pid) => [pid, parent(pid)]));
  const below = (/** @type {number | undefined} */ pid) => {
    for (let at = pid; at !== undefined; at = parents.get(at)) if (at === root) return true;
    return false;
  };
  return [...parents.keys()].filter(below).reduce((sum, pid) => sum + own(pid), 0);
}

function processes() {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** @param {number} pid */
function parent(pid) {
  // The name in brackets may hold anything.
  const stat = read(`/proc/${pid}/stat`);
  const id = Number(stat.slice(stat.lastIndexOf(")")).split(" ")[2]);
  return id > 0 ? id : undefined;
}

/** @param {number} pid */
function own(pid) {
  const tasks = list(`/proc/${pid}/task`);
  return tasks.reduce((sum, task) => sum + Number(read(`/proc/${pid}/task/${task}/schedstat`).split(" ")[0]) / 1e6, 0);
}

/** Empty if it is gone. @param {string} path */
function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** @param {string} path */
function list(path) {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
