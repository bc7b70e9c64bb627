// Opens, replies and notes on a stream: a u16 length and that many bytes of JSON (PROTOCOL.md, section 3).

import { StreamError } from "./error.ts";
import { type JsonObject, parseObject } from "./json.ts";

/** The most bytes of JSON in what we send and in replies and notes. */
export const BODY_MAX = 8 * 1024;
/** The proxy adds to a client's open what it knows itself. */
export const ACCEPT_BODY_MAX = 9 * 1024;

/** Frames a JSON object; `undefined` fields are left out. */
export function frame(value: object, max = BODY_MAX): Uint8Array {
  const body = new TextEncoder().encode(JSON.stringify(value));
  if (body.length > max) throw new StreamError("bad_request", `${body.length} bytes of JSON, ${max} at most`);
  const bytes = new Uint8Array(2 + body.length);
  bytes[0] = body.length >> 8;
  bytes[1] = body.length;
  bytes.set(body, 2);
  return bytes;
}

/** Puts one framed object together from bytes in any parts. */
export class FrameReader {
  readonly #max: number;
  #head: number[] = [];
  #body: Uint8Array | undefined;
  #filled = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Takes bytes off the front of `bytes`: how many, and the object once it is whole. Throws `bad_request`. */
  push(bytes: Uint8Array): { used: number; value?: JsonObject } {
    let used = 0;
    while (this.#head.length < 2 && used < bytes.length) this.#head.push(bytes[used++] ?? 0);
    const [high, low] = this.#head;
    if (high === undefined || low === undefined) return { used };
    this.#body ??= this.#room(high * 256 + low);
    const part = bytes.subarray(used, used + this.#body.length - this.#filled);
    this.#body.set(part, this.#filled);
    this.#filled += part.length;
    used += part.length;
    if (this.#filled < this.#body.length) return { used };
    const value = parseObject(this.#body);
    this.#head = [];
    this.#body = undefined;
    this.#filled = 0;
    return { used, value };
  }

  #room(length: number): Uint8Array {
    if (length > this.#max) throw new StreamError("bad_request", `${length} bytes of JSON, ${this.#max} at most`);
    return new Uint8Array(length);
  }
}

/** Reads notes until the stream ends; the stream's own error is its `closed`'s to tell. Malformed notes throw `bad_request`. */
export function readNotes(
  readable: ReadableStream<Uint8Array>,
  onNote: (note: string, value: unknown) => void,
): Promise<void> {
  return readFrames(readable, ({ note, value }) => {
    if (typeof note === "string") onNote(note, value);
  });
}

/** The same for objects of whatever kind. */
export async function readFrames(
  readable: ReadableStream<Uint8Array>,
  onFrame: (frame: JsonObject) => void,
  max = BODY_MAX,
): Promise<void> {
  const reader = readable.getReader();
  const frames = new FrameReader(max);
  while (true) {
    const { done, value: chunk } = await reader.read();
    if (done) return;
    let rest = chunk;
    while (rest.length > 0) {
      const { used, value } = frames.push(rest);
      rest = rest.subarray(used);
      if (value) onFrame(value);
    }
  }
}
