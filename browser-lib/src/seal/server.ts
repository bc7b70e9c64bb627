// The server's side: opens the first message, and answers it.

import { Cell } from "../cell.ts";
import { StreamError } from "../error.ts";
import { fromHex, toHex } from "../hex.ts";
import { codeNumber } from "../mux/codes.ts";
import type { Opening } from "../opening.ts";
import type { Resumables } from "../resumable/resumables.ts";
import { isSame } from "../resume/proof.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { SealKeys } from "./keys.ts";
import { Handshake, type PatternName } from "./noise.ts";
import { type Bytes, type Primitives, primitives } from "./primitives.ts";
import { Sealing } from "./sealing.ts";
import { directions, prologue, secretOf, signals, VERSION } from "./stream.ts";

const CANCELLED = codeNumber("cancelled");

/** A first message, as an open says it. */
interface Said {
  readonly pattern: PatternName;
  readonly message: Bytes;
  /** Of the stream; zeros if it does not resume. */
  readonly id: Bytes;
}

/**
 * A server's end of sealing. The library makes it where clients may seal.
 *
 * @internal
 */
export class Unsealing {
  /** With these keys, or new ones. */
  static async with(resumables: Resumables, keys: SealKeys | true): Promise<Unsealing> {
    const own = keys === true ? await SealKeys.generate() : keys;
    return new Unsealing(resumables, own, await primitives());
  }

  readonly keys: SealKeys;
  readonly #resumables: Resumables;
  readonly #primitives: Primitives;
  /** Streams whose first message is being opened: the same open may come again meanwhile. */
  readonly #pending = new Map<string, Promise<unknown>>();

  private constructor(resumables: Resumables, keys: SealKeys, primitives: Primitives) {
    this.#resumables = resumables;
    this.keys = keys;
    this.#primitives = primitives;
  }

  /** Sees to an open: whether it is a new client's, which `admit` then said of what was sealed. */
  async take(opening: Opening, name: string, admit: () => boolean): Promise<boolean> {
    const said = this.#read(opening);
    if (!said) return false;
    const { resume } = opening;
    const id = resume ? toHex(said.id) : "";
    while (this.#pending.has(id)) await this.#pending.get(id);
    const taking = this.#take(opening, name, said, admit);
    if (id) {
      const settled = taking.catch(() => {}).then(() => this.#pending.delete(id));
      this.#pending.set(id, settled);
    }
    return taking;
  }

  async #take(opening: Opening, name: string, { id, message, pattern }: Said, admit: () => boolean): Promise<boolean> {
    const known = this.#primitives;
    const digest = await known.sha256(message);
    const earlier = opening.resume ? this.#resumables.registry.identity(id, performance.now()) : undefined;
    if (earlier) {
      const isIt = earlier.name === name && earlier.seal?.digest && isSame(earlier.seal.digest, digest);
      if (isIt) opening.resume = { ...(opening.resume as object), secret: toHex(earlier.secret) };
      // One more carrier of that stream, or nothing: a new client would have no seal.
      return (!isIt || admit()) && deny(opening, "forbidden", "the stream's id is taken");
    }
    const { pair: keys } = this.keys;
    const handshake = await Handshake.begin(known, {
      ...{ pattern, role: "server", keys, server: keys.public, prologue: prologue(id, name) },
    });
    const payload = await handshake.read(message).catch(() => undefined);
    if (!payload) return this.#tell(opening);
    const meta = json(payload);
    if (!meta) return deny(opening, "bad_request", "sealed meta is JSON");
    const reply = { v: VERSION, message: toBase64(await handshake.write(new Uint8Array(0))) };
    const agreed = await handshake.split();
    const [both, secret] = await Promise.all([directions(known, agreed, "server"), secretOf(known, agreed)]);
    if (opening.resume) opening.resume = { ...(opening.resume as object), secret: toHex(secret) };
    opening.sealed = {
      peer: { meta: meta.value, key: handshake.client && toBase64(handshake.client) },
      seal: { reply, digest, signals: signals(known) },
      ride: (below) => {
        const cell = new Cell(below.host);
        const sealing = new Sealing(cell, below);
        return { cell, start: () => sealing.start(both) };
      },
    };
    return admit();
  }

  /** The first message in an open; if there is none, or it is not for us, the open is answered here. */
  #read(opening: Opening): Said | undefined {
    const { seal, resume } = opening;
    if (seal === undefined) {
      const how = "This server takes sealed streams only: connect to NAME#key.";
      deny(opening, "forbidden", how);
      return undefined;
    }
    const { v, pattern, message } = (seal ?? {}) as Record<string, unknown>;
    const { id, secret, early } = (resume ?? {}) as Record<string, unknown>;
    const stream = resume ? fromHex(id, 16) : new Uint8Array(16);
    if (typeof v !== "number" || !stream || secret !== undefined || (resume && early !== 0)) {
      deny(opening, "bad_request", "seal or resume is not what it should be");
      return undefined;
    }
    const bytes = fromBase64(message);
    const isKnown = v === VERSION && (pattern === "NK" || pattern === "IK");
    if (isKnown && bytes) return { pattern, message: bytes, id: stream };
    this.#tell(opening);
    return undefined;
  }

  /** Whoever asks for our key, or means another, is told it, and nobody hears of it. */
  #tell({ cell }: Opening): false {
    if (cell.isOver) return false;
    cell.sendFrame({ seal: { v: VERSION, key: this.keys.publicKey } });
    cell.host.finish(cell.id);
    cell.fail(new StreamError("cancelled"), false);
    cell.host.resetBehind(cell.id, CANCELLED);
    return false;
  }
}

function deny(opening: Opening, code: string, message: string): false {
  opening.refuse(new StreamError(code, message));
  return false;
}

/** JSON in UTF-8, or nothing. */
function json(bytes: Bytes): { value: unknown } | undefined {
  if (bytes.length === 0) return { value: undefined };
  try {
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)) };
  } catch {
    return undefined;
  }
}
