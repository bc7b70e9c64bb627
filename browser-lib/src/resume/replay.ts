// What was written and is not acknowledged yet, kept so that it can be said again.

type Bytes = Uint8Array<ArrayBuffer>;

interface Block {
  readonly at: number;
  readonly room: Bytes;
  used: number;
}

/** Blocks grow up to this size; those that have it are used again, for fresh memory costs a page more than what is copied there. */
const BLOCK_MAX = 64 * 1024;
const BLOCK_MIN = 256;

/** A direction's bytes from `start` to `end`, copied when they are pushed: their writer may then reuse its buffer. */
export class Replay {
  #blocks: Block[] = [];
  /** What was released while other bytes were held. A slice of it may still wait on a carrier: what the peer has is not looked at again. */
  #spare: Bytes[] = [];
  start: number;
  end: number;

  constructor(offset: number) {
    this.start = this.end = offset;
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      let block = this.#blocks.at(-1);
      if (!block || block.used === block.room.length) {
        block = this.#add(bytes.length - at, 2 * (block?.room.length ?? 0));
      }
      const part = bytes.subarray(at, at + block.room.length - block.used);
      block.room.set(part, block.used);
      block.used += part.length;
      at += part.length;
      this.end += part.length;
    }
  }

  /** Forgets what lies below `offset`. */
  release(offset: number): void {
    this.start = Math.min(Math.max(offset, this.start), this.end);
    const kept = this.#blocks.findIndex((block) => block.at + block.used > this.start);
    const gone = this.#blocks.splice(0, kept < 0 ? this.#blocks.length : kept);
    for (const { room } of gone) if (room.length === BLOCK_MAX) this.#spare.push(room);
    // An idle stream holds nothing.
    if (kept < 0) this.#spare = [];
  }

  /** Appends slices of the `length` bytes from `offset` on, all of which are here, to `out`. */
  slices(offset: number, length: number, out: Bytes[]): void {
    for (let at = this.#find(offset); length > 0; at++) {
      const block = this.#blocks[at];
      if (!block) return;
      const part = block.room.subarray(offset - block.at, Math.min(block.used, offset - block.at + length));
      out.push(part);
      offset += part.length;
      length -= part.length;
    }
  }

  #add(least: number, more: number): Block {
    const size = Math.min(Math.max(least, more, BLOCK_MIN), BLOCK_MAX);
    const spare = size === BLOCK_MAX ? this.#spare.pop() : undefined;
    const block = { at: this.end, room: spare ?? new Uint8Array(size), used: 0 };
    this.#blocks.push(block);
    return block;
  }

  /** The last block that begins at `offset` or before. */
  #find(offset: number): number {
    let [low, high] = [0, this.#blocks.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#blocks[middle]?.at ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}
