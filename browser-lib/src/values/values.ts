// A stream of values instead of bytes.

import { COPY_MAX } from "../chunk.ts";
import { each } from "../each.ts";
import type { StreamError } from "../error.ts";
import { Fifo } from "../mux/queue.ts";
import { NodeStyle } from "../node-style.ts";
import { settler } from "../settler.ts";
import type { Codec } from "./codec.ts";
import { ValueError } from "./error.ts";
import { HEAD_BYTES, Unframer } from "./unframe.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bounds of a stream of values. */
export interface ValuesOptions {
  /** The most bytes that an encoded value may have, either way; 1 MiB unless said. */
  max?: number | undefined;
}

/** The stream of bytes below. */
interface Below {
  readonly readable: ReadableStream<Bytes>;
  readonly writable: WritableStream<Uint8Array>;
  readonly closed: Promise<void>;
  reset(code?: string | number): void;
  destroy(error: StreamError): unknown;
}

const MAX = 1024 * 1024;
const LENGTH_MAX = 0xffff_ffff;
/** Encoded bytes that may wait in `writable` before its writer is told to wait. */
const WAITING_MAX = 64 * 1024;

/** An encoded value with its length in front: one piece if it is small, so that it is one write. */
class Frame {
  readonly parts: readonly Uint8Array[];
  readonly length: number;

  constructor(body: Uint8Array) {
    const head = new Uint8Array(body.length > COPY_MAX ? HEAD_BYTES : HEAD_BYTES + body.length);
    new DataView(head.buffer).setUint32(0, body.length);
    if (body.length <= COPY_MAX) head.set(body, HEAD_BYTES);
    this.parts = body.length > COPY_MAX ? [head, body] : [head];
    this.length = HEAD_BYTES + body.length;
  }
}

/**
 * An ordered stream of values in both directions, over a stream of bytes, whose ends and flow control it has. `readable` and `writable` are of values; `for await` and Node's calls
 * work as on the stream itself: `on("data", (value) => …)`, `write(value)`, `drain`, `end`, `pause`, `pipe`.
 *
 * `T` is what you trust the other side to send: nothing checks it. A value that is too large or that the codec cannot take is a {@link ValueError}.
 */
export class Values<T = unknown> extends NodeStyle<T, T, T> implements AsyncIterable<T> {
  readonly #below: Below;
  readonly #codec: Codec;
  readonly #max: number;
  readonly #drained = settler();
  readonly #unframer: Unframer;
  #readable: ReadableStream<T> | undefined;
  #writable: WritableStream<T> | undefined;

  /** Made by `stream.values`. From then on the stream's bytes are read and written through this alone. */
  constructor(below: Below, codec: Codec, { max = MAX }: ValuesOptions = {}) {
    super();
    if (!(Number.isInteger(max) && max > 0 && max <= LENGTH_MAX)) {
      throw new RangeError(`max is a whole number of bytes from 1 to ${LENGTH_MAX}, not ${max}`);
    }
    if (typeof codec?.encode !== "function" || typeof codec.decode !== "function") {
      throw new TypeError('a codec has encode and decode: json, or msgpack of "browser-stream-server/msgpack"');
    }
    this.#below = below;
    this.#codec = codec;
    this.#max = max;
    this.#unframer = new Unframer(max);
    this.tellEnd(below.closed, this.#drained.promise);
  }

  /** The values that come in. */
  get readable(): ReadableStream<T> {
    this.#readable ??= this.#makeReadable();
    return this.#readable;
  }

  /** Takes values. One that cannot be sent breaks it, and resets the stream; `send` and `write` only refuse that one. */
  get writable(): WritableStream<T> {
    this.#writable ??= this.#makeWritable();
    return this.#writable;
  }

  /** Resolves when both sides finished; rejects as the stream's own, or with the {@link ValueError} that ended it. */
  get closed(): Promise<void> {
    return this.#below.closed;
  }

  /**
   * Sends a value. Resolves when its bytes left, or, if they are few, are copied and little waits before them: awaiting it each time is backpressure. Rejects with a
   * {@link ValueError} for a value that cannot be sent, and as the stream ended.
   */
  async send(value: T): Promise<void> {
    await this.writer.write(this.prepare(value));
  }

  /** Aborts both directions at once, as the stream's own `reset`. */
  reset(code?: string | number): void {
    this.#below.reset(code);
  }

  /** The values that come in; leaving the loop early cancels `readable`. */
  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    return each(this.readable);
  }

  /** Encodes it now, where its sender can see an error. What is encoded passes `writable` as a value does. */
  protected override prepare(value: T): T {
    return this.#frame(value) as T;
  }

  protected override toData(value: T): T {
    return value;
  }

  protected override fail(error: StreamError): void {
    this.#below.destroy(error);
  }

  #frame(value: unknown): Frame {
    if (value instanceof Frame) return value;
    let body: Uint8Array;
    try {
      body = this.#codec.encode(value);
    } catch (thrown) {
      throw ValueError.fromCodec(thrown);
    }
    if (body.length > this.#max) throw ValueError.tooLarge(body.length, this.#max);
    return new Frame(body);
  }

  #makeReadable(): ReadableStream<T> {
    const reader = this.#below.readable.getReader();
    const pull = async (controller: ReadableStreamDefaultController<T>): Promise<void> => {
      let body = this.#unframer.next();
      while (!body) {
        const { done, value } = await reader.read();
        if (done) break;
        this.#unframer.push(value);
        body = this.#unframer.next();
      }
      if (body) return controller.enqueue(this.#decode(body));
      const missing = this.#unframer.missing;
      if (missing) throw new ValueError("bad_value", missing);
      controller.close();
      this.#drained.resolve();
    };
    return new ReadableStream<T>(
      {
        pull: (controller) =>
          pull(controller).catch((error: unknown) => {
            this.#drained.resolve();
            if (error instanceof ValueError) this.fail(error);
            throw error;
          }),
        cancel: (reason) => {
          this.#drained.resolve();
          return reader.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
  }

  #decode(body: Bytes): T {
    try {
      return this.#codec.decode(body) as T;
    } catch (thrown) {
      throw ValueError.fromCodec(thrown);
    }
  }

  #makeWritable(): WritableStream<T> {
    const writer = this.#below.writable.getWriter();
    const frames = new Fifo<Frame>();
    return new WritableStream<T>(
      {
        start: (controller) => {
          // `abort` waits for the write under way, which may wait for credit that never comes; the signal does not.
          controller.signal.addEventListener("abort", () => writer.abort(controller.signal.reason).catch(ignore));
          writer.closed.catch((error: unknown) => controller.signal.aborted || controller.error(error));
        },
        write: async () => {
          let written: Promise<void> | undefined;
          for (const part of frames.shift()?.parts ?? []) {
            written = writer.write(part);
            written.catch(ignore);
          }
          await written;
        },
        close: () => writer.close(),
      },
      {
        highWaterMark: WAITING_MAX,
        // Called as soon as something is written: it is encoded here, because its size is that of its bytes.
        size: (value) => {
          let frame: Frame;
          try {
            frame = this.#frame(value);
          } catch (error) {
            this.fail(error as ValueError);
            throw error;
          }
          frames.push(frame);
          return frame.length;
        },
      },
    );
  }
}

/** `closed` tells. */
function ignore(): void {}
