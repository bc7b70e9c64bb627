// First in, first out, in O(1); and what waits to be sent on one stream.

/** A queue whose front moves instead of its items. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  unshift(item: T): void {
    if (this.#head === 0) this.#items.unshift(item);
    else this.#items[--this.#head] = item;
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  replaceFront(item: T | undefined): void {
    this.#items[this.#head] = item;
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (this.#head === this.#items.length) return undefined;
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) this.clear();
    else if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** The newest items, at most `count`, taken off the back. */
  takeBack(count: number): T[] {
    return this.#items.splice(Math.max(this.#head, this.#items.length - count)) as T[];
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}

const NOTHING = new Uint8Array(0);

/** Chunks as they were handed in, copied out at any length. */
export class SendQueue {
  readonly #chunks = new Fifo<Uint8Array>();
  /** How much of the first chunk has left. */
  #taken = 0;
  #bytes = 0;
  /** Where rests are kept: there is one at a time, the first chunk. */
  #kept: Uint8Array | undefined;

  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Fills `out` with the next bytes; there must be as many. */
  take(out: Uint8Array): void {
    this.#bytes -= out.length;
    let at = 0;
    while (at < out.length) {
      const chunk = this.#chunks.peek();
      if (!chunk) return;
      const part = Math.min(chunk.length - this.#taken, out.length - at);
      out.set(chunk.subarray(this.#taken, this.#taken + part), at);
      at += part;
      this.#taken += part;
      if (this.#taken === chunk.length) {
        this.#chunks.shift();
        this.#taken = 0;
      }
    }
  }

  /** Copies the rest of a chunk that has left in part, which is `most` bytes long at most, so that the queue holds no memory of whoever wrote it. */
  own(most: number): void {
    if (this.#taken === 0) return;
    const rest = this.#chunks.peek()?.subarray(this.#taken) ?? NOTHING;
    this.#kept ??= new Uint8Array(most);
    this.#kept.set(rest);
    this.#chunks.replaceFront(this.#kept.subarray(0, rest.length));
    this.#taken = 0;
  }

  clear(): number {
    const bytes = this.#bytes;
    this.#chunks.clear();
    this.#taken = this.#bytes = 0;
    return bytes;
  }
}
