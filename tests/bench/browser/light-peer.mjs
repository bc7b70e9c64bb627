/**
 * A server over bare frames that only moves bytes, so that it costs what the far end of the bare WebSocket costs: what is compared is the page and
 * what is between. It breaks no rule, but checks none either.
 */

import { ACK, DATA, FIN, frame, message, PING, SYN, WINDOW } from "../../harness/mux-peer.mjs";
import { CHUNK, MIB } from "./size.mjs";

const HEADER = 12;
const WINDOW_BYTES = 4 * MIB;
const GRANT = (WINDOW_BYTES * 7) / 16;
/** How much `ws` may hold: it never runs dry, and piles nothing up. */
export const AHEAD = MIB;

/** What a page asked for on its stream. */
class Transfer {
  credit = 256 * 1024;
  open = Buffer.alloc(0);
  isOpen = false;
  /** Bytes to send. */
  down = 0;
  /** Bytes that came behind the open. */
  up = 0;
  /** Of those, what was not granted again. */
  owed = 0;
  /** What is sent again and again, its header in front: one message for each, as over the bare WebSocket. */
  chunk;

  /** @param {number} id */
  constructor(id) {
    this.chunk = frame(DATA, 0, id, CHUNK, Buffer.alloc(CHUNK));
  }
}

/** Claims `name` on an open WebSocket and serves it. @param {import("ws").WebSocket} socket @param {string} name */
export function serveLightly(socket, name) {
  /** @type {Map<number, Transfer>} */
  const transfers = new Map();
  /** @param {number} id @param {Transfer} transfer */
  const give = (id, transfer) => {
    while (transfer.down > 0 && transfer.credit >= CHUNK && socket.bufferedAmount < AHEAD) {
      transfer.credit -= CHUNK;
      transfer.down -= CHUNK;
      socket.send(transfer.chunk, () => give(id, transfer));
      if (transfer.down === 0) socket.send(frame(DATA, FIN, id, 0));
    }
  };

  /** @param {number} id @param {Transfer} transfer @param {Buffer} bytes */
  const take = (id, transfer, bytes) => {
    if (transfer.isOpen) transfer.up += bytes.length;
    else read(id, transfer, bytes);
    transfer.owed += bytes.length;
    if (transfer.owed < GRANT) return;
    socket.send(frame(WINDOW, 0, id, transfer.owed));
    transfer.owed = 0;
  };

  /** @param {number} id @param {Transfer} transfer @param {Buffer} bytes */
  const read = (id, transfer, bytes) => {
    transfer.open = Buffer.concat([transfer.open, bytes]);
    if (transfer.open.length < 2 || transfer.open.length < 2 + transfer.open.readUInt16BE(0)) return;
    const end = 2 + transfer.open.readUInt16BE(0);
    const { meta } = JSON.parse(transfer.open.subarray(2, end).toString());
    transfer.isOpen = true;
    transfer.up = transfer.open.length - end;
    transfer.down = meta.down ?? 0;
    const reply = message({});
    transfer.credit -= reply.length;
    socket.send(frame(DATA, 0, id, reply.length, reply));
    give(id, transfer);
  };

  const parse = parser((type, flags, id, length) => {
    if (type === PING && flags & SYN) socket.send(frame(PING, ACK, 0, length));
    if (id === 0 || id % 2 === 1) return;
    if (flags & SYN) {
      transfers.set(id, new Transfer(id));
      socket.send(frame(WINDOW, ACK, id, WINDOW_BYTES - 256 * 1024));
    }
    const transfer = transfers.get(id);
    if (!transfer) return;
    if (type === WINDOW) {
      transfer.credit += length;
      give(id, transfer);
    }
    if (flags & FIN && transfer.down === 0 && transfer.up > 0) {
      const count = Buffer.from(String(transfer.up));
      socket.send(frame(DATA, 0, id, count.length, count));
      socket.send(frame(DATA, FIN, id, 0));
    }
  });
  socket.on("message", (bytes) => {
    parse(/** @type {Buffer} */ (bytes), (id, part) => {
      const transfer = transfers.get(id);
      if (transfer) take(id, transfer, part);
    });
  });
  const open = message({ path: `/browser-server/listen/${name}` });
  socket.send(frame(DATA, SYN, 1, open.length, open));
}

/**
 * Takes frames apart, however they are cut into messages: `onFrame` for each header, and payload as it comes.
 *
 * @param {(type: number, flags: number, id: number, length: number) => void} onFrame
 */
function parser(onFrame) {
  const head = Buffer.alloc(HEADER);
  let [filled, left] = [0, 0];
  return (/** @type {Buffer} */ bytes, /** @type {(id: number, part: Buffer) => void} */ onPayload) => {
    for (let at = 0; at < bytes.length; ) {
      if (left > 0) {
        const part = bytes.subarray(at, at + left);
        at += part.length;
        left -= part.length;
        onPayload(head.readUInt32BE(4), part);
      } else {
        const used = bytes.copy(head, filled, at, at + HEADER - filled);
        at += used;
        filled += used;
        if (filled < HEADER) return;
        filled = 0;
        const [type, length] = [head.readUInt8(1), head.readUInt32BE(8)];
        left = type === DATA ? length : 0;
        onFrame(type, head.readUInt16BE(2), head.readUInt32BE(4), length);
      }
    }
  };
}
