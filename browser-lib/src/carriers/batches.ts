// What is put together into one body: as much as the way takes in a moment.

/** A first body; what comes behind it fills the next. */
const FIRST = 64 * 1024;
const LEAST = 16 * 1024;
/** A body that is taken this fast could have been longer; one that takes so long keeps what is small waiting. */
const FAST_MS = 250;
const SLOW_MS = 1000;

export class Batches {
  #parts: Uint8Array<ArrayBuffer>[] = [];
  #queued = 0;
  #size = FIRST;
  #most = FIRST;

  /** The longest body that the proxy takes. */
  most(bytes: number): void {
    if (bytes > 0) this.#most = bytes;
  }

  get isEmpty(): boolean {
    return this.#queued === 0;
  }

  /** Whether the next body is full, so that more would only wait. */
  get isFull(): boolean {
    return this.#queued >= this.#size;
  }

  /** Copies the bytes to the end. */
  add(bytes: Uint8Array): void {
    this.#parts.push(bytes.slice());
    this.#queued += bytes.length;
  }

  /** The next body, of `most` bytes at most. */
  next(most: number): Uint8Array<ArrayBuffer> | undefined {
    const length = Math.min(this.#queued, this.#size, this.#most, most);
    if (length === 0) return undefined;
    const body = new Uint8Array(length);
    let at = 0;
    let whole = 0;
    for (; at < length; whole++) {
      const part = this.#parts[whole] as Uint8Array<ArrayBuffer>;
      const taken = part.subarray(0, length - at);
      body.set(taken, at);
      at += taken.length;
      if (taken.length < part.length) {
        this.#parts[whole] = part.subarray(taken.length);
        break;
      }
    }
    this.#parts.splice(0, whole);
    this.#queued -= length;
    return body;
  }

  /** So many bytes were taken, so long after they were sent. */
  took(bytes: number, ms: number): void {
    if (ms > SLOW_MS) this.#size = Math.max(LEAST, this.#size / 2);
    else if (ms < FAST_MS && bytes >= this.#size) this.#size = Math.min(this.#most, this.#size * 2);
  }
}
