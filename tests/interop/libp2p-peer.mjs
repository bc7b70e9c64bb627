/**
 * A stock peer for the interop tests: `@libp2p/yamux` over a WebSocket, as a server or as a client of a name.
 *
 * `libp2p-peer.mjs URL serve NAME` claims the name and echoes every stream until its finish, then finishes.
 * `libp2p-peer.mjs URL connect NAME --bytes N --streams K` sends N seeded bytes on each of K streams while it reads the echo.
 */

import { once } from "node:events";
import { parseArgs } from "node:util";
import { defaultLogger } from "@libp2p/logger";
import { AbstractMessageStream } from "@libp2p/utils";
import { yamux } from "@libp2p/yamux";
import { WebSocket } from "ws";
import { install } from "../harness/in-page.mjs";
import { message } from "../harness/mux-peer.mjs";

install();

const CHUNK = 64 * 1024;
/** What the socket may hold before the muxer is told to wait, and what a stream may hold unread. */
const HELD_MAX = 1024 * 1024;

/** The WebSocket in the shape that libp2p's muxer takes. */
class SocketStream extends AbstractMessageStream {
  #socket;

  /** @param {WebSocket} socket */
  constructor(socket) {
    super({ log: defaultLogger().forComponent("interop"), direction: "outbound" });
    this.#socket = socket;
    socket.on("message", (bytes) => this.onData(/** @type {Buffer} */ (bytes)));
    socket.on("close", () => this.onTransportClosed());
  }

  /** @param {import("uint8arraylist").Uint8ArrayList} data */
  sendData(data) {
    const sentBytes = data.byteLength;
    this.#socket.send(data.subarray(), () => {
      if (this.writableNeedsDrain && this.#socket.bufferedAmount === 0) this.safeDispatchEvent("drain");
    });
    return { sentBytes, canSendMore: this.#socket.bufferedAmount < HELD_MAX };
  }

  sendReset() {
    this.#socket.terminate();
  }

  sendPause() {
    this.#socket.pause();
  }

  sendResume() {
    this.#socket.resume();
  }

  async close() {
    this.#socket.close();
    await once(this.#socket, "close");
  }
}

/** Reads and writes one libp2p stream in order, and never holds much of it. */
class Ordered {
  #stream;
  /** @type {Uint8Array[]} */
  #unread = [];
  #held = 0;
  #ended = false;
  /** @type {Error | undefined} */
  #error;
  #changed = () => {};

  /** @param {import("@libp2p/interface").Stream} stream */
  constructor(stream) {
    this.#stream = stream;
    stream.addEventListener("message", (event) => {
      const bytes = event.data.subarray();
      this.#unread.push(bytes);
      this.#held += bytes.length;
      if (this.#held > HELD_MAX && stream.readStatus === "readable") stream.pause();
      this.#changed();
    });
    stream.addEventListener("end", () => {
      this.#ended = true;
      this.#changed();
    });
    stream.addEventListener("close", (event) => {
      if (event.error !== undefined) this.#error = event.error;
      this.#changed();
    });
  }

  /** The next bytes, or undefined at the clean end. */
  async read() {
    for (;;) {
      const bytes = this.#unread.shift();
      if (bytes !== undefined) {
        this.#held -= bytes.length;
        if (this.#held === 0 && this.#stream.readStatus === "paused") this.#stream.resume();
        return bytes;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return undefined;
      await /** @type {Promise<void>} */ (
        new Promise((resolve) => {
          this.#changed = resolve;
        })
      );
    }
  }

  /** An open or a reply; what came behind it stays unread. */
  async readMessage() {
    let got = Buffer.alloc(0);
    while (got.length < 2 || got.length < 2 + got.readUInt16BE(0)) {
      const bytes = await this.read();
      if (bytes === undefined) throw new Error("the stream ended before its message");
      got = Buffer.concat([got, bytes]);
    }
    const size = 2 + got.readUInt16BE(0);
    if (got.length > size) {
      this.#unread.unshift(got.subarray(size));
      this.#held += got.length - size;
    }
    return JSON.parse(got.toString("utf8", 2, size));
  }

  /** @param {Uint8Array} bytes */
  async write(bytes) {
    if (this.#stream.send(bytes)) return;
    await new Promise((resolve, reject) => {
      this.#stream.addEventListener("drain", resolve, { once: true });
      this.#stream.addEventListener("close", (event) => reject(event.error ?? new Error("the stream closed")), {
        once: true,
      });
    });
  }

  async finish() {
    await this.#stream.close();
  }
}

/** @param {string} url */
async function dial(url) {
  const socket = new WebSocket(url, "bss.1");
  await once(socket, "open");
  socket.once("close", (code) => {
    console.error(`the session ended (${code})`);
    process.exitCode = 1;
  });
  // Its keep-alive needs Promise.withResolvers, which Node 20 has not; the proxy pings anyway.
  return yamux({ enableKeepAlive: false })().createStreamMuxer(new SocketStream(socket));
}

/** @typedef {Awaited<ReturnType<typeof dial>>} Muxer */

/** @param {Muxer} muxer @param {unknown} open */
async function openStream(muxer, open) {
  const stream = new Ordered(await muxer.createStream());
  await stream.write(message(open));
  const { error } = await stream.readMessage();
  if (error) throw new Error(`refused: ${JSON.stringify(error)}`);
  return stream;
}

/** @param {Ordered} stream */
async function answer(stream) {
  const open = await stream.readMessage();
  await stream.write(message({}));
  const kept = [];
  for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read()) {
    if (open.meta === "after-finish") kept.push(bytes);
    else await stream.write(bytes);
  }
  for (const bytes of kept) await stream.write(bytes);
  await stream.finish();
}

/** @param {Ordered} stream @param {number} seed @param {number} total */
async function exchange(stream, seed, total) {
  const { pattern } = globalThis.t;
  const sending = async () => {
    for (let at = 0; at < total; at += CHUNK) await stream.write(pattern(seed, at, Math.min(CHUNK, total - at)));
    await stream.finish();
  };
  const receiving = async () => {
    let at = 0;
    for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read()) {
      if (!Buffer.from(pattern(seed, at, bytes.length)).equals(bytes)) throw new Error(`the echo differs behind ${at}`);
      at += bytes.length;
    }
    if (at !== total) throw new Error(`the echo ended after ${at} of ${total} bytes`);
  };
  await Promise.all([sending(), receiving()]);
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { bytes: { type: "string", default: "1048576" }, streams: { type: "string", default: "1" } },
});
const [url = "", role, name = ""] = positionals;
const muxer = await dial(url);
if (role === "serve") {
  muxer.addEventListener("stream", (event) => {
    answer(new Ordered(event.detail)).catch((error) => console.error("a stream failed:", error));
  });
  await openStream(muxer, { path: `/browser-server/listen/${name}` });
  console.log("ready");
} else {
  const [bytes, streams] = [Number(values.bytes), Number(values.streams)];
  const open = { path: `/browser-server/connect/${name}`, wait: 15_000 };
  const all = Array.from({ length: streams }, async (_, seed) => exchange(await openStream(muxer, open), seed, bytes));
  await Promise.all(all);
  console.log(JSON.stringify({ streams, bytes, equal: true }));
  process.exit(0);
}
