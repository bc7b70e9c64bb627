// Reads so many bytes from a stream, as often as asked.

import type { Bytes } from "./digest.ts";

export class Exactly {
  readonly #reader: ReadableStreamDefaultReader<Bytes>;
  #rest: Bytes = new Uint8Array();

  constructor(readable: ReadableStream<Bytes>) {
    this.#reader = readable.getReader();
  }

  /** The next so many; nothing if the stream ended before the first of them. Throws where it ends in between, or broke. */
  async take(length: number): Promise<Bytes | undefined> {
    const taken = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#reader.read();
        if (done && at === 0) return undefined;
        if (done) throw new TypeError("It ended in the middle.");
        this.#rest = value;
      }
      const part = this.#rest.subarray(0, length - at);
      taken.set(part, at);
      this.#rest = this.#rest.subarray(part.length);
      at += part.length;
    }
    return taken;
  }

  /** The same where an end would be too early. */
  async need(length: number): Promise<Bytes> {
    const taken = await this.take(length);
    if (!taken) throw new TypeError("It ended too early.");
    return taken;
  }
}

/** The number that such bytes are. */
export function u32(bytes: Bytes): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

export function u64(bytes: Bytes): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0));
}

export function fromU64(number: number): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  return bytes;
}
