/** The real proxy with nginx or Caddy in front of it, and the library as a visitor of both. */

import { WebSocket } from "ws";
import { freePort, lookup, startFront } from "../harness/front.mjs";
import { install } from "../harness/in-page.mjs";
import { startProxy } from "../harness/proxy.mjs";

install();
const library = await import("../../browser-lib/dist/index.js");
const { MuxDemux, StreamClient, StreamServer } = /** @type {typeof import("browser-stream-server")} */ (
  /** @type {unknown} */ (library)
);

export { StreamClient };

/**
 * @typedef {object} Scene
 * @property {import("../harness/proxy.mjs").RunningProxy} proxy
 * @property {import("../harness/front.mjs").Front} front
 * @property {() => Promise<void>} stop
 */

/**
 * @param {import("../harness/front.mjs").Kind} kind
 * @param {{ args?: string[], edit?: (text: string) => string }} change arguments of `bss serve`, and what is other than in `proxy/deploy`
 * @returns {Promise<Scene>}
 */
export async function startScene(kind, { args = [], edit = (text) => text } = {}) {
  const port = await freePort();
  const own = ["--public-url", `https://bss.example.com:${port}`, "--trusted-proxies", "127.0.0.1"];
  const proxy = await startProxy([...own, ...args]);
  const front = await startFront(kind, { upstream: proxy.port, port, edit });
  return {
    proxy,
    front,
    async stop() {
      await front.stop();
      await proxy.stop();
    },
  };
}

/** A WebSocket of `ws` to the front, which a self-made certificate is good enough for. @param {Scene} scene @param {string} [origin] */
export function visitor({ front }, origin = front.origin) {
  return class extends WebSocket {
    /** @param {string} url @param {string | string[]} protocols */
    constructor(url, protocols) {
      super(url, protocols, { ca: front.certificate, lookup, origin });
    }
  };
}

/** The library through the front. @param {Scene} scene */
export function dial(scene) {
  return MuxDemux(scene.front.mux, { WebSocket: /** @type {any} */ (visitor(scene)) });
}

/** The library beside the front. @param {Scene} scene */
export function dialDirectly(scene) {
  return MuxDemux(scene.proxy.mux, { WebSocket: /** @type {any} */ (WebSocket) });
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

