/** A TCP forwarder in front of the proxy that does to connections what networks do: it cuts, stalls, delays and slices them, by a seed. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

/**
 * @typedef {object} Weather
 * @property {number} seed of the lengths of slices
 * @property {number} delayMs how long each byte is under way, one way
 * @property {number} sliceMax the most bytes that are forwarded at once; 0: as they come
 *
 * @typedef {object} Shim
 * @property {string} url the proxy's address through the shim
 * @property {string} mux the WebSocket's address through the shim
 * @property {() => number} connections how many were made so far
 * @property {() => number} live how many there are now
 * @property {() => number} carried how many bytes went through so far, both ways
 * @property {() => void} cut drops every connection at once, with TCP resets
 * @property {(bytes: number) => Promise<void>} cutAfter drops every connection once so many more bytes went through, and tells when
 * @property {() => void} stall keeps the connections there are and forwards nothing on them: they are half open
 * @property {() => void} flow forwards again
 * @property {(on: boolean) => void} refuse drops what connects from now on, or no more
 * @property {(port: number) => void} to forwards what connects from now on to another port: a proxy that was started again
 * @property {() => Promise<void>} stop
 */

/** The most bytes that a direction holds back before it reads no more. */
const HELD_MAX = 16 << 20;

/**
 * @param {number} port the proxy's
 * @param {Partial<Weather>} weather
 * @returns {Promise<Shim>}
 */
export async function startShim(port, { seed = 1, delayMs = 0, sliceMax = 0 } = {}) {
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  const random = seeded(seed);
  const state = { port, connections: 0, isRefusing: false, flow: () => {} };
  /** What the connections that are stalled wait for. */
  let gate = { flowing: Promise.resolve() };
  let [left, carried, passed] = [Infinity, 0, () => {}];

  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };

  /** @param {number} bytes */
  const count = (bytes) => {
    carried += bytes;
    left -= bytes;
    if (left > 0) return;
    left = Infinity;
    cut();
    passed();
  };

  /** @param {Buffer} chunk */
  const slices = (chunk) => {
    if (!sliceMax) return [chunk];
    const parts = [];
    for (let at = 0; at < chunk.length; at += parts[parts.length - 1]?.length ?? 0) {
      parts.push(chunk.subarray(at, at + 1 + Math.floor(random() * sliceMax)));
    }
    return parts;
  };

  /** One direction. @param {import("node:net").Socket} from @param {import("node:net").Socket} to @param {{ flowing: Promise<void> }} gate */
  const forward = (from, to, gate) => {
    /** @type {{ due: number, part: Buffer | undefined }[]} */
    const held = [];
    let [bytes, isMoving] = [0, false];
    const move = async () => {
      if (isMoving) return;
      isMoving = true;
      for (let next = held[0]; next && !to.destroyed; next = held[0]) {
        await gate.flowing;
        const wait = next.due - performance.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        held.shift();
        if (!next.part) {
          to.end();
          break;
        }
        bytes -= next.part.length;
        if (bytes < HELD_MAX) from.resume();
        if (!to.write(next.part)) await Promise.race([once(to, "drain"), once(to, "close")]).catch(() => {});
        count(next.part.length);
      }
      isMoving = false;
    };
    from.on("data", (chunk) => {
      bytes += chunk.length;
      if (bytes >= HELD_MAX) from.pause();
      for (const part of slices(/** @type {Buffer} */ (chunk))) held.push({ due: performance.now() + delayMs, part });
      move();
    });
    from.on("end", () => {
      held.push({ due: performance.now() + delayMs, part: undefined });
      move();
    });
    from.on("error", () => to.destroy());
    from.on("close", () => {
      sockets.delete(from);
      if (from.errored || !from.readableEnded) to.destroy();
    });
  };

  const server = createServer({ allowHalfOpen: true }, (near) => {
    state.connections++;
    if (state.isRefusing) {
      near.on("error", () => {});
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: state.port, host: "127.0.0.1", allowHalfOpen: true });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
    }
    forward(near, far, gate);
    forward(far, near, gate);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${address.port}/`,
    mux: `ws://127.0.0.1:${address.port}/mux`,
    connections: () => state.connections,
    live: () => sockets.size / 2,
    carried: () => carried,
    cut,
    cutAfter(bytes) {
      left = bytes;
      return new Promise((resolve) => {
        passed = () => resolve();
      });
    },
    stall() {
      gate.flowing = new Promise((resolve) => {
        state.flow = () => resolve();
      });
      // What connects from now on has a gate of its own.
      gate = { flowing: Promise.resolve() };
    },
    flow: () => state.flow(),
    refuse(on) {
      state.isRefusing = on;
    },
    to(port) {
      state.port = port;
    },
    async stop() {
      state.flow();
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

/** Numbers from 0 to 1, the same for the same seed: Marsaglia's xorshift. @param {number} seed */
export function seeded(seed) {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
