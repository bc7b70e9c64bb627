// What a user may write.

import { REST_MAX } from "./mux/connection.ts";

/** Text (sent as UTF-8) or bytes. */
export type Chunk = string | ArrayBuffer | ArrayBufferView;

/** Up to here a chunk is copied, so that many small writes need not wait for one another. */
export const COPY_MAX = REST_MAX;

/** Bytes that nobody else holds. */
class Own extends Uint8Array {}

/** Such, of which its writer is told only when all that was written has left. */
export class Whole extends Own {}

const encoder = new TextEncoder();

/** The bytes of a chunk: ours if there are few, else its own. Throws `TypeError` for what is none. */
export function toBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Own) return chunk;
  if (typeof chunk === "string") {
    const text = encoder.encode(chunk);
    return new Own(text.buffer, text.byteOffset, text.length);
  }
  const bytes = view(chunk);
  return bytes.length <= COPY_MAX ? new Own(bytes) : bytes;
}

/** How much a chunk weighs in a stream's queue; what is none weighs nothing until it is refused. */
export function chunkSize(chunk: Chunk | undefined): number {
  return (typeof chunk === "string" ? chunk.length : chunk?.byteLength) ?? 0;
}

/** The bytes of a chunk that holds some, as they lie there. Throws `TypeError` for any other. */
export function view(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  throw new TypeError("a chunk is a string, an ArrayBuffer or a view of one");
}
