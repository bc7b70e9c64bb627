// Which frames a decoder may have: all in a row from a key frame on. One that missed something shows nothing wrong, it waits for the next key frame.

import type { Chunk } from "./chunk.ts";

export class Gate {
  /** The number that goes on from what was decoded; none while a key frame is waited for. */
  #next: number | undefined;

  /** Whether it waits for a key frame, at first as behind a gap. */
  get isWaiting(): boolean {
    return this.#next === undefined;
  }

  /** Whether the decoder may have this one. */
  passes({ isKey, number }: Pick<Chunk, "isKey" | "number">): boolean {
    const isNext = isKey || number === this.#next;
    this.#next = isNext ? number + 1 : undefined;
    return isNext;
  }

  /** What was decoded is no ground to go on from: the decoder is another, or is behind. */
  close(): void {
    this.#next = undefined;
  }
}
