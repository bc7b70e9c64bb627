/**
 * The far end of every transfer, a process of its own: it takes or gives bytes over a bare WebSocket, and as two servers: one for next to nothing,
 * one with the library in Node.
 * Its parent says what to do over IPC.
 */

import { once } from "node:events";
import { WebSocket } from "ws";
import { AHEAD, serveLightly } from "./light-peer.mjs";
import { CHUNK } from "./size.mjs";

const library = await import("../../../browser-lib/dist/index.js");
const { MuxDemux, StreamServer } = /** @type {typeof import("browser-stream-server")} */ (
  /** @type {unknown} */ (library)
);

/** `ws` as both sides of the comparison use it: without masking, which costs it more than all else; this end is not what is measured. */
class Plain extends WebSocket {
  /** @param {string} url @param {string[]} protocols */
  constructor(url, protocols = []) {
    super(url, protocols, { perMessageDeflate: false, generateMask: (mask) => mask.fill(0) });
  }
}

/** One chunk for all: nobody changes it. */
const chunk = new Uint8Array(CHUNK);

/** Joins a relay and does what the first message from the page says. @param {string} url */
async function bare(url) {
  const socket = new Plain(url);
  socket.on("error", () => {});
  await once(socket, "open");
  socket.once("message", (/** @type {Buffer} */ first) => {
    const { down, up } = JSON.parse(first.toString());
    if (down) give(socket, down);
    else take(socket, up);
  });
}

/** @param {WebSocket} socket @param {number} total */
function give(socket, total) {
  let left = total;
  const more = () => {
    while (left > 0 && socket.bufferedAmount < AHEAD) {
      left -= CHUNK;
      socket.send(chunk, more);
    }
  };
  more();
}

/** @param {WebSocket} socket @param {number} total */
function take(socket, total) {
  let left = total;
  socket.on("message", (/** @type {Buffer} */ bytes) => {
    left -= bytes.length;
    if (left <= 0) socket.send("all");
  });
}

/** Serves `name` at a proxy for next to nothing. @param {string} url @param {string} name */
async function light(url, name) {
  const socket = new Plain(url, ["bss.1"]);
  await once(socket, "open");
  serveLightly(socket, name);
}

/** Serves `name` at a proxy with the library, and sealed what is asked for so: `meta` says what a client wants. @param {string} url @param {string} name */
async function serve(url, name) {
  const mdm = MuxDemux(url, { WebSocket: /** @type {any} */ (Plain) });
  /** @param {import("browser-stream-server").Stream} stream */
  const take = (stream) => {
    const { down = 0, echo = false } = /** @type {{ down?: number, echo?: boolean }} */ (stream.meta);
    (echo ? stream.readable.pipeTo(stream.writable) : answer(stream, down)).catch(() => {});
  };
  await StreamServer(mdm, take).listen(name).listening;
  await StreamServer(mdm, { sealed: true }, take).listen(`sealed-${name}`).listening;
}

/**
 * @param {import("browser-stream-server").Stream} stream
 * @param {number} down bytes to send; with 0 it reads to the end and answers with what it counted
 */
async function answer(stream, down) {
  const writer = stream.writable.getWriter();
  for (let left = down; left > 0; left -= CHUNK) {
    await writer.ready;
    writer.write(chunk).catch(() => {});
  }
  if (down === 0) {
    let count = 0;
    const reader = stream.readable.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) count += next.value.length;
    await writer.write(String(count));
  }
  await writer.close();
}

process.on("disconnect", () => process.exit());
process.on("message", async (/** @type {{ bare?: string, light?: string, serve?: string, name?: string }} */ order) => {
  if (order.bare) await bare(order.bare);
  else if (order.light) await light(order.light, order.name ?? "");
  else if (order.serve) await serve(order.serve, order.name ?? "");
  process.send?.("ready");
});
process.send?.("ready");
