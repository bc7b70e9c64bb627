// A body in chunks (RFC 9112 section 7.1): what is data in what came. Extensions and trailers are left out.

import { BadRequest } from "./bad.ts";

const LINE_MAX = 256;
const TRAILERS_MAX = 8 * 1024;
const [CR, LF] = [13, 10];
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const SIZE = /^([0-9a-fA-F]{1,12})[ \t]*(;[^\x00-\x08\x0a-\x1f\x7f]*)?$/;

export class Chunked {
  #state: "size" | "data" | "behind" | "trailers" | "done" = "size";
  #line = "";
  /** Bytes that are to come of this chunk, or of the line end behind it. */
  #left = 0;
  #trailers = 0;

  /** The end of the body was in what came. */
  get isDone(): boolean {
    return this.#state === "done";
  }

  /** The data in the next bytes. What stands behind the body is not looked at. Throws `BadRequest`. */
  take(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
    const data: Uint8Array<ArrayBuffer>[] = [];
    let at = 0;
    while (at < bytes.length && this.#state !== "done") {
      if (this.#state === "data") {
        const part = bytes.subarray(at, at + this.#left);
        data.push(part);
        at += part.length;
        this.#left -= part.length;
        if (this.#left === 0) [this.#state, this.#left] = ["behind", 2];
      } else if (this.#state === "behind") {
        if (bytes[at++] !== (this.#left === 2 ? CR : LF)) throw new BadRequest("a chunk is longer than it says");
        if (--this.#left === 0) this.#state = "size";
      } else this.#read(bytes[at++] as number);
    }
    return data;
  }

  /** One byte of a line. */
  #read(byte: number): void {
    this.#line += String.fromCharCode(byte);
    if (this.#line.length > LINE_MAX && this.#state === "size") throw new BadRequest("a chunk's line is too long");
    if (this.#state === "trailers" && ++this.#trailers > TRAILERS_MAX)
      throw new BadRequest("the trailers are too long", 431);
    if (byte !== LF) return;
    if (!this.#line.endsWith("\r\n")) throw new BadRequest("a line ends with CR LF");
    const line = this.#line.slice(0, -2);
    this.#line = "";
    if (this.#state === "trailers") {
      if (line === "") this.#state = "done";
      return;
    }
    const size = SIZE.exec(line);
    if (!size) throw new BadRequest("a chunk has no size");
    this.#left = Number.parseInt(size[1] as string, 16);
    this.#state = this.#left > 0 ? "data" : "trailers";
  }
}
