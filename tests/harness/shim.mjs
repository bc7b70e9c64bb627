/** A plain TCP forwarder in front of the proxy, to cut connections that nobody ended. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

/**
 * @typedef {object} Shim
 * @property {string} url the proxy's address through the shim
 * @property {string} mux the WebSocket's address through the shim
 * @property {() => void} cut drops every connection at once, with TCP resets
 * @property {() => Promise<void>} stop
 */

/**
 * @param {number} port the proxy's
 * @returns {Promise<Shim>}
 */
export async function startShim(port) {
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of /** @type {const} */ ([
      [near, far],
      [far, near],
    ])) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
    near.pipe(far);
    far.pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    url: `http://127.0.0.1:${address.port}/`,
    mux: `ws://127.0.0.1:${address.port}/mux`,
    cut,
    async stop() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
