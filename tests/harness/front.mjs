/**
 * nginx and Caddy in front of the proxy, as `proxy/deploy` tells users to set them up: the very files, with another address, another
 * certificate, and what a test edits. Both have the hosts of servers by HTTP, too.
 */

import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./port.mjs";
import { front } from "./programs.mjs";
import { until, within } from "./wait.mjs";

/** The name that users read in both files; `lookup` knows where it is. */
export const NAME = "bss.example.com";
/** Below it stand the hosts of servers by HTTP. */
export const SITES = "tabs.example.net";
const START_MS = 30_000;
const STOP_MS = 20_000;
/** How much of the log is kept for an error message. */
const LOG_CHARS = 8_000;

/**
 * @typedef {object} Front
 * @property {string} origin what a visitor types, without a slash at the end
 * @property {string} mux the WebSocket's address
 * @property {number} port
 * @property {string} certificate which a visitor has to trust
 * @property {() => number[]} pids its processes
 * @property {() => string} log the end of what it logged
 * @property {() => Promise<void>} reload reads the configuration again; returns once the new one holds
 * @property {() => Promise<void>} kill ends it without a warning
 * @property {() => Promise<void>} start after `kill`, on the same port
 * @property {() => Promise<void>} stop
 *
 * @typedef {object} Setting
 * @property {number} upstream the port behind it
 * @property {number} [port] where it listens; a free one unless said
 * @property {(text: string) => string} [edit] the configuration that is used, made of that of `proxy/deploy`
 */

/**
 * What differs between the two.
 *
 * @typedef {object} Kind
 * @property {string} name
 * @property {(folder: string, port: number, setting: Setting) => string} configuration
 * @property {(folder: string, file: string) => string[]} command
 * @property {(pid: number, folder: string) => Promise<void>} reload
 */

/** @type {Kind} */
export const NGINX = {
  name: "nginx",
  configuration(folder, port, { upstream, edit = (text) => text }) {
    const [own, sites] = ["nginx.conf", "nginx-sites.conf"].map((file) => settled(file, folder, port, upstream));
    writeFileSync(join(folder, "bss.conf"), edit(`${own}${sites}`));
    return `
      ${process.getuid?.() === 0 ? "user root;" : ""}
      worker_processes 1;
      daemon off;
      pid ${folder}/nginx.pid;
      error_log stderr warn;
      events {}
      http {
        access_log off;
        ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join("\n")}
        include ${folder}/bss.conf;
      }`;
  },
  command: (folder, file) => [front("nginx"), "-e", "stderr", "-p", folder, "-c", file],
  async reload(pid) {
    const before = new Set(children(pid));
    process.kill(pid, "SIGHUP");
    await until(START_MS, "a worker with the new configuration", () =>
      children(pid).some((child) => !before.has(child)),
    );
  },
};

/** @type {Kind} */
export const CADDY = {
  name: "Caddy",
  configuration(folder, port, { upstream, edit = (text) => text }) {
    const site = settled("Caddyfile", folder, port, upstream);
    const trusted = site.replace(/^\treverse_proxy/m, `\ttls ${folder}/cert.pem ${folder}/key.pem\n$&`);
    const own = `{\n\tadmin unix/${folder}/admin\n\tauto_https off\n}\n`;
    return edit(own + trusted + settled("Caddyfile.sites", folder, port, upstream));
  },
  command: (_, file) => [front("caddy"), "run", "--adapter", "caddyfile", "--config", file],
  async reload(_, folder) {
    const file = join(folder, "configuration");
    const reload = ["reload", "--force", "--adapter", "caddyfile", "--config", file];
    execFileSync(front("caddy"), [...reload, "--address", `unix/${folder}/admin`], { stdio: "ignore" });
  },
};

/** A file of `proxy/deploy` for this address. @param {string} file @param {string} folder @param {number} port @param {number} upstream */
function settled(file, folder, port, upstream) {
  const text = readFileSync(fileURLToPath(new URL(`../../proxy/deploy/${file}`, import.meta.url)), "utf8");
  return text
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${upstream}`)
    .replace("listen 443", `listen 127.0.0.1:${port}`)
    .replace(/\S+\/[a-z.]+\.pem/, `${folder}/cert.pem`)
    .replace(/\S+\/[a-z.]+\.key/, `${folder}/key.pem`)
    .replace(/^(\S+\.example\.\w+) {/m, `https://$1:${port} {\n\tbind 127.0.0.1`);
}

