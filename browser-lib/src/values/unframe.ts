// Takes values' bytes out of chunks that may end anywhere: each stands behind its length, a big-endian u32 (PROTOCOL.md, "Values").

import { ValueError } from "./error.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes of the length. */
export const HEAD_BYTES = 4;

export class Unframer {
  readonly #max: number;
  #chunk: Bytes = new Uint8Array();
  /** How much of the chunk is taken. */
  #at = 0;
  #headBytes = 0;
  #length = 0;
  /** The part of a value that came in earlier chunks. It grows with what comes, never ahead of it by more than as much again. */
  #body: Bytes | undefined;
  #filled = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Takes the next chunk; the one before must have been used up by {@link next}. */
  push(chunk: Bytes): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** The next value's bytes if they are whole: part of the chunk if all of them lie there. Throws `value_too_large`. */
  next(): Bytes | undefined {
    const chunk = this.#chunk;
    while (this.#headBytes < HEAD_BYTES) {
      const byte = chunk[this.#at];
      if (byte === undefined) return undefined;
      this.#length = this.#length * 256 + byte;
      this.#at++;
      this.#headBytes++;
    }
    if (this.#length > this.#max) throw ValueError.tooLarge(this.#length, this.#max);
    const part = chunk.subarray(this.#at, this.#at + this.#length - this.#filled);
    this.#at += part.length;
    if (part.length === this.#length) return this.#done(part);
    const body = this.#keep(part);
    return this.#filled === this.#length ? this.#done(body) : undefined;
  }

  /** What is missing where the stream ended, in words; nothing if it ended between two values. */
  get missing(): string | undefined {
    if (this.#headBytes === 0) return undefined;
    const came = this.#headBytes < HEAD_BYTES ? "a part of its length" : `${this.#filled} of its ${this.#length} bytes`;
    return `the stream ended within a value, after ${came}`;
  }

  #done(body: Bytes): Bytes {
    this.#headBytes = this.#length = this.#filled = 0;
    this.#body = undefined;
    return body;
  }

  #keep(part: Bytes): Bytes {
    const filled = this.#filled + part.length;
    let body = this.#body;
    if (!body || body.length < filled) {
      const larger = new Uint8Array(Math.min(this.#length, 2 * filled));
      if (body) larger.set(body);
      body = this.#body = larger;
    }
    body.set(part, this.#filled);
    this.#filled = filled;
    return body;
  }
}
