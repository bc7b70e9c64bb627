/** The real proxy with nginx or Caddy in front of it, and the library as a visitor of both. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { WebSocket } from "ws";
import { lookup, NAME, SITES, startFront } from "../harness/front.mjs";
import { install } from "../harness/in-page.mjs";
import { freePort } from "../harness/port.mjs";
import { startProxy } from "../harness/proxy.mjs";

install();
const library = await import("../../browser-lib/dist/index.js");
const { MuxDemux, StreamClient, StreamServer } = /** @type {typeof import("browser-stream-server")} */ (
  /** @type {unknown} */ (library)
);

export { StreamClient };

const MIB = 1 << 20;
const CHUNK = 64 << 10;
/** Sent before and after what happens in mid-transfer. */
const PART = 4 * MIB;
const SENT_MAX = 1024 * MIB;
const TRUSTING = ["--trusted-proxies", "127.0.0.1"];
/** Servers by HTTP have a host for each name, and a path. */
const BY_HTTP = ["--http-host", `*.${SITES}`, "--http-path"];

/**
 * @typedef {object} Scene
 * @property {import("../harness/proxy.mjs").RunningProxy} proxy
 * @property {import("../harness/front.mjs").Front} front
 * @property {() => import("browser-stream-server").MuxDemux} dial the library through the front
 * @property {() => import("browser-stream-server").MuxDemux} dialDirectly the library past it
 * @property {() => Promise<void>} restartProxy kills it, and starts another on its port
 * @property {() => Promise<void>} stop closes what was dialled, too
 *
 * @typedef {object} Change what is other than `proxy/deploy` says
 * @property {string[]} [args] of `bss serve`
 * @property {Record<string, number>} [limits] of the proxy
 * @property {(text: string) => string} [edit] of the front's configuration
 */

/**
 * @param {import("../harness/front.mjs").Kind} kind
 * @param {Change} change
 * @returns {Promise<Scene>}
 */
export async function startScene(kind, { args = TRUSTING, limits = {}, edit } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "scene-"));
  const config = join(folder, "bss.toml");
  writeFileSync(
    config,
    ["[limits]", ...Object.entries(limits).map(([name, value]) => `${name} = ${value}`)].join("\n"),
  );
  const port = await freePort();
  const own = [
    "--public-url",
    `https://${NAME}:${port}`,
    "--config",
    config,
    "--lease-key",
    join(folder, "key"),
    ...BY_HTTP,
    ...args,
  ];
  let proxy = await startProxy(own);
  const behind = proxy.port;
  const front = await startFront(kind, { upstream: behind, port, edit });
  /** @type {import("browser-stream-server").MuxDemux[]} */
  const dialled = [];
  const dial = (/** @type {string} */ url, /** @type {any} */ Socket) => {
    const mdm = MuxDemux(url, { WebSocket: Socket });
    dialled.push(mdm);
    return mdm;
  };
  return {
    proxy,
    front,
    dial: () => dial(front.mux, visitor(front)),
    dialDirectly: () => dial(proxy.mux, WebSocket),
    async restartProxy() {
      await proxy.kill();
      proxy = await startProxy(["--bind", `127.0.0.1:${behind}`, ...own]);
    },
    async stop() {
      for (const mdm of dialled) mdm.close();
      await front.stop();
      await proxy.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

/**
 * One scene for all tests of the `describe` around it.
 *
 * @param {import("../harness/front.mjs").Kind} kind
 * @returns {() => Scene} that scene, once the tests run
 */
export function sharedScene(kind) {
  /** @type {Scene} */
  let scene;
  before(async () => {
    scene = await startScene(kind);
  });
  after(async () => {
    await scene?.stop();
  });
  return () => scene;
}

/**
 * A WebSocket of `ws` to the front, to which its self-made certificate is good enough.
 *
 * @param {import("../harness/front.mjs").Front} front
 * @param {string} origin of the page that it would be in
 */
export function visitor(front, origin = front.origin) {
  return class extends WebSocket {
    /** @param {string} url @param {string | string[]} protocols */
    constructor(url, protocols) {
      super(url, protocols, { ca: front.certificate, lookup, origin });
    }
  };
}

/**
 * Serves streams under a name.
 *
 * @param {import("browser-stream-server").MuxDemux} mdm
 * @param {string} name
 * @param {(stream: import("browser-stream-server").Stream) => void} serve
 */
export async function listen(mdm, name, serve) {
  await StreamServer(mdm, serve).listen(name).listening;
}

/** Serves an echo under a name. @param {import("browser-stream-server").MuxDemux} mdm @param {string} name */
export async function listenEcho(mdm, name) {
  await listen(mdm, name, (stream) => {
    stream.readable.pipeTo(stream.writable).catch(() => {});
  });
}

/**
 * Sends and takes back the echo while something happens: before it, until it has, and a good deal more.
 *
 * @param {import("browser-stream-server").Stream} stream
 * @param {() => Promise<void>} happen
 */
export async function talkThrough(stream, happen) {
  const { t } = globalThis;
  const digest = new t.Digest();
  const send = async () => {
    const writer = stream.writable.getWriter();
    let [at, end] = [0, SENT_MAX];
    while (at < end) {
      const chunk = t.pattern(3, at, CHUNK);
      await digest.add(chunk);
      await writer.write(chunk);
      at += CHUNK;
      if (at === PART)
        happened = happen().then(() => {
          end = at + PART;
        });
    }
    await writer.close();
    return { bytes: at, sha: await digest.hex() };
  };
  let happened = Promise.resolve();
  const [sent, received] = await Promise.all([send(), t.receive(stream.readable)]);
  await happened;
  await stream.closed;
  return { sent, received, moves: stream.resumption?.moves ?? 0 };
}
