/** Peers of swarms that do harm: the tracker knows them as holders, and what they do to who comes is said by their kind. */

import { createHash } from "node:crypto";
import { PICTURES, picture } from "../../examples/image-swarm/picture.mjs";

export const PIECE = 256 * 1024;

/**
 * What they do: never answer who connects; let everybody in and say nothing; say that they have all and send nothing; send other bytes; go in the middle of a piece.
 *
 * @typedef {"dead" | "silent" | "mute" | "liar" | "leaver"} Evil
 *
 * @typedef {object} Known what is known of a content before any of it is there
 * @property {string} id
 * @property {number} pieces
 * @property {number} size
 * @property {number[]} manifest
 */

/** By PROTOCOL.md, section 15. @param {Uint8Array} bytes @returns {Known} */
export function known(bytes) {
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(bytes.length));
  const parts = [Buffer.from("bss-swm1"), size];
  for (let at = 0; at < bytes.length; at += PIECE) {
    parts.push(
      createHash("sha256")
        .update(bytes.subarray(at, at + PIECE))
        .digest(),
    );
  }
  const manifest = Buffer.concat(parts);
  const id = createHash("sha256").update(manifest).digest("hex");
  return { id, pieces: parts.length - 2, size: bytes.length, manifest: [...manifest] };
}

/** The pictures of the example. */
export function pictures() {
  return Array.from({ length: PICTURES }, (_, at) => known(picture(at + 1)));
}

/**
 * Announces `many` peers of that kind, each with a connection of its own. `kept.opened` becomes who was connected to and when, `kept.asked` how many pieces were asked for. One
 * self-contained function, because its text is sent into a page, which has the library as `bss`.
 *
 * @param {{ kind: Evil, contents: Known[], many: number, piece: number }} order
 */
export async function announce({ kind, contents, many, piece }) {
  kept.opened ??= [];
  kept.asked ??= 0;
  const byId = new Map(contents.map((content) => [content.id, content]));
  for (let count = 0; count < many; count++) await hold();

  /** One of them. */
  async function hold() {
    const mdm = bss.MuxDemux();
    const name = `swarm-${crypto.randomUUID()}`;
    const accept = () => {
      kept.opened.push({ name, at: performance.now() });
      return kind === "dead" ? /** @type {Promise<true>} */ (new Promise(() => {})) : true;
    };
    const server = bss.StreamServer(mdm, { prefix: "/swarm", accept }, (stream) => void harm(stream).catch(() => {}));
    await server.listen(name).listening;
    const track = mdm.createStream(undefined, { path: "/swarm/track" });
    await track.opened;
    /** @param {object} note */
    const tell = (note) => {
      const json = new TextEncoder().encode(JSON.stringify(note));
      track.write(Uint8Array.of(json.length >> 8, json.length & 255));
      track.write(json);
    };
    tell({ note: "announce", value: { name, contents: contents.map(({ id, pieces }) => ({ id, pieces })) } });
    // The answer to this comes behind that.
    tell({ note: "find", value: { ask: 0, id: contents[0]?.id } });
    await track.readable.getReader().read();
    kept.evil = [...(kept.evil ?? []), mdm, track];
  }

  /** Reads the records of a fetcher, and does what it does. @param {import("browser-stream-server").Stream} stream */
  async function harm(stream) {
    const { next, number } = reading(stream.readable.getReader());
    const writer = stream.writable.getWriter();
    /** @param {(number | Uint8Array)[]} parts */
    const say = (...parts) => {
      const bytes = parts.flatMap((part) => (typeof part === "number" ? part : [...part]));
      writer.write(Uint8Array.from(bytes)).catch(() => {});
    };
    /** @type {Map<number, Known>} */
    const refs = new Map();
    while (true) {
      const [record, ref] = [await next(), await number()];
      const content = refs.get(ref);
      if (record === 1) {
        let id = "";
        for (let at = 0; at < 32; at++) id += (await next()).toString(16).padStart(2, "0");
        const wanted = byId.get(id);
        if (wanted) refs.set(ref, wanted);
        if (kind === "silent") continue;
        if (wanted) say(1, ...integer(ref), ...integer(wanted.pieces), 0);
        else say(3, ...integer(ref));
      } else if (record === 3 && content) {
        say(4, ...integer(ref), ...integer(content.manifest.length), Uint8Array.from(content.manifest));
      } else if (record === 4 && content) {
        const index = await number();
        kept.asked++;
        if (kind === "mute") continue;
        const length = Math.min(piece, content.size - index * piece);
        say(5, ...integer(ref), ...integer(index), ...integer(length));
        await writer.write(new Uint8Array(kind === "leaver" ? length >> 1 : length).fill(7)).catch(() => {});
        if (kind === "leaver") return stream.reset();
      } else if (record === 4 || record === 5) await number();
    }
  }

  /** @param {ReadableStreamDefaultReader<Uint8Array>} reader */
  function reading(reader) {
    /** @type {number[]} */
    let rest = [];
    const next = async () => {
      while (rest.length === 0) {
        const { done, value } = await reader.read();
        if (done) throw new Error("it ended");
        rest = [...value];
      }
      return /** @type {number} */ (rest.shift());
    };
    const number = async () => {
      let value = 0;
      for (let scale = 1; ; scale *= 128) {
        const byte = await next();
        value += (byte & 127) * scale;
        if (byte < 128) return value;
      }
    };
    return { next, number };
  }

  /** @param {number} value */
  function integer(value) {
    const bytes = [];
    for (; value > 127; value = Math.floor(value / 128)) bytes.push((value & 127) | 128);
    return [...bytes, value];
  }
}
