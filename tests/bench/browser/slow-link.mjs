/**
 * A network namespace behind 10 Mbit/s, for as long as the process that holds it lives: the proxy and its peer run inside, the page outside.
 * Needs root, `unshare`, `nsenter`, `ip` and `tc`.
 */

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { until } from "../../harness/wait.mjs";

const run = promisify(execFile);

const FAR_NAME = "far";
const START_MS = 5_000;

/**
 * @typedef {object} SlowLink
 * @property {string[]} through the command that runs another one inside
 * @property {string} address what the inside is called from outside
 * @property {() => Promise<void>} stop
 */

/** Makes one; an error says what is missing for it. @returns {Promise<SlowLink>} */
export async function startSlowLink() {
  // It ends with its input, so whatever happens here nothing is left behind.
  const holder = spawn("unshare", ["--net", "cat"], { stdio: ["pipe", "ignore", "ignore"] });
  const ended = once(holder, "close");
  // A program that is not there is told by what is asked of it below, too.
  holder.on("error", () => {});
  const stop = async () => {
    holder.kill("SIGKILL");
    await ended;
  };
  try {
    const pid = String(holder.pid);
    const through = ["nsenter", "--target", pid, "--net"];
    // `unshare` is in the namespace before it is `cat`.
    await until(START_MS, "a network namespace (is this root?)", async () => {
      const [ours, theirs] = await Promise.all(["self", pid].map(namespace));
      if (holder.exitCode !== null) throw new Error("unshare --net ended at once: is this root?");
      return theirs !== "" && ours !== theirs;
    });
    // RFC 2544 keeps 198.18.0.0/15 for benchmarks; each run has four addresses of its own.
    const network = 4 * (Number(pid) % 0x7fff);
    const [near, far] = [1, 2].map(
      (last) => `198.${18 + (network >> 16)}.${(network >> 8) & 255}.${(network & 255) + last}`,
    );
    const name = `bench${pid}`;
    await run("ip", ["link", "add", name, "type", "veth", "peer", "name", FAR_NAME, "netns", pid]);
    await bringUp([], name, near ?? "");
    await bringUp(through, FAR_NAME, far ?? "");
    await runInside(through, ["ip", "link", "set", "lo", "up"]);
    return { through, address: far ?? "", stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** An address and the slow link: 10 Mbit/s, a queue of at most 50 ms. @param {string[]} through @param {string} name @param {string} address */
async function bringUp(through, name, address) {
  const rate = ["root", "tbf", "rate", "10mbit", "burst", "16kb", "latency", "50ms"];
  for (const command of [
    ["ip", "address", "add", `${address}/30`, "dev", name],
    ["ip", "link", "set", name, "up"],
    ["tc", "qdisc", "add", "dev", name, ...rate],
  ]) {
    await runInside(through, command);
  }
}

/** @param {string[]} through @param {string[]} command */
async function runInside(through, command) {
  const [program = "", ...rest] = [...through, ...command];
  await run(program, rest);
}

/** Which network a process is in; empty if it is gone. @param {string} pid */
async function namespace(pid) {
  const { stdout } = await run("readlink", [`/proc/${pid}/ns/net`]).catch(() => ({ stdout: "" }));
  return stdout.trim();
}
