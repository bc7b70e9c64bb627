/**
 * Two network namespaces that meet over one link, on which UDP can be dropped, for as long as the processes that hold them live. Neither is the machine's own:
 * a link that came or went there would be a change of network for every other browser on the machine, which breaks off what it is loading
 * (`ERR_NETWORK_CHANGED`). Needs root, `unshare`, `nsenter` and `ip`.
 */

import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { until } from "./wait.mjs";

const run = promisify(execFile);

const START_MS = 30_000;

/**
 * @typedef {object} Network
 * @property {string[]} through the command that runs another one inside
 * @property {string} address what it is called from the other one
 */

/**
 * @typedef {object} Networks
 * @property {Network} near
 * @property {Network} far
 * @property {() => Promise<void>} dropUdp lets no UDP in or out of the far one, and tells nobody in the near one
 * @property {() => Promise<void>} passUdp lets it pass again
 * @property {() => Promise<void>} stop
 */

/** Whether this machine lets us make them. */
export function canMakeNetworks() {
  return (
    spawnSync("unshare", ["--net", "ip", "link", "add", "near", "type", "veth", "peer", "name", "far"]).status === 0
  );
}

/** Makes them. @returns {Promise<Networks>} */
export async function startNetworks() {
  const holders = [hold(), hold()];
  const stop = async () => {
    await Promise.all(holders.map((holder) => holder.stop()));
  };
  try {
    const pids = await Promise.all(holders.map((holder) => holder.inside()));
    // RFC 2544 keeps 198.18.0.0/15 for benchmarks.
    const [near, far] = pids.map((pid, at) => ({
      through: ["nsenter", "--target", pid, "--net"],
      address: `198.18.0.${at + 1}`,
    }));
    if (near === undefined || far === undefined) throw new Error("two networks are two");
    await ip(near, `link add far type veth peer name near netns ${pids[1]}`);
    for (const [network, link, other] of /** @type {const} */ ([
      [near, "far", far],
      [far, "near", near],
    ])) {
      await ip(network, "link set lo up");
      await ip(network, `address add ${network.address}/30 dev ${link}`);
      await ip(network, `link set ${link} up`);
      await ip(network, `route add default via ${other.address}`);
    }
    // What is the far one's own is looked up behind a rule that may drop it first.
    await ip(far, "rule add pref 10 lookup local");
    await ip(far, "rule del pref 0");
    return {
      near,
      far,
      dropUdp: () => ip(far, "rule add pref 1 ipproto udp type blackhole"),
      passUdp: () => ip(far, "rule del pref 1"),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A process in a network namespace of its own. */
function hold() {
  // It ends with its input, so whatever happens here nothing is left behind.
  const holder = spawn("unshare", ["--net", "cat"], { stdio: ["pipe", "ignore", "ignore"] });
  const ended = once(holder, "close");
  holder.on("error", () => {});
  const pid = String(holder.pid);
  return {
    /** Its id, once it is there: `unshare` is in the namespace before it is `cat`. */
    async inside() {
      await until(START_MS, "a network namespace (is this root?)", async () => {
        const [ours, theirs] = await Promise.all(["self", pid].map(namespace));
        if (holder.exitCode !== null) throw new Error("unshare --net ended at once: is this root?");
        return theirs !== "" && ours !== theirs;
      });
      return pid;
    },
    async stop() {
      holder.kill("SIGKILL");
      await ended;
    },
  };
}

/** Runs `ip` inside. @param {Network} network @param {string} command */
async function ip({ through: [program = "", ...before] }, command) {
  await run(program, [...before, "ip", ...command.split(" ")]);
}

/** Which network a process is in; empty if it is gone. @param {string} pid */
async function namespace(pid) {
  const { stdout } = await run("readlink", [`/proc/${pid}/ns/net`]).catch(() => ({ stdout: "" }));
  return stdout.trim();
}
