// Whether bytes are one whole MessagePack value, before anything is made of them.
//
// The decoder believes lengths: five bytes that announce an array of a million items cost it eight megabytes, and they nest. It also takes any nesting, and text that is no UTF-8.

import { DEPTH_MAX } from "./codec.ts";

/** The type of the timestamp among the extensions. */
export const TIMESTAMP = -1;

/** What follows each first byte from 0xc0 to 0xdf: the kind, and the bytes of its number or of its length. */
const KINDS: readonly (readonly [Kind, number])[] = [
  ...sizes("plain", 0),
  ...sizes("never", 0),
  ...sizes("plain", 0, 0),
  ...lengths("binary"),
  ...lengths("extension"),
  ...sizes("plain", 4, 8),
  ...sizes("plain", 1, 2, 4, 8),
  ...sizes("plain", 1, 2, 4, 8),
  ...sizes("fixed", 1, 2, 4, 8, 16),
  ...lengths("text"),
  ...sizes("array", 2, 4),
  ...sizes("map", 2, 4),
];

type Kind = "plain" | "never" | "binary" | "extension" | "fixed" | "text" | "array" | "map";

const text = new TextDecoder("utf-8", { fatal: true });

/** Reads over a value without making it. */
export class Shape {
  /** Whether there is binary in it, which the decoder leaves where it is. */
  hasBinary = false;
  readonly #bytes: Uint8Array;
  #at = 0;

  /** Throws for anything but one whole value. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#value(0);
    const more = bytes.length - this.#at;
    if (more > 0) throw new TypeError(`${more} bytes behind the value`);
  }

  #value(depth: number): void {
    const first = this.#number(1);
    if (first < 0x80 || first >= 0xe0) return;
    if (first < 0x90) return this.#items(2 * (first & 15), depth, true);
    if (first < 0xa0) return this.#items(first & 15, depth);
    if (first < 0xc0) return this.#text(first & 31);
    const [kind, size] = KINDS[first - 0xc0] ?? ["never", 0];
    switch (kind) {
      case "plain":
        return void this.#skip(size);
      case "never":
        throw new TypeError("a byte that begins no value");
      case "binary":
        this.hasBinary = true;
        return void this.#skip(this.#number(size));
      case "extension":
        return this.#extension(this.#number(size));
      case "fixed":
        return this.#extension(size);
      case "text":
        return this.#text(this.#number(size));
      case "array":
        return this.#items(this.#number(size), depth);
      case "map":
        return this.#items(2 * this.#number(size), depth, true);
    }
  }

  /** Each takes a byte at least, so that no more are counted than bytes are there. */
  #items(count: number, depth: number, isMap = false): void {
    if (depth === DEPTH_MAX) throw new TypeError(`nested deeper than ${DEPTH_MAX} levels`);
    if (count > this.#bytes.length - this.#at) throw new TypeError("cut short");
    for (let item = 0; item < count; item++) {
      if (isMap && item % 2 === 0) this.#key();
      else this.#value(depth + 1);
    }
  }

  /** Text, or a number that becomes text. */
  #key(): void {
    const first = this.#bytes[this.#at] ?? 0;
    const isText = (first >= 0xa0 && first < 0xc0) || (first >= 0xd9 && first <= 0xdb);
    const isNumber =
      first < 0x80 || first >= 0xe0 || (first >= 0xcc && first <= 0xce) || (first >= 0xd0 && first <= 0xd2);
    if (!isText && !isNumber) throw new TypeError("a key that is neither text nor a number of 32 bits");
    this.#value(0);
  }

  #extension(length: number): void {
    const type = (this.#number(1) << 24) >> 24;
    if (type !== TIMESTAMP) throw new TypeError(`the extension type ${type}, which only its maker knows`);
    if (length !== 4 && length !== 8 && length !== 12) throw new TypeError(`a timestamp of ${length} bytes`);
    this.#skip(length);
  }

  #text(length: number): void {
    const from = this.#at;
    const to = this.#skip(length);
    for (let at = from; at < to; at++) {
      if ((this.#bytes[at] ?? 0) > 0x7f) return void text.decode(this.#bytes.subarray(at, to));
    }
  }

  #number(size: number): number {
    const from = this.#at;
    const to = this.#skip(size);
    let number = 0;
    for (let at = from; at < to; at++) number = number * 256 + (this.#bytes[at] ?? 0);
    return number;
  }

  /** Where it ends. */
  #skip(length: number): number {
    if (length > this.#bytes.length - this.#at) throw new TypeError("cut short");
    this.#at += length;
    return this.#at;
  }
}

function sizes(kind: Kind, ...bytes: number[]): [Kind, number][] {
  return bytes.map((size) => [kind, size]);
}

function lengths(kind: Kind): [Kind, number][] {
  return sizes(kind, 1, 2, 4);
}
