// Values of which only the newest matters: where a player stands, how a gauge reads. Each is a message: its length as a u32, big-endian, then its bytes.

import { type Chunk, toBytes, Whole } from "./chunk.ts";
import { StreamError } from "./error.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The longest value that is read, unless stated. */
const VALUE_MAX = 1024 * 1024;
const HEAD = 4;

/**
 * Sends values over a stream, and reads them at its other end: `latest.set(value)` here, `for await (const value of latest)` there.
 *
 * A value that cannot leave at once, because the reader or the connection does not keep up, waits; the next one takes its place. What has left is not taken
 * back: a reader that stops has at most its window of old values before it (256 KiB, growing to 4 MiB for a fast reader).
 */
export class Latest implements AsyncIterable<Bytes> {
  readonly #pair: { readonly readable: ReadableStream<Bytes>; readonly writable: WritableStream<Chunk> };
  #writer: WritableStreamDefaultWriter<Chunk> | undefined;
  /** The newest value, framed, that waits for the one before it to leave. */
  #next: Whole | undefined;
  #run: Promise<void> | undefined;
  #skipped = 0;
  #ended = false;

  /** From `stream.latest()`. The first `set` takes the lock of its `writable`, and the first iteration that of its `readable`. */
  constructor(pair: { readonly readable: ReadableStream<Bytes>; readonly writable: WritableStream<Chunk> }) {
    this.#pair = pair;
  }

  /** Values that were replaced by newer ones before they were sent. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Sends a value, text or bytes, as soon as it can leave, in the place of one that waits. Its bytes are copied. Throws `TypeError` after `end`. */
  set(value: Chunk): this {
    if (this.#ended) throw new TypeError("set after end");
    const writer = this.#out;
    const bytes = toBytes(value);
    const framed = new Whole(HEAD + bytes.length);
    new DataView(framed.buffer).setUint32(0, bytes.length);
    framed.set(bytes, HEAD);
    if (this.#next) this.#skipped++;
    this.#next = framed;
    this.#run ??= this.#send(writer);
    return this;
  }

  /** Finishes behind the newest value. Resolves when that has left; rejects with what ended the stream earlier. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#run;
    this.#out.close().catch(() => {});
    await this.#out.closed;
  }

  /** The values as they come, each in memory of its own. One that is longer than 1 MiB throws `limit`, and the reading is given up. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes, void, undefined> {
    const head = new Uint8Array(HEAD);
    let into = head;
    let filled = 0;
    const reader = this.#pair.readable.getReader();
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        for (let rest = next.value; rest.length > 0; ) {
          const part = rest.subarray(0, into.length - filled);
          rest = rest.subarray(part.length);
          into.set(part, filled);
          filled += part.length;
          if (filled < into.length) continue;
          filled = 0;
          if (into !== head) {
            yield into;
            into = head;
            continue;
          }
          const length = new DataView(head.buffer).getUint32(0);
          if (length > VALUE_MAX) throw new StreamError("limit", `a value of ${length} bytes, ${VALUE_MAX} at most`);
          if (length > 0) into = new Uint8Array(length);
          else yield new Uint8Array();
        }
      }
      if (filled > 0 || into !== head) throw new StreamError("bad_request", "the stream ended inside of a value");
    } finally {
      await reader.cancel();
      reader.releaseLock();
    }
  }

  get #out(): WritableStreamDefaultWriter<Chunk> {
    this.#writer ??= this.#pair.writable.getWriter();
    return this.#writer;
  }

  async #send(writer: WritableStreamDefaultWriter<Chunk>): Promise<void> {
    try {
      for (let value = this.#next; value; value = this.#next) {
        this.#next = undefined;
        await writer.write(value);
      }
    } catch {
      // The stream's `closed` tells.
    }
    this.#run = undefined;
  }
}
