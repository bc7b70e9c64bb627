/** An HTTP forwarder in front of the proxy, as some networks have one: all requests pass, and no WebSocket does. */

import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect } from "node:net";

/**
 * @typedef {"pass" | "refuse" | "close"} Treatment of an upgrade: it passes, is answered 403, or passes and is closed at once
 *
 * @typedef {object} Upgrades
 * @property {string} url the proxy's address through it
 * @property {number} port its own
 * @property {(port: number | (() => number)) => void} to forwards from now on to another port, or each request to the one that is said then
 * @property {() => number} upgrades how many were asked for so far
 * @property {(treatment: Treatment) => void} treat what becomes of the next ones, and of those that there are unless they pass
 * @property {() => void} cut ends every connection of a peer at once
 * @property {() => Promise<void>} stop
 */

/**
 * @param {number | (() => number)} port the proxy's, or of several that whose turn it is
 * @param {Treatment} treatment
 * @returns {Promise<Upgrades>}
 */
export async function startUpgrades(port, treatment = "refuse") {
  const state = { next: turns(port), treatment, upgrades: 0 };
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  /** Those that are WebSockets. @type {Set<import("node:net").Socket>} */
  const upgraded = new Set();
  const server = createServer((asked, answer) => {
    const { method, url, headers } = asked;
    const onward = request({ host: "127.0.0.1", port: state.next(), method, path: url, headers }, (answered) => {
      answer.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(answer);
      answered.on("error", () => answer.destroy());
    });
    onward.on("error", () => answer.destroy());
    answer.on("close", () => onward.destroy());
    asked.pipe(onward);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (asked, socket, head) => {
    state.upgrades++;
    if (state.treatment === "refuse") {
      socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
      return;
    }
    const near = /** @type {import("node:net").Socket} */ (socket);
    const far = connect(state.next(), "127.0.0.1");
    const lines = [`${asked.method} ${asked.url} HTTP/1.1`];
    for (let at = 0; at < asked.rawHeaders.length; at += 2) {
      lines.push(`${asked.rawHeaders[at]}: ${asked.rawHeaders[at + 1]}`);
    }
    far.write(`${lines.join("\r\n")}\r\n\r\n`);
    far.write(head);
    upgraded.add(near);
    /** @param {import("node:net").Socket} from @param {import("node:net").Socket} to */
    const join = (from, to) => {
      from.on("error", () => to.destroy());
      from.on("close", () => {
        upgraded.delete(near);
        to.destroy();
      });
    };
    join(near, far);
    join(far, near);
    near.pipe(far);
    if (state.treatment === "pass") {
      far.pipe(near);
      return;
    }
    // The answer to the handshake, and then the end.
    far.once("data", (bytes) => near.end(bytes));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${address.port}/`,
    port: address.port,
    to(port) {
      state.next = turns(port);
    },
    upgrades: () => state.upgrades,
    treat(treatment) {
      state.treatment = treatment;
      if (treatment !== "pass") for (const socket of upgraded) socket.destroy();
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** @param {number | (() => number)} port */
function turns(port) {
  return typeof port === "number" ? () => port : port;
}
