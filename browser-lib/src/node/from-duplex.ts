// A Node Duplex as a pair of Web Streams.

import { type Duplex, finished } from "node:stream";
import { type Chunk, toBytes } from "../chunk.ts";
import { StreamError } from "../error.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What our streams are, too. */
export interface Pair {
  readonly readable: ReadableStream<Bytes>;
  readonly writable: WritableStream<Chunk>;
}

/**
 * A Node `Duplex`, such as a socket, as a `{ readable, writable }` pair like that of our streams.
 *
 * - "end" closes `readable`, and closing `writable` ends the Duplex; neither brings the other unless the Duplex was made with `allowHalfOpen: false`.
 * - It is read no faster than `readable` is, and a write is done when the Duplex has taken its bytes.
 * - An error of the Duplex fails both with a `StreamError`: itself, or `internal` with the error as its `cause`. One that is destroyed without an error
 *   before its end was `cancelled`.
 * - Cancelling `readable` where `writable` is done, or aborting `writable`, destroys the Duplex, with the reason where that is an error.
 */
export function fromDuplex(duplex: Duplex): Pair {
  const settled = { read: false, written: false };
  let reading: ReadableStreamDefaultController<Bytes> | undefined;
  let writing: WritableStreamDefaultController | undefined;
  const fail = (thrown: unknown) => {
    const error = thrown ? StreamError.from(thrown) : new StreamError("cancelled");
    if (!settled.read) reading?.error(error);
    if (!settled.written) writing?.error(error);
    settled.read = settled.written = true;
  };
  const give = (chunk: Buffer | string) => {
    // A copy: Node's buffers share their memory, and what is read of us may be transferred.
    reading?.enqueue(new Uint8Array(typeof chunk === "string" ? Buffer.from(chunk) : chunk));
    if ((reading?.desiredSize ?? 0) <= 0) duplex.pause();
  };
  const readable = new ReadableStream<Bytes>(
    {
      start: (controller) => {
        reading = controller;
      },
      pull: () => void duplex.resume(),
      cancel: (reason) => {
        settled.read = true;
        duplex.off("data", give);
        if (settled.written) duplex.destroy(reason instanceof Error ? reason : undefined);
        // What still comes is dropped, so that its end is heard.
        else duplex.resume();
      },
    },
    { highWaterMark: 0 },
  );
  const writable = new WritableStream<Chunk>({
    start: (controller) => {
      writing = controller;
    },
    write: (chunk) =>
      new Promise((resolve, reject) => {
        duplex.write(toBytes(chunk), (error) => (error ? reject(StreamError.from(error)) : resolve()));
      }),
    close: () =>
      new Promise((resolve, reject) => {
        settled.written = true;
        finished(duplex, { readable: false }, (error) => (error ? reject(StreamError.from(error)) : resolve()));
        duplex.end();
      }),
    abort: (reason) => {
      settled.written = true;
      duplex.destroy(reason instanceof Error ? reason : undefined);
    },
  });
  duplex.on("data", give).pause();
  const end = () => {
    if (!settled.read) reading?.close();
    settled.read = true;
  };
  duplex.once("end", end).on("error", fail);
  duplex.once("close", () => fail(duplex.errored));
  // What happened before is told by no event.
  if (duplex.readableEnded) end();
  if (duplex.destroyed) fail(duplex.errored);
  return { readable, writable };
}
