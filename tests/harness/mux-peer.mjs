/** A bare yamux peer over `ws` that may break every rule: tests say each frame themselves. */

import { once } from "node:events";
import { WebSocket } from "ws";
import { within } from "./wait.mjs";

export const DATA = 0;
export const WINDOW = 1;
export const PING = 2;
export const GO_AWAY = 3;
export const SYN = 1;
export const ACK = 2;
export const FIN = 4;
export const RST = 8;

const HEADER = 12;
const WAIT_MS = 20_000;

/**
 * @typedef {object} Frame
 * @property {number} type
 * @property {number} flags
 * @property {number} id
 * @property {number} length
 * @property {Buffer} body
 */

/**
 * A frame's header, followed by `body`.
 *
 * @param {number} type @param {number} flags @param {number} id @param {number} length @param {Uint8Array} body
 */
export function frame(type, flags, id, length, body = new Uint8Array(0)) {
  const out = Buffer.alloc(HEADER + body.length);
  out.writeUInt8(0, 0);
  out.writeUInt8(type, 1);
  out.writeUInt16BE(flags, 2);
  out.writeUInt32BE(id, 4);
  out.writeUInt32BE(length, 8);
  out.set(body, HEADER);
  return out;
}

/**
 * An open, a reply or a note as it goes over the stream: its length and its text.
 *
 * @param {unknown} value a string goes as it is, all else as JSON
 */
export function message(value) {
  const text = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
  const out = Buffer.alloc(2 + text.length);
  out.writeUInt16BE(text.length, 0);
  out.set(text, 2);
  return out;
}

export class MuxPeer {
  /** @type {WebSocket} */
  #socket;
  #unparsed = Buffer.alloc(0);
  /** @type {Frame[]} */
  #frames = [];
  /** @type {Set<() => void>} */
  #waiting = new Set();
  #nextId = 1;
  /** @type {Promise<number>} the WebSocket's close code */
  closed;

  /** @param {string} url @param {import("ws").ClientOptions} options */
  static async dial(url, options = {}) {
    const socket = new WebSocket(url, "bss.1", options);
    const peer = new MuxPeer(socket);
    await within(WAIT_MS, `the WebSocket at ${url}`, once(socket, "open"));
    return peer;
  }

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once("close", resolve);
    });
    socket.on("error", () => {});
    socket.on("message", (bytes) => this.#take(/** @type {Buffer} */ (bytes)));
  }

  /** @param {Buffer} bytes */
  #take(bytes) {
    this.#unparsed = Buffer.concat([this.#unparsed, bytes]);
    while (this.#unparsed.length >= HEADER) {
      const head = this.#unparsed;
      const [type, length] = [head.readUInt8(1), head.readUInt32BE(8)];
      const size = HEADER + (type === DATA ? length : 0);
      if (head.length < size) break;
      const found = {
        type,
        flags: head.readUInt16BE(2),
        id: head.readUInt32BE(4),
        length,
        body: head.subarray(HEADER, size),
      };
      this.#unparsed = head.subarray(size);
      if (type === PING && found.flags & SYN) this.send(PING, ACK, 0, length);
      else this.#frames.push(found);
    }
    for (const look of this.#waiting) look();
  }

  /**
   * Sends one frame; a body decides the length unless one is given.
   *
   * @param {number} type @param {number} flags @param {number} id @param {number | Uint8Array} content
   */
  send(type, flags, id, content = 0) {
    const body = typeof content === "number" ? new Uint8Array(0) : content;
    this.raw(frame(type, flags, id, typeof content === "number" ? content : body.length, body));
  }

  /** @param {Uint8Array} bytes */
  raw(bytes) {
    this.#socket.send(bytes);
  }

  /**
   * Opens a stream with its open (and maybe bytes behind it), and gives its id.
   *
   * @param {unknown} open @param {Uint8Array} behind
   */
  open(open, behind = new Uint8Array(0)) {
    const id = this.#nextId;
    this.#nextId += 2;
    this.send(DATA, SYN, id, Buffer.concat([message(open), behind]));
    return id;
  }

  /**
   * Takes the first frame, come or to come, that fits; the others stay.
   *
   * @param {string} what @param {(frame: Frame) => boolean} fits
   * @returns {Promise<Frame>}
   */
  frame(what, fits) {
    /** @type {() => void} */
    let look = () => {};
    const found = new Promise((resolve) => {
      look = () => {
        const at = this.#frames.findIndex(fits);
        if (at >= 0) resolve(this.#frames.splice(at, 1)[0]);
      };
    });
    this.#waiting.add(look);
    look();
    return within(WAIT_MS, what, found).finally(() => this.#waiting.delete(look));
  }

  /**
   * The next open, reply or note on a stream. It has to arrive in one frame, as the proxy sends it; what came behind
   * it in the frame is put back.
   *
   * @param {number} id
   */
  async message(id) {
    const got = await this.frame(`a message on stream ${id}`, (f) => f.type === DATA && f.id === id && f.length > 0);
    const size = 2 + got.body.readUInt16BE(0);
    const rest = got.body.subarray(size);
    if (rest.length > 0) this.#frames.unshift({ ...got, flags: got.flags & ~SYN, length: rest.length, body: rest });
    return JSON.parse(got.body.subarray(2, size).toString());
  }

  /** A stream that the proxy opens to this peer: its id and its open. */
  async accept() {
    const syn = await this.frame("a stream from the proxy", (f) => (f.flags & SYN) !== 0 && f.id % 2 === 0);
    if (syn.type === DATA && syn.length > 0) this.#frames.unshift({ ...syn, flags: syn.flags & ~SYN });
    return { id: syn.id, open: await this.message(syn.id) };
  }

  /** Claims a name and gives its reply. @param {string} segment the name as it stands in the path */
  async listen(segment) {
    return await this.message(this.open({ path: `/browser-server/listen/${segment}` }));
  }

  /** Whether frames of a kind came by now, without taking them. @param {(frame: Frame) => boolean} fits */
  has(fits) {
    return this.#frames.some(fits);
  }

  async close() {
    this.#socket.close();
    await within(WAIT_MS, "the WebSocket's close", this.closed);
  }
}
