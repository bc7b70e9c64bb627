// Records of the response that carries a connection: a byte that says what one is, three of its length (big-endian), and that many (PROTOCOL.md, section 17).

const HEAD_BYTES = 4;
/** What a record is: bytes of the mux, the first, the last. Others are skipped. */
const BYTES = 0;
const HELLO = 1;
const CLOSE = 2;
/** No longer ones of these are kept. */
const TOLD_MAX = 64 * 1024;

/** What is heard beside the bytes. */
export interface Heard {
  hello(said: unknown): void;
  close(said: unknown): void;
}

export class Records {
  readonly #heard: Heard;
  /** What the record is that we are in, and how much of it is to come; or how much there is of a head. */
  #kind = BYTES;
  #left = 0;
  readonly #head = new Uint8Array(HEAD_BYTES);
  #headed = 0;
  #told: number[] = [];

  constructor(heard: Heard) {
    this.#heard = heard;
  }

  /** Takes what came; gives the bytes of the mux in it, moved together over what stood between them. */
  push(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    let [at, first, length] = [0, 0, 0];
    while (at < chunk.length) {
      if (this.#left === 0) {
        at += this.#begin(chunk.subarray(at));
        continue;
      }
      const end = Math.min(chunk.length, at + this.#left);
      if (this.#kind === BYTES) {
        if (length === 0) first = at;
        // Nothing is copied where all of it is of one record.
        if (first + length !== at) chunk.copyWithin(first + length, at, end);
        length += end - at;
      } else this.#tell(chunk.subarray(at, end));
      this.#left -= end - at;
      at = end;
      if (this.#left === 0) this.#end();
    }
    return chunk.subarray(first, first + length);
  }

  /** Takes of the next head what is there; how much that is. */
  #begin(bytes: Uint8Array): number {
    const part = bytes.subarray(0, HEAD_BYTES - this.#headed);
    this.#head.set(part, this.#headed);
    this.#headed += part.length;
    if (this.#headed === HEAD_BYTES) {
      const [kind = 0, a = 0, b = 0, c = 0] = this.#head;
      [this.#kind, this.#left, this.#headed] = [kind, (a << 16) | (b << 8) | c, 0];
    }
    return part.length;
  }

  #tell(bytes: Uint8Array): void {
    if (this.#kind !== HELLO && this.#kind !== CLOSE) return;
    if (this.#told.length + bytes.length > TOLD_MAX) throw new Error("a record is too long");
    this.#told.push(...bytes);
  }

  #end(): void {
    if (this.#kind !== HELLO && this.#kind !== CLOSE) return;
    const said: unknown = JSON.parse(new TextDecoder().decode(new Uint8Array(this.#told)));
    this.#told = [];
    if (this.#kind === HELLO) this.#heard.hello(said);
    else this.#heard.close(said);
  }
}
