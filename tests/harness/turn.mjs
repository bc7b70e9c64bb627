/** coturn on a free port of 127.0.0.1, as `proxy/deploy` tells users to set it up: that very file, with another address and secret. */

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { answers } from "./front.mjs";
import { freePort } from "./port.mjs";
import { turnserver } from "./programs.mjs";
import { within } from "./wait.mjs";

const START_MS = 30_000;
const STOP_MS = 20_000;
/** How much of the log is kept. */
const LOG_CHARS = 64_000;

/**
 * @typedef {object} Turn
 * @property {string} url as a browser is told
 * @property {string} secret the file with the secret, for `bss serve --turn-secret`
 * @property {() => string} log the end of what it logged
 * @property {() => Promise<void>} stop
 */

/** Starts it; who makes logins needs the secret. @returns {Promise<Turn>} */
export async function startTurn(secret = "north-and-south") {
  const { path, env } = turnserver();
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "turn-"));
  const [configuration, file] = [join(folder, "turnserver.conf"), join(folder, "secret")];
  writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  writeFileSync(configuration, settled(folder, port, secret));
  const child = spawn(path, ["-c", configuration, "-v"], { env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.once("close", resolve));
  let log = "";
  for (const output of [child.stdout, child.stderr]) {
    output.on("data", (bytes) => {
      log = (log + bytes).slice(-LOG_CHARS);
    });
  }
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async () => {
    process.off("exit", kill);
    kill();
    await within(STOP_MS, "the end of turnserver", ended);
    rmSync(folder, { recursive: true });
  };
  const failed = ended.then(() => {
    throw new Error(`turnserver ended by itself:\n${log}`);
  });
  failed.catch(() => {});
  await within(START_MS, "turnserver to answer", Promise.race([answers(port), failed])).catch(async (error) => {
    await stop();
    throw error;
  });
  return { url: `turn:127.0.0.1:${port}`, secret: file, log: () => log, stop };
}

/** What it is told: pages of a test are on this machine, and none waits for its share of a way. @param {string} folder @param {number} port @param {string} secret */
function settled(folder, port, secret) {
  const text = readFileSync(fileURLToPath(new URL("../../proxy/deploy/turnserver.conf", import.meta.url)), "utf8");
  const here = `
listening-ip=127.0.0.1
relay-ip=127.0.0.1
allow-loopback-peers
simple-log
log-file=stdout
pidfile=${folder}/pid
userdb=${folder}/users
`;
  return text
    .replace("listening-port=3478", `listening-port=${port}`)
    .replace("REPLACE-THIS", secret)
    .replace(/^max-bps=.*$/m, "")
    .concat(here);
}
