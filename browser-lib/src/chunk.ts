// What a user may write.

/** Text (sent as UTF-8) or bytes. */
export type Chunk = string | ArrayBuffer | ArrayBufferView;

const encoder = new TextEncoder();

/** The bytes of a chunk, not copied where it has some. Throws `TypeError` for what is none. */
export function toBytes(chunk: unknown): Uint8Array {
  if (typeof chunk === "string") return encoder.encode(chunk);
  if (chunk instanceof Uint8Array) return chunk;
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  throw new TypeError("a chunk is a string, an ArrayBuffer or a view of one");
}

/** How much a chunk weighs in a stream's queue; what is none weighs nothing until it is refused. */
export function chunkSize(chunk: Chunk | undefined): number {
  return (typeof chunk === "string" ? chunk.length : chunk?.byteLength) ?? 0;
}
