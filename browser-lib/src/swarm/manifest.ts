// What a content is: its size and the hash of each piece; the hash of that is its id (PROTOCOL.md, section 15).

import { each } from "../each.ts";
import { StreamError } from "../error.ts";
import { toHex } from "../hex.ts";
import { sha256 } from "../resume/sha256.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export const PIECE_BYTES = 256 * 1024;
export const PIECES_MAX = 65_536;
const HASH_BYTES = 32;
const MAGIC = new TextEncoder().encode("bss-swm1");
const HEAD_BYTES = MAGIC.length + 8;
export const MANIFEST_BYTES_MAX = HEAD_BYTES + HASH_BYTES * PIECES_MAX;
const ID = /^[0-9a-f]{64}$/;

export class Manifest {
  /** As it is sent, and hashed. */
  readonly bytes: Bytes;
  /** Bytes of the content. */
  readonly size: number;
  readonly pieces: number;

  private constructor(bytes: Bytes, size: number) {
    this.bytes = bytes;
    this.size = size;
    this.pieces = Math.ceil(size / PIECE_BYTES);
  }

  /** Throws `bad_request` for what is none. */
  static read(bytes: Bytes): Manifest {
    const size = bytes.length < HEAD_BYTES ? -1 : Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(8));
    const manifest = new Manifest(bytes, size);
    const isOne =
      MAGIC.every((byte, at) => bytes[at] === byte) &&
      manifest.pieces <= PIECES_MAX &&
      bytes.length === HEAD_BYTES + HASH_BYTES * manifest.pieces;
    if (!isOne) throw new StreamError("bad_request", `${bytes.length} bytes that are no manifest`);
    return manifest;
  }

  /** Of a content of this size, whose pieces have these hashes. */
  static of(size: number, hashes: readonly Bytes[]): Manifest {
    const bytes = new Uint8Array(HEAD_BYTES + HASH_BYTES * hashes.length);
    bytes.set(MAGIC);
    new DataView(bytes.buffer).setBigUint64(MAGIC.length, BigInt(size));
    for (const [piece, hash] of hashes.entries()) bytes.set(hash, HEAD_BYTES + HASH_BYTES * piece);
    return Manifest.read(bytes);
  }

  /** The content's. */
  async id(): Promise<string> {
    return toHex(await digest(this.bytes));
  }

  /** Bytes of that piece. */
  lengthOf(piece: number): number {
    return Math.min(PIECE_BYTES, this.size - piece * PIECE_BYTES);
  }

  /** Whether these bytes are that piece. */
  async isPiece(piece: number, bytes: Bytes): Promise<boolean> {
    if (piece >= this.pieces || bytes.length !== this.lengthOf(piece)) return false;
    const hash = await digest(bytes);
    const at = HEAD_BYTES + HASH_BYTES * piece;
    return hash.every((byte, index) => byte === this.bytes[at + index]);
  }
}

/** SHA-256, by our own code where a page has no secure context. */
export async function digest(bytes: Bytes): Promise<Bytes> {
  const { subtle } = globalThis.crypto ?? {};
  return subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes)) : sha256(bytes);
}

/** Whether these bytes are the manifest with that id. */
export async function isManifest(id: string, bytes: Bytes): Promise<boolean> {
  return toHex(await digest(bytes)) === id;
}

/** Throws `bad_request` for what is no id of a content. */
export function checkId(id: string): void {
  if (!ID.test(id)) throw new StreamError("bad_request", "an id of a content is 64 lower-case hex digits");
}

/** The stream's bytes as pieces, one by one; all but the last are whole. */
export async function* inPieces(readable: ReadableStream<Bytes>): AsyncGenerator<Bytes, void, undefined> {
  let piece = new Uint8Array(PIECE_BYTES);
  let filled = 0;
  for await (const chunk of each(readable)) {
    for (let rest = chunk; rest.length > 0; ) {
      const part = rest.subarray(0, PIECE_BYTES - filled);
      piece.set(part, filled);
      filled += part.length;
      rest = rest.subarray(part.length);
      if (filled < PIECE_BYTES) continue;
      yield piece;
      piece = new Uint8Array(PIECE_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield piece.slice(0, filled);
}

/** Puts a manifest together from pieces in their order. */
export class Hashing {
  readonly #hashes: Bytes[] = [];
  #size = 0;

  /** Throws `limit` where it is too many. */
  async push(piece: Bytes): Promise<void> {
    if (this.#hashes.length >= PIECES_MAX) throw new StreamError("limit", "a content has at most 16 GiB");
    this.#size += piece.length;
    this.#hashes.push(await digest(piece));
  }

  get size(): number {
    return this.#size;
  }

  manifest(): Manifest {
    return Manifest.of(this.#size, this.#hashes);
  }
}

/** The manifest of what a stream gives; holds one piece at a time. */
export async function manifestOf(
  readable: ReadableStream<Bytes>,
  onBytes: (bytes: number) => void = () => {},
): Promise<Manifest> {
  const hashing = new Hashing();
  for await (const piece of inPieces(readable)) {
    await hashing.push(piece);
    onBytes(hashing.size);
  }
  return hashing.manifest();
}
