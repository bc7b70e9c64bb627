/** Starts the real proxy on a free port, and stops it again. */

import { spawn } from "node:child_process";
import { rss } from "./memory.mjs";
import { bss } from "./programs.mjs";
import { until, within } from "./wait.mjs";

const START_MS = 30_000;
/** So long it may take to end well; then it is ended. */
const GRACE_MS = 3_000;
const STOP_MS = 20_000;
/** How much of the log is kept for an error message. */
const LOG_CHARS = 8_000;

/**
 * @typedef {object} RunningProxy
 * @property {string} url where it is, with a slash at the end
 * @property {string} mux the WebSocket's address
 * @property {number} port
 * @property {number} pid
 * @property {() => number} rss bytes of memory that it holds now
 * @property {() => string} log the end of what it logged
 * @property {() => Promise<void>} stop ends it and waits until it is gone
 * @property {() => Promise<void>} kill the same without a warning (SIGKILL)
 */

/**
 * @param {string[]} args more arguments of `bss serve`
 * @param {string[]} through a command that becomes the one behind it, as `nsenter` does
 * @param {Record<string, string>} more of its environment
 * @returns {Promise<RunningProxy>}
 */
export async function startProxy(args = [], through = [], more = {}) {
  const [program = "", ...before] = [...through, bss()];
  const bind = args.includes("--bind") ? [] : ["--bind", "127.0.0.1:0"];
  const child = spawn(program, [...before, "serve", ...bind, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...environment(), ...more },
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  let log = "";
  child.stderr.on("data", (bytes) => {
    log = (log + bytes).slice(-LOG_CHARS);
  });
  const failed = ended.then(() => {
    throw new Error(`the proxy ended by itself:\n${log}`);
  });
  failed.catch(() => {});
  const url = await within(
    START_MS,
    `the proxy's address; it logged:\n${log}`,
    Promise.race([address(child.stdout), failed]),
  );
  const pid = /** @type {number} */ (child.pid);
  return {
    url: url.href,
    mux: `${url.protocol.replace("http", "ws")}//${url.host}/mux`,
    port: Number(url.port),
    pid,
    rss: () => rss(pid),
    log: () => log,
    async kill() {
      process.off("exit", kill);
      kill();
      await within(STOP_MS, "the proxy's end", ended);
    },
    async stop() {
      process.off("exit", kill);
      child.kill("SIGTERM");
      await within(GRACE_MS, "the proxy's end", ended).catch(kill);
      await until(STOP_MS, `process ${pid} to be gone`, () => !alive(pid));
    },
  };
}

/** The environment without the proxy's own settings: a test says what it means. */
function environment() {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("BSS_"));
  return { RUST_LOG: "warn", ...Object.fromEntries(kept) };
}

/**
 * @param {import("node:stream").Readable} stdout
 * @returns {Promise<URL>}
 */
function address(stdout) {
  return new Promise((resolve) => {
    let text = "";
    stdout.setEncoding("utf8");
    stdout.on("data", (part) => {
      text += part;
      const found = /at (https?:\/\/\S+)\s*\n/.exec(text);
      if (found?.[1]) resolve(new URL(found[1]));
    });
  });
}

/** @param {number} pid */
function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
