/**
 * The two ends of one upgraded connection through a front, without the proxy and without TLS: what the front itself holds, to the byte.
 */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { NAME, startFront } from "../harness/front.mjs";
import { until, within } from "../harness/wait.mjs";

const WAIT_MS = 60_000;
/** A pouring end counts as stopped when so many looks in a row saw no progress. */
const STILL_LOOKS = 25;
/** Small, so that what lies in the pouring end's own queue is known almost to the byte. */
const PIECE = Buffer.alloc(4096, 7);
const MIB = Buffer.alloc(1 << 20, 7);
const TRANSFER_MIB = 128;
const HEAD_END = "\r\n\r\n";

/** @typedef {import("node:net").Socket} Socket */

/**
 * @typedef {object} Pipe
 * @property {Socket} visitor
 * @property {Socket} upstream
 * @property {import("../harness/front.mjs").Front} front
 * @property {() => Promise<void>} stop
 */

/** @param {import("../harness/front.mjs").Kind} kind @returns {Promise<Pipe>} */
export async function startPipe(kind) {
  /** @type {(socket: Socket) => void} */
  let took = () => {};
  const upgraded = new Promise((resolve) => {
    took = resolve;
  });
  const server = createServer(async (socket) => {
    await head(socket);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket${HEAD_END}`);
    took(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const front = await startFront(kind, { upstream: port, edit: plain }).catch((error) => {
    server.close();
    throw error;
  });
  const visitor = connect(front.port, "127.0.0.1").on("error", () => {});
  visitor.write(
    `GET /mux HTTP/1.1\r\nHost: ${NAME}:${front.port}\r\nConnection: Upgrade\r\nUpgrade: websocket${HEAD_END}`,
  );
  await head(visitor);
  const upstream = await within(WAIT_MS, "the upgrade at the far side", upgraded);
  return {
    visitor,
    upstream,
    front,
    async stop() {
      visitor.destroy();
      upstream.destroy();
      await front.stop();
      server.close();
    },
  };
}

/** The same without TLS: the kernel then counts the bytes that were sent. @param {string} text */
function plain(text) {
  return text
    .replaceAll(" ssl http2", "")
    .replace(/^\s*ssl_.*\n/gm, "")
    .replace(/^https:(?=\S+ {$)/gm, "http:")
    .replace(/^\ttls .*\n/gm, "");
}

/** Reads to the end of a request's or an answer's head, and then no more. @param {Socket} socket */
async function head(socket) {
  let text = "";
  const whole = new Promise((resolve) => {
    socket.on("data", function take(bytes) {
      text += bytes;
      if (!text.includes(HEAD_END)) return;
      socket.pause();
      socket.off("data", take);
      resolve(undefined);
    });
  });
  await within(WAIT_MS, "the head of the upgrade", whole);
}

/**
 * Pours into one end while nobody reads at the other, until nothing more goes in.
 *
 * @param {Socket} from
 * @param {Socket} to
 * @returns {Promise<{ poured: number, kernel: number, held: number }>} bytes that left `from`; of these, what lies in the kernel's buffers
 *   of the two connections; and what the front holds in its own memory
 */
export async function fill(from, to) {
  const [wrote, read] = [from.bytesWritten, to.bytesRead];
  const pour = () => {
    while (from.write(PIECE));
  };
  from.on("drain", pour);
  pour();
  let [last, still] = [-1, 0];
  await until(WAIT_MS, "the pouring end to stop", () => {
    const now = from.bytesWritten - from.writableLength;
    still = now === last ? still + 1 : 0;
    last = now;
    return still >= STILL_LOOKS;
  });
  from.off("drain", pour);
  const poured = last - wrote;
  const kernel = queued([from, to].map(portPair).flatMap(([near, far]) => [`${near}>${far}`, `${far}>${near}`]));
  return { poured, kernel, held: poured - kernel - (to.bytesRead - read) };
}

/**
 * MiB/s of a transfer from one end to the other.
 *
 * @param {Socket} from
 * @param {Socket} to
 */
export async function speed(from, to) {
  const since = performance.now();
  let left = TRANSFER_MIB;
  const pour = () => {
    while (left-- > 0 && from.write(MIB)) {}
  };
  const whole = new Promise((resolve) => {
    let missing = TRANSFER_MIB * MIB.length;
    to.on("data", function take(bytes) {
      missing -= bytes.length;
      if (missing > 0) return;
      to.off("data", take);
      resolve(undefined);
    });
  });
  to.resume();
  from.on("drain", pour);
  pour();
  await within(WAIT_MS, "the whole transfer", whole);
  from.off("drain", pour);
  return TRANSFER_MIB / ((performance.now() - since) / 1000);
}

/** @param {Socket} socket */
function portPair({ localPort, remotePort }) {
  return [localPort, remotePort];
}

/** What lies in the send and receive queues of these sockets of this machine. @param {string[]} wanted as `local>remote` ports */
function queued(wanted) {
  const port = (/** @type {string} */ address) => Number.parseInt(address.split(":")[1] ?? "", 16);
  let bytes = 0;
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const [, local = "", remote = "", , queues = ""] = line.trim().split(/\s+/);
    if (!wanted.includes(`${port(local)}>${port(remote)}`)) continue;
    for (const queue of queues.split(":")) bytes += Number.parseInt(queue, 16);
  }
  return bytes;
}
