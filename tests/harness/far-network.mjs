/**
 * A network namespace beside the machine's own network, for as long as the process that holds it lives: what runs inside meets what runs outside over one
 * link, on which UDP can be dropped. Needs root, `unshare`, `nsenter` and `ip`.
 */

import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { until } from "./wait.mjs";

const run = promisify(execFile);

const START_MS = 5_000;

/**
 * @typedef {object} FarNetwork
 * @property {string[]} through the command that runs another one inside
 * @property {string} near what the outside is called from inside
 * @property {string} far what the inside is called from outside
 * @property {() => Promise<void>} dropUdp lets no UDP in or out, and tells nobody who is outside
 * @property {() => Promise<void>} passUdp lets it pass again
 * @property {() => Promise<void>} stop
 */

/** Whether this machine lets us make one. */
export function canMakeNetworks() {
  return (
    spawnSync("unshare", ["--net", "ip", "link", "add", "near", "type", "veth", "peer", "name", "far"]).status === 0
  );
}

/** Makes one. @returns {Promise<FarNetwork>} */
export async function startFarNetwork() {
  // It ends with its input, so whatever happens here nothing is left behind.
  const holder = spawn("unshare", ["--net", "cat"], { stdio: ["pipe", "ignore", "ignore"] });
  const ended = once(holder, "close");
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
    /** @param {string} command */
    const inside = async (command) => {
      await run("nsenter", [...through.slice(1), "ip", ...command.split(" ")]);
    };
    // RFC 2544 keeps 198.18.0.0/15 for benchmarks; each run has four addresses of its own.
    const network = 4 * (Number(pid) % 0x7fff);
    const [near, far] = [1, 2].map(
      (last) => `198.${18 + (network >> 16)}.${(network >> 8) & 255}.${(network & 255) + last}`,
    );
    const name = `near${pid}`;
    for (const command of [
      `link add ${name} type veth peer name far netns ${pid}`,
      `address add ${near}/30 dev ${name}`,
      `link set ${name} up`,
    ]) {
      await run("ip", command.split(" "));
    }
    // What is ours is looked up behind a rule that may drop it first.
    for (const command of [
      "link set lo up",
      `address add ${far}/30 dev far`,
      "link set far up",
      `route add default via ${near}`,
      "rule add pref 10 lookup local",
      "rule del pref 0",
    ]) {
      await inside(command);
    }
    return {
      through,
      near: near ?? "",
      far: far ?? "",
      dropUdp: () => inside("rule add pref 1 ipproto udp type blackhole"),
      passUdp: () => inside("rule del pref 1"),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Which network a process is in; empty if it is gone. @param {string} pid */
async function namespace(pid) {
  const { stdout } = await run("readlink", [`/proc/${pid}/ns/net`]).catch(() => ({ stdout: "" }));
  return stdout.trim();
}
