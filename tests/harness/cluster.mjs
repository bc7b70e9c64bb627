/** A cluster on this machine, as the example starts it, of the program that the tests run. */

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startCluster as start } from "../../examples/cluster/start.mjs";
import { bss } from "./programs.mjs";

const INSTALL = fileURLToPath(new URL("../install-nats.sh", import.meta.url));

/** @param {number} [count] of nodes @param {string[][]} [args] of single nodes */
export async function startCluster(count, args) {
  return await start({ bss: bss(), natsServer: natsServer(), count, args });
}

/** Where the NATS server is. */
export function natsServer() {
  const said = process.env.NATS_SERVER;
  return said ?? execFileSync("sh", [INSTALL], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
}
