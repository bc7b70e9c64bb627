// What the fetcher and the holder of contents say to each other, as bytes (PROTOCOL.md, section 15).

import { Decoder, type Parser } from "../decoder.ts";
import { StreamError } from "../error.ts";
import { integers } from "../resume/record.ts";
import { Bitmap } from "./bitmap.ts";
import { MANIFEST_BYTES_MAX, PIECE_BYTES, PIECES_MAX } from "./manifest.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const ID_BYTES = 32;

export const WANT = 1;
export const DROP = 2;
export const MANIFEST = 3;
export const ASK = 4;
export const CANCEL = 5;

export const HAVE = 1;
export const GOT = 2;
export const NONE = 3;
/** The same bytes mean other things from a holder and to it. */
export const MANIFEST_IS = 4;
export const PIECE = 5;
export const REFUSED = 6;

/** Why a piece is refused. */
export const NOT_FOUND = 2;
export const LIMIT = 8;

/** What a holder hears. */
export type Wish =
  | { readonly type: typeof WANT; readonly ref: number; readonly id: Bytes }
  | { readonly type: typeof DROP | typeof MANIFEST; readonly ref: number }
  | { readonly type: typeof ASK | typeof CANCEL; readonly ref: number; readonly index: number };

/** What a fetcher hears. */
export type Answer =
  | { readonly type: typeof HAVE; readonly ref: number; readonly bitmap: Bitmap }
  | { readonly type: typeof GOT; readonly ref: number; readonly index: number }
  | { readonly type: typeof NONE; readonly ref: number }
  | { readonly type: typeof MANIFEST_IS; readonly ref: number; readonly bytes: Bytes }
  | { readonly type: typeof PIECE; readonly ref: number; readonly index: number; readonly bytes: Bytes }
  | { readonly type: typeof REFUSED; readonly ref: number; readonly index: number; readonly code: number };

/** A record that is made of integers, and the head of one whose bytes follow. */
export function record(type: number, ...values: number[]): Bytes {
  const out: number[] = [];
  integers(out, type, ...values);
  return Uint8Array.from(out);
}

export function want(ref: number, id: Uint8Array): Bytes {
  return Uint8Array.of(...record(WANT, ref), ...id);
}

/** Without a bitmap where it is full. */
export function have(ref: number, bitmap: Bitmap): Bytes {
  const bytes = bitmap.isFull ? new Uint8Array() : bitmap.bytes;
  const head = record(HAVE, ref, bitmap.length, bytes.length);
  const out = new Uint8Array(head.length + bytes.length);
  out.set(head);
  out.set(bytes, head.length);
  return out;
}

/** What a fetcher says, to its holder. */
export function wishDecoder(): Decoder<Wish> {
  return new Decoder((from): Wish => {
    const type = from.byte();
    switch (type) {
      case WANT:
        return { type, ref: from.integer(), id: from.bytes(ID_BYTES) };
      case DROP:
      case MANIFEST:
        return { type, ref: from.integer() };
      case ASK:
      case CANCEL:
        return { type, ref: from.integer(), index: from.small(0, PIECES_MAX - 1) };
      default:
        throw breach(`a record of the type ${type}`);
    }
  });
}

type Head =
  | Exclude<Answer, { bytes: Bytes }>
  | { readonly type: typeof MANIFEST_IS; readonly ref: number; readonly length: number }
  | { readonly type: typeof PIECE; readonly ref: number; readonly index: number; readonly length: number };

/** Reads what a holder says. Holds one piece, or manifest, at most. */
export class Answers {
  readonly #heads = new Decoder(head);
  #head: Extract<Head, { length: number }> | undefined;
  #body = new Uint8Array();
  #filled = 0;

  /** The next chunk; {@link next} has said that nothing whole is left of the one before. */
  push(chunk: Bytes): void {
    this.#heads.push(chunk);
  }

  /** What comes next, if all of it is there. Throws `bad_request` for what is no record. */
  next(): Answer | undefined {
    if (!this.#head) {
      const head = this.#heads.next();
      if (!head || !("length" in head)) return head;
      this.#head = head;
      this.#body = new Uint8Array(head.length);
      this.#filled = 0;
    }
    const part = this.#heads.take(this.#body.length - this.#filled);
    this.#body.set(part, this.#filled);
    this.#filled += part.length;
    if (this.#filled < this.#body.length) return undefined;
    const { length: _, ...fields } = this.#head;
    this.#head = undefined;
    return { ...fields, bytes: this.#body };
  }
}

function head(from: Parser): Head {
  const type = from.byte();
  if (type < HAVE || type > REFUSED) throw breach(`a record of the type ${type}`);
  const ref = from.integer();
  const index = () => from.small(0, PIECES_MAX - 1);
  switch (type) {
    case HAVE: {
      const pieces = from.small(0, PIECES_MAX);
      const length = from.small(0, Math.ceil(PIECES_MAX / 8));
      if (length !== 0 && length !== Math.ceil(pieces / 8)) throw breach("a bitmap of another length");
      const bitmap = length === 0 ? Bitmap.full(pieces) : Bitmap.read(pieces, from.bytes(length));
      return { type, ref, bitmap };
    }
    case GOT:
      return { type, ref, index: index() };
    case MANIFEST_IS:
      return { type, ref, length: from.small(1, MANIFEST_BYTES_MAX) };
    case PIECE:
      return { type, ref, index: index(), length: from.small(1, PIECE_BYTES) };
    case REFUSED:
      return { type, ref, index: index(), code: from.small() };
    default:
      return { type: NONE, ref };
  }
}

/** A peer that does not keep to it. */
export function breach(what: string): StreamError {
  return new StreamError("bad_request", `the peer sent ${what}`);
}
