// Records out of chunks that may end anywhere (PROTOCOL.md, sections 12 and 14).

import { StreamError } from "./error.ts";
import { text } from "./resume/record.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const INTEGER_BYTES_MAX = 8;
/** Not all of the record is there. */
const SHORT = Symbol();

/** Reads one record, field by field. */
export class Parser {
  readonly #bytes: Bytes;
  at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  byte(): number {
    return this.bytes(1)[0] ?? 0;
  }

  /** LEB128. */
  integer(): number {
    let value = 0;
    for (let index = 0; index < INTEGER_BYTES_MAX; index++) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte >= 0x80) continue;
      if (value <= Number.MAX_SAFE_INTEGER) return value;
      break;
    }
    throw malformed("an integer that is too long");
  }

  /** An integer from `min` to `max`: a number of 32 bits unless it is said how large. */
  small(min = 0, max = 0xffff_ffff): number {
    const value = this.integer();
    if (value < min || value > max) throw malformed(`${value} where at most ${max} may stand`);
    return value;
  }

  text(max: number): string {
    return text(this.bytes(this.small(0, max)), max);
  }

  bytes(length: number): Bytes {
    const bytes = this.#bytes.subarray(this.at, this.at + length);
    if (bytes.length < length) throw SHORT;
    this.at += length;
    return bytes;
  }
}

/** Takes records off a stream. Holds no more than the beginning of one. */
export class Decoder<R> {
  readonly #parse: (parser: Parser) => R;
  #rest: Bytes = new Uint8Array();

  constructor(parse: (parser: Parser) => R) {
    this.#parse = parse;
  }

  /** The next chunk; {@link next} has said that nothing whole is left of the one before. */
  push(chunk: Bytes): void {
    if (this.#rest.length === 0) {
      this.#rest = chunk;
      return;
    }
    const joined = new Uint8Array(this.#rest.length + chunk.length);
    joined.set(this.#rest);
    joined.set(chunk, this.#rest.length);
    this.#rest = joined;
  }

  /** The next record, if all of it is there. Throws `bad_request` for what is none. */
  next(): R | undefined {
    const parser = new Parser(this.#rest);
    try {
      const record = this.#parse(parser);
      this.take(parser.at);
      return record;
    } catch (error) {
      if (error === SHORT) return undefined;
      throw error;
    }
  }

  /** So many bytes behind the record, or as many as are there. */
  take(length: number): Bytes {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(taken.length);
    return taken;
  }
}

export function malformed(what: string): StreamError {
  return new StreamError("bad_request", `the proxy sent ${what}`);
}