/**
 * Starts one in front of a port of 127.0.0.1.
 *
 * @param {Kind} kind
 * @param {Setting} setting
 * @returns {Promise<Front>}
 */
export async function startFront(kind, setting) {
  const port = setting.port ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), "front-"));
  chmodSync(folder, 0o711);
  const certificate = certify(folder);
  const file = join(folder, "configuration");
  writeFileSync(file, kind.configuration(folder, port, setting));
  /** @type {Running} */
  let running;
  const start = async () => {
    running = run(kind.command(folder, file), folder);
    const failed = running.ended.then(() => {
      throw new Error(`${kind.name} ended by itself:\n${running.log()}`);
    });
    failed.catch(() => {});
    await within(START_MS, `${kind.name} to answer`, Promise.race([answers(port), failed]));
  };
  const stop = async () => {
    await running.kill();
    rmSync(folder, { recursive: true });
  };
  await start().catch(async (error) => {
    await stop();
    throw error;
  });
  return {
    origin: `https://${NAME}:${port}`,
    mux: `wss://${NAME}:${port}/mux`,
    port,
    certificate,
    pids: () => [running.pid, ...children(running.pid)],
    log: () => running.log(),
    reload: () => kind.reload(running.pid, folder),
    kill: () => running.kill(),
    start,
    stop,
  };
}

/** @typedef {ReturnType<typeof run>} Running */

/** @param {string[]} command @param {string} folder */
function run([program = "", ...args], folder) {
  const child = spawn(program, args, {
    stdio: ["ignore", "ignore", "pipe"],
    // Caddy keeps things at home.
    env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  });
  const pid = /** @type {number} */ (child.pid);
  const ended = new Promise((resolve) => child.once("close", resolve));
  let log = "";
  child.stderr.on("data", (bytes) => {
    log = (log + bytes).slice(-LOG_CHARS);
  });
  const end = () => {
    // A master that goes on would see its worker gone and start another, unseen here.
    signal(pid, "SIGSTOP");
    for (const each of [...children(pid), pid]) signal(each, "SIGKILL");
  };
  process.once("exit", end);
  return {
    pid,
    ended,
    log: () => log,
    async kill() {
      process.off("exit", end);
      end();
      await within(STOP_MS, `the end of ${program}`, ended);
    },
  };
}

/** @param {number} pid @param {NodeJS.Signals} name */
function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    // Gone already is as good.
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ESRCH") throw error;
  }
}

/** The processes that this one started and that live, oldest first. @param {number} pid */
function children(pid) {
  const parent = (/** @type {string} */ entry) => {
    try {
      return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${entry}/status`, "utf8"))?.[1]);
    } catch {
      return undefined; // It has ended since.
    }
  };
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && parent(entry) === pid)
    .map(Number);
}

/** Until connections are taken there. @param {number} port */
export function answers(port) {
  return until(START_MS, `something on port ${port}`, async () => {
    const socket = connect(port, "127.0.0.1");
    const taken = await new Promise((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    return taken;
  });
}

/**
 * Where a visitor of `NAME`, or of a host of `SITES`, has to go, as `node:net` asks for it.
 *
 * @type {import("node:net").LookupFunction}
 */
export function lookup(_, options, found) {
  if (options.all) found(null, [{ address: "127.0.0.1", family: 4 }]);
  else found(null, "127.0.0.1", 4);
}

/** Makes a certificate that signs itself. @param {string} folder */
function certify(folder) {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  execFileSync(
    front("openssl"),
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...[
        "-subj",
        `/CN=${NAME}`,
        "-addext",
        `subjectAltName=DNS:${NAME},DNS:*.${SITES}`,
        "-keyout",
        key,
        "-out",
        certificate,
      ],
    ],
    { stdio: "ignore" },
  );
  return readFileSync(certificate, "utf8");
}
