// What stands in front of the nodes: it takes connections, and hands each to the next node that is ready. It looks at no byte, so it knows no session and no name.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** How often each node is asked whether it is ready, and how long it may take to say so. */
const LOOKS_EVERY_MS = 500;
const ANSWER_MS = 2_000;

/**
 * @typedef {object} Balancer
 * @property {number} port
 * @property {() => Promise<void>} stop
 */

/**
 * @param {() => number[]} nodes their ports
 * @param {number} [port] a free one unless said
 * @returns {Promise<Balancer>}
 */
export async function startBalancer(nodes, port = 0) {
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  /** Those that said last that they are not ready, or nothing: a node that goes down, or has lost NATS, says so while what is open there goes on. @type {Set<number>} */
  const away = new Set();
  const look = () => {
    for (const node of nodes()) {
      void isReady(node).then((ready) => (ready ? away.delete(node) : away.add(node)));
    }
  };
  const looking = setInterval(look, LOOKS_EVERY_MS);
  let turn = 0;
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const ready = nodes().filter((node) => !away.has(node));
    // Where none is, as without NATS, any serves what needs no name.
    const ports = ready.length > 0 ? ready : nodes();
    hand(near, [...ports.slice(turn % ports.length), ...ports.slice(0, turn % ports.length)], sockets);
    turn++;
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    port: address.port,
    async stop() {
      clearInterval(looking);
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/** What a node says of new sessions. @param {number} port */
async function isReady(port) {
  const asked = fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS) });
  return await asked.then(
    ({ ok }) => ok,
    () => false,
  );
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
