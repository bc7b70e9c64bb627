// The sealed records of one direction: each with its number as nonce, the last one empty, so that none can be altered, dropped, moved or added.

import { nonce, TAG_BYTES } from "./noise.ts";
import { type Bytes, type Cipher, concat, type Primitives, primitives } from "./primitives.ts";

/** Bytes of a user's in one record, at most. */
export const PLAIN_MAX = 32 * 1024;
const HEAD_BYTES = 2;
/** The key is replaced after so many records. */
export const REKEY_EVERY = 2 ** 20;
/** The nonce of a new key (Noise, section 11.3): 2^64 - 1. */
const REKEY_NONCE = nonce(2n ** 64n - 1n);

/** Numbers the records of a direction, and has their key. */
export class Numbered {
  readonly #primitives: Primitives;
  readonly #rekeyEvery: number;
  #cipher: Cipher | Promise<Cipher>;
  #number = 0;

  private constructor(primitives: Primitives, cipher: Cipher, rekeyEvery: number) {
    this.#primitives = primitives;
    this.#cipher = cipher;
    this.#rekeyEvery = rekeyEvery;
  }

  static async under(primitives: Primitives, key: Bytes, rekeyEvery = REKEY_EVERY): Promise<Numbered> {
    return new Numbered(primitives, await primitives.cipher(key), rekeyEvery);
  }

  /** What `bytes` are sealed. They may change as soon as this returned; many may be under way at once. */
  seal(bytes: Bytes): Promise<Bytes> {
    return this.#next(bytes, (cipher, number, bytes) => cipher.encrypt(number, bytes));
  }

  /** What was sealed, of the next record; rejects where that is another, or was altered. */
  open(sealed: Bytes): Promise<Bytes> {
    return this.#next(sealed, (cipher, number, bytes) => cipher.decrypt(number, bytes));
  }

  #next(bytes: Bytes, use: (cipher: Cipher, number: Bytes, bytes: Bytes) => Promise<Bytes>): Promise<Bytes> {
    const number = this.#number++;
    if (number > 0 && number % this.#rekeyEvery === 0) this.#rekey();
    const cipher = this.#cipher;
    if (!(cipher instanceof Promise)) return use(cipher, nonce(number), bytes);
    const copy = bytes.slice();
    return cipher.then((cipher) => use(cipher, nonce(number), copy));
  }

  #rekey(): void {
    const replace = async (old: Cipher) => {
      const sealed = await old.encrypt(REKEY_NONCE, new Uint8Array(32));
      return this.#primitives.cipher(sealed.slice(0, 32));
    };
    const old = this.#cipher;
    const next = old instanceof Promise ? old.then(replace) : replace(old);
    this.#cipher = next;
    next.then(
      (cipher) => {
        if (this.#cipher === next) this.#cipher = cipher;
      },
      // Whoever has a record for it is told.
      () => {},
    );
  }
}

/** Records under 32 bytes that both ends know, for a program of its own; each end needs one for each direction. */
export async function sealedRecords(key: Bytes): Promise<Numbered> {
  return Numbered.under(await primitives(), key);
}

/** A sealed record as it goes over the wire: its length in front. */
export function framed(sealed: Bytes): Bytes {
  return concat(Uint8Array.of(sealed.length >> 8, sealed.length), sealed);
}

/** Puts sealed records together from bytes in any parts. */
export class Cutter {
  readonly #max: number;
  #head: number[] = [];
  #body: Bytes | undefined;
  #filled = 0;

  /** `max` bounds what one holds. */
  constructor(max = PLAIN_MAX) {
    this.#max = max + TAG_BYTES;
  }

  /** Takes bytes off the front: how many, and a record once it is whole, which may be a part of `bytes`. Throws `RangeError` for a length that none has. */
  push(bytes: Bytes): { used: number; record?: Bytes } {
    let used = 0;
    while (this.#head.length < HEAD_BYTES && used < bytes.length) this.#head.push(bytes[used++] as number);
    const [high, low] = this.#head;
    if (high === undefined || low === undefined) return { used };
    const length = high * 256 + low;
    if (length < TAG_BYTES || length > this.#max) throw new RangeError("a record has another length");
    const part = bytes.subarray(used, used + length - this.#filled);
    used += part.length;
    let record = part;
    if (part.length < length) {
      record = this.#body ??= new Uint8Array(length);
      record.set(part, this.#filled);
      this.#filled += part.length;
      if (this.#filled < length) return { used };
    }
    this.#head = [];
    this.#body = undefined;
    this.#filled = 0;
    return { used, record };
  }
}
