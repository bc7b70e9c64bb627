/** A crowd at a proxy: `node crowd.mjs ws://HOST/mux SESSIONS STREAMS`. Every tenth session serves a name, all have streams to them, and each stream says something now and then. Prints `ready` when all are there. */

import { WebSocket } from "ws";
import { MuxDemux, Room, StreamClient, StreamServer } from "./library.mjs";

const [url = "ws://127.0.0.1:8080/mux", sessions = "1000", streams = "5000"] = process.argv.slice(2);
const PER_NAME = 10;
/** Dialed or opened at once. */
const AT_ONCE = 50;
/** Streams that say something in each tenth of a second. */
const TALKERS = 100;
const WORDS = new Uint8Array(1024);
const SAID = ["printer", "camera", "日本語", "صورة", "<b>bold</b>"];

const peers = Array.from({ length: Number(sessions) }, () =>
  MuxDemux(url, { WebSocket: /** @type {any} */ (WebSocket) }),
);
await inTurn(peers, (peer) => peer.ready);

const names = Array.from({ length: Math.ceil(peers.length / PER_NAME) }, (_, n) => `${SAID[n % SAID.length]} ${n}`);
await inTurn([...names.entries()], async ([n, name]) => {
  const peer = /** @type {(typeof peers)[0]} */ (peers[n * PER_NAME]);
  const server = StreamServer(peer, (stream) => void stream.readable.pipeTo(stream.writable).catch(() => {}));
  await server.listen(name).listening;
});

const all = Array.from({ length: Number(streams) }, (_, n) => n);
/** @type {import("browser-stream-server").Stream[]} */
const open = [];
await inTurn(all, async (n) => {
  const peer = /** @type {(typeof peers)[0]} */ (peers[n % peers.length]);
  const stream = StreamClient(peer).connect(/** @type {string} */ (names[(n * 7) % names.length]));
  stream.resume();
  stream.on("error", () => {});
  await stream.opened;
  open.push(stream);
});
for (const [n, peer] of peers.slice(0, 40).entries()) await Room(peer).join(n % 2 ? "lobby" : "attic").joined;

console.log("ready");
let turn = 0;
setInterval(() => {
  for (let n = 0; n < TALKERS; n++) open[turn++ % open.length]?.write(WORDS);
}, 100);

/**
 * Does it for each, a few at once.
 *
 * @template T
 * @param {readonly T[]} items @param {(item: T) => Promise<unknown>} what
 */
async function inTurn(items, what) {
  for (let at = 0; at < items.length; at += AT_ONCE) await Promise.all(items.slice(at, at + AT_ONCE).map(what));
}
