// What was written and is not acknowledged yet, kept so that it can be said again.

type Bytes = Uint8Array<ArrayBuffer>;

interface Block {
  readonly at: number;
  readonly room: Bytes;
  used: number;
}

/** Blocks for short writes grow up to this size. */
const BLOCK_MAX = 16 * 1024;
const BLOCK_MIN = 256;

/** A direction's bytes from `start` to `end`, copied when they are pushed: their writer may then reuse its buffer. */
export class Replay {
  #blocks: Block[] = [];
  start: number;
  end: number;

  constructor(offset: number) {
    this.start = this.end = offset;
  }

  push(bytes: Uint8Array): void {
    const last = this.#blocks.at(-1);
    let at = 0;
    if (last) at = this.#fill(last, bytes);
    if (at < bytes.length) {
      const more = Math.min(BLOCK_MAX, 2 * (last?.room.length ?? 0));
      const room = new Uint8Array(Math.max(bytes.length - at, more, BLOCK_MIN));
      const block = { at: this.end, room, used: 0 };
      this.#blocks.push(block);
      this.#fill(block, bytes.subarray(at));
    }
  }

  /** Forgets what lies below `offset`. */
  release(offset: number): void {
    this.start = Math.min(Math.max(offset, this.start), this.end);
    const kept = this.#blocks.findIndex((block) => block.at + block.used > this.start);
    this.#blocks.splice(0, kept < 0 ? this.#blocks.length : kept);
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

  #fill(block: Block, bytes: Uint8Array): number {
    const part = bytes.subarray(0, block.room.length - block.used);
    block.room.set(part, block.used);
    block.used += part.length;
    this.end += part.length;
    return part.length;
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
