// What stands in front of the nodes: it takes connections, and hands each to the next node that is there. It looks at no byte, so it knows no session and no name.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/**
 * @typedef {object} Balancer
 * @property {number} port
 * @property {() => Promise<void>} stop
 */

/**
 * @param {() => number[]} nodes the ports of those that are there, as far as is known
 * @param {number} [port] a free one unless said
 * @returns {Promise<Balancer>}
 */
export async function startBalancer(nodes, port = 0) {
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  let turn = 0;
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const ports = nodes();
    hand(near, [...ports.slice(turn % ports.length), ...ports.slice(0, turn % ports.length)], sockets);
    turn++;
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    port: address.port,
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/**
 * To the first of these that takes it.
 *
 * @param {import("node:net").Socket} near
 * @param {number[]} ports
 * @param {Set<import("node:net").Socket>} sockets
 */
function hand(near, [port, ...others], sockets) {
  near.on("error", () => {});
  if (port === undefined) {
    near.destroy();
    return;
  }
  const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  far.once("error", () => hand(near, others, sockets));
  far.once("connect", () => {
    far.removeAllListeners("error");
    for (const [socket, other] of [/** @type {const} */ ([near, far]), /** @type {const} */ ([far, near])]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
}
