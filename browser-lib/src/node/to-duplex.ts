// One of our streams as a Node Duplex.

import { Duplex, type DuplexOptions } from "node:stream";
import { StreamError } from "../error.ts";
import type { Stream } from "../stream.ts";

/**
 * The stream as a Node `Duplex`, for `pipeline`, `compose` and whatever takes such; it has both directions of the stream from now on.
 *
 * - A finish is "end", and `end()` finishes; with `allowHalfOpen: false` the one brings the other.
 * - A `write` calls back when its bytes have left; the source is read no faster than the Duplex is.
 * - A reset, refusal or loss destroys the Duplex with the `StreamError`, behind the data that came before it. Where nobody has begun to read it, at once.
 * - `destroy()` resets the stream `cancelled`; `destroy(error)` with the code of a `StreamError`, or `internal`. Behind both ends it does nothing.
 *
 * Throws `TypeError` where somebody else reads or writes the stream.
 */
export function toDuplex(
  stream: Stream,
  options: Pick<DuplexOptions, "allowHalfOpen" | "encoding" | "highWaterMark"> = {},
): Duplex {
  const reader = stream.readable.getReader();
  const writer = stream.writable.getWriter();
  const duplex = new Duplex({
    ...options,
    async read() {
      try {
        const { done, value } = await reader.read();
        this.push(done ? null : Buffer.from(value.buffer, value.byteOffset, value.length));
      } catch (error) {
        this.destroy(error as Error);
      }
    },
    write(chunk: Buffer, _encoding, done) {
      writer.write(chunk).then(() => done(), done);
    },
    writev(chunks, done) {
      // The last is written when all are; the first failure is that of all.
      Promise.all(chunks.map(({ chunk }: { chunk: Buffer }) => writer.write(chunk))).then(() => done(), done);
    },
    final(done) {
      writer.close().then(() => done(), done);
    },
    destroy(error, done) {
      if (error || !this.readableEnded || !this.writableFinished) stream.destroy(error ?? undefined);
      done(error);
    },
  });
  stream.closed.catch((error: unknown) => {
    if (duplex.readableFlowing === null && !duplex.readableDidRead) duplex.destroy(StreamError.from(error));
  });
  return duplex;
}
