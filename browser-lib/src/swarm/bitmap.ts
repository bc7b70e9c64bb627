// Which pieces of a content there are: piece i is bit 7−(i mod 8) of byte i div 8, as in HAVE and in the tracker's notes.

import { StreamError } from "../error.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export class Bitmap {
  readonly length: number;
  readonly bytes: Bytes;
  #count = 0;

  /** None of so many. */
  constructor(length: number) {
    this.length = length;
    this.bytes = new Uint8Array(Math.ceil(length / 8));
  }

  static full(length: number): Bitmap {
    const bitmap = new Bitmap(length);
    for (let piece = 0; piece < length; piece++) bitmap.add(piece);
    return bitmap;
  }

  /** What a peer said, copied. Throws `bad_request` where the length is another, or a bit stands behind the last piece. */
  static read(length: number, bytes: Uint8Array): Bitmap {
    const bitmap = new Bitmap(length);
    const padding = (bytes.at(-1) ?? 0) & (0xff >> (length % 8 || 8));
    if (bytes.length !== bitmap.bytes.length || padding !== 0) {
      throw new StreamError("bad_request", `${bytes.length} bytes that are no bitmap of ${length} pieces`);
    }
    bitmap.bytes.set(bytes);
    for (let piece = 0; piece < length; piece++) if (bitmap.has(piece)) bitmap.#count++;
    return bitmap;
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.length;
  }

  has(piece: number): boolean {
    return ((this.bytes[piece >> 3] ?? 0) & mask(piece)) !== 0;
  }

  /** Whether it was not there before. */
  add(piece: number): boolean {
    if (piece >= this.length || this.has(piece)) return false;
    this.bytes[piece >> 3] = (this.bytes[piece >> 3] ?? 0) | mask(piece);
    this.#count++;
    return true;
  }

  /** Whether it was there before. */
  delete(piece: number): boolean {
    if (!this.has(piece)) return false;
    this.bytes[piece >> 3] = (this.bytes[piece >> 3] ?? 0) & ~mask(piece);
    this.#count--;
    return true;
  }

  /** The first piece that is missing of these, both included. */
  firstMissing(first: number, last: number): number | undefined {
    for (let piece = first; piece <= last; piece++) if (!this.has(piece)) return piece;
    return undefined;
  }

  copy(): Bitmap {
    return Bitmap.read(this.length, this.bytes);
  }
}

function mask(piece: number): number {
  return 0x80 >> (piece & 7);
}
