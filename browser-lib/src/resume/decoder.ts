// Bytes of a carrier into records, wherever its chunks begin and end.

import { DATA_MAX } from "./limits.ts";
import {
  ACK,
  CODE_MAX,
  DATA,
  DONE,
  type Fact,
  FIN,
  GONE,
  JOIN,
  MESSAGE_MAX,
  PING,
  PONG,
  PROOF,
  PROVE,
  RESET,
  text,
} from "./record.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Payload as it arrived, never empty: a slice of the input. */
export interface Payload {
  readonly type: 0;
  readonly offset: number;
  readonly bytes: Bytes;
}

const INTEGER_BYTES_MAX = 8;
/** Not all of the record is there. */
const SHORT = Symbol();

/** Reads one carrier's bytes; holds at most one unfinished record's head, and never payload. */
export class Decoder {
  /** What is left of the bytes that came. */
  rest: Bytes = new Uint8Array();
  /** The beginning of a record that spans chunks. */
  #head: number[] = [];
  #offset = 0;
  #payload: number;

  /** So many raw bytes from offset 0 on come before the first record. */
  constructor(early = 0) {
    this.#payload = early;
  }

  /** Takes the next thing off the front of `rest`; `undefined` when nothing whole is left. Throws for what is no record: the carrier is then of no use. */
  next(): Fact | Payload | undefined {
    if (this.rest.length === 0) return undefined;
    if (this.#payload > 0) {
      const [offset, bytes] = [this.#offset, this.#take(this.#payload)];
      this.#offset += bytes.length;
      this.#payload -= bytes.length;
      return { type: 0, offset, bytes };
    }
    const fact = this.#head.length > 0 ? this.#parseOn() : this.#parse();
    if (fact?.type === DATA) [this.#offset, this.#payload] = [fact.offset, fact.length];
    return fact;
  }

  #parse(): Fact | undefined {
    const parser = new Parser(this.rest);
    const fact = parser.fact();
    const used = this.#take(fact ? parser.at : this.rest.length);
    if (!fact) this.#head.push(...used);
    return fact;
  }

  /** Goes on with a record that began in an earlier chunk, byte by byte: nothing behind it may be taken. */
  #parseOn(): Fact | undefined {
    while (this.rest.length > 0) {
      this.#head.push(...this.#take(1));
      const fact = new Parser(Uint8Array.from(this.#head)).fact();
      if (!fact) continue;
      this.#head = [];
      return fact;
    }
    return undefined;
  }

  #take(length: number): Bytes {
    const taken = this.rest.subarray(0, length);
    this.rest = this.rest.subarray(taken.length);
    return taken;
  }
}

class Parser {
  readonly #bytes: Bytes;
  at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  fact(): Fact | undefined {
    try {
      return this.#fact();
    } catch (error) {
      if (error === SHORT) return undefined;
      throw error;
    }
  }

  #fact(): Fact {
    const [type] = this.#slice(1);
    switch (type) {
      case DATA: {
        const [offset, length] = [this.#integer(), this.#integer()];
        if (length < 1 || length > DATA_MAX) throw new RangeError(`DATA has the length ${length}`);
        return { type, offset, length };
      }
      case FIN:
        return { type, total: this.#integer() };
      case ACK:
        return { type, received: this.#integer(), room: this.#integer() };
      case RESET:
        return { type, reason: { code: this.#text(CODE_MAX), message: this.#text(MESSAGE_MAX) } };
      case DONE:
      case GONE:
        return { type };
      case PING:
      case PONG:
        return { type, token: this.#integer() };
      case JOIN:
        return { type, stream: this.#copy(16), nonce: this.#copy(16) };
      case PROVE:
        return { type, nonce: this.#copy(16), mac: this.#copy(32) };
      case PROOF:
        return { type, mac: this.#copy(32) };
      default:
        throw new RangeError(`no record has the type ${type}`);
    }
  }

  #integer(): number {
    let value = 0;
    for (let index = 0; index < INTEGER_BYTES_MAX; index++) {
      const [byte = 0] = this.#slice(1);
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte >= 0x80) continue;
      if (value <= Number.MAX_SAFE_INTEGER) return value;
      break;
    }
    throw new RangeError("an integer is too long");
  }

  #text(max: number): string {
    const length = this.#integer();
    if (length > max) throw new RangeError("a text is too long");
    return text(this.#slice(length), max);
  }

  #copy(length: number): Bytes {
    return this.#slice(length).slice();
  }

  #slice(length: number): Bytes {
    const slice = this.#bytes.subarray(this.at, this.at + length);
    if (slice.length < length) throw SHORT;
    this.at += length;
    return slice;
  }
}
