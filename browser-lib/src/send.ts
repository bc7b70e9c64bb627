// Sends a whole thing over a stream: a file, bytes, a text, or what comes piece by piece.

import { type Chunk, toBytes } from "./chunk.ts";
import { StreamError } from "./error.ts";
import { type HandedOver, handOver } from "./node-style.ts";
import type { Stream } from "./stream.ts";

/** What can be sent: one thing, or pieces of text and bytes that come one after the other, as a Node stream's do. */
export type Sendable =
  | Chunk
  | Blob
  | ReadableStream<Chunk>
  | { readonly readable: ReadableStream<Chunk> }
  | AsyncIterable<Chunk>
  | Iterable<Chunk>;

/** How far a sending is. */
export interface Progress {
  /** Bytes that have left, or that a resumable stream has copied. */
  readonly sent: number;
  /** Bytes in all, where that is known. */
  readonly total: number | undefined;
}

export interface SendOptions {
  /** Is told after each piece of at most 64 KiB. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Bytes in all, for what does not know it itself: a stream of a known length. It is only told, never checked. */
  total?: number | undefined;
  /** Resets the stream `cancelled` when it aborts. */
  signal?: AbortSignal | undefined;
}

/** A stream that something is being sent over. */
export type Sending = Stream & {
  /**
   * Resolves to the number of bytes when all of them and the finish have left; rejects with what ended the stream earlier, or with what the source
   * threw, for which the other side gets `internal`, or the code of a `StreamError`.
   */
  readonly sent: Promise<number>;
};

/** What to send, as pieces. */
export interface Source {
  readonly total: number | undefined;
  next(): Piece | Promise<Piece>;
  /** Nobody wants the rest. */
  stop(reason: unknown): void;
}

interface Piece {
  done?: boolean | undefined;
  value?: unknown;
}

/** Larger pieces are cut. */
const PIECE_MAX = 64 * 1024;

/** Takes the data up. Throws `TypeError` for what cannot be sent, or is being read by somebody else. */
export function sourceOf(data: Sendable): Source {
  if (data instanceof Blob) return { ...sourceOf(data.stream()), total: data.size };
  if (data && typeof data === "object" && !ArrayBuffer.isView(data)) {
    const { readable = data } = data as { readable?: unknown };
    if (readable instanceof ReadableStream) {
      const reader = readable.getReader();
      return { total: undefined, next: () => reader.read(), stop: (reason) => reader.cancel(reason).catch(ignore) };
    }
    const pieces = data as Partial<AsyncIterable<Chunk> & Iterable<Chunk>>;
    const iterator = pieces[Symbol.asyncIterator]?.() ?? pieces[Symbol.iterator]?.();
    const stop = () => {
      // A Node stream that waits for its next piece would hear of `return` behind that only.
      (data as { destroy?: () => void }).destroy?.();
      Promise.resolve(iterator?.return?.()).catch(ignore);
    };
    if (iterator) return { total: undefined, next: () => iterator.next(), stop };
  }
  if (typeof data !== "string" && !(data instanceof ArrayBuffer || ArrayBuffer.isView(data))) {
    throw new TypeError("what can be sent is text, bytes, a Blob, or a stream or an iterable of text and bytes");
  }
  const bytes = toBytes(data);
  return { ...sourceOf([bytes]), total: bytes.length };
}

/** Opens a stream for the data, once that is known to be some. */
export function sendOver(data: Sendable, options: SendOptions, open: () => Stream): Sending {
  const source = sourceOf(data);
  const stream = open();
  return Object.assign(stream, { sent: deliver(stream, source, options) });
}

/** Sends it all and finishes. A page that does not look at the promise is not told of an unhandled rejection. */
export function deliver(stream: Stream, source: Source, options: SendOptions): Promise<number> {
  const out = handOver(stream);
  const sent = new Promise<number>((resolve, reject) => {
    // Told here, for the source may leave us waiting for its next piece.
    stream.closed.catch((error: unknown) => {
      source.stop(error);
      reject(error);
    });
    pour(out, source, options).then(resolve, (error: unknown) => {
      source.stop(error);
      stream.destroy(StreamError.from(error));
      reject(error);
    });
  });
  sent.catch(ignore);
  return sent;
}

async function pour({ writer, close }: HandedOver<Chunk>, source: Source, options: SendOptions): Promise<number> {
  const { onProgress, total = source.total } = options;
  let sent = 0;
  for (let next = await source.next(); !next.done; next = await source.next()) {
    const bytes = toBytes(next.value);
    for (let at = 0; at < bytes.length; at += PIECE_MAX) {
      const piece = bytes.subarray(at, at + PIECE_MAX);
      await writer.ready;
      const left = () => {
        sent += piece.length;
        onProgress?.({ sent, total });
      };
      writer.write(piece).then(left, ignore);
    }
  }
  await close();
  return sent;
}

/** The stream's `closed` tells. */
function ignore(): void {}
