// The half of a stream that its user reads. Credit goes back to the sender only for what the user takes.

import type { StreamError } from "./error.ts";
import { HEADER_BYTES } from "./mux/frame.ts";
import { Fifo } from "./mux/queue.ts";
import { settler } from "./settler.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What reading does to the session. */
export interface ReadingHooks {
  /** The user took so many bytes. */
  consumed(bytes: number): void;
  /** The user wants no more. */
  cancelled(): void;
}

/** Up to here a chunk is small. */
const SMALL = 1024;
/** So many small chunks in a row that nobody waits for are made one. */
const SMALL_RUN = 64;
/** Two parts of a message with no more between them have nothing but headers there: a frame with payload needs a byte more. */
const GAP_MAX = 2 * HEADER_BYTES;

export class ReadHalf {
  readonly #hooks: ReadingHooks;
  readonly #unread = new Fifo<Bytes>();
  #smallRun = 0;
  /** The message that is being parsed, and where in it the bytes lie that are not a chunk yet. */
  #message: Bytes | undefined;
  #from = 0;
  #to = 0;
  /** Where the last part ended before it was moved. */
  #partEnd = 0;
  /** The user asked for a chunk and has none yet. */
  #wanted = false;
  /** What comes after the unread chunks. */
  #end: "finished" | StreamError | undefined;
  #closed = false;
  readonly #drained = settler();
  #stream: ReadableStream<Bytes> | undefined;
  #controller: ReadableStreamDefaultController<Bytes> | undefined;

  constructor(hooks: ReadingHooks) {
    this.#hooks = hooks;
  }

  /** Resolves when there is nothing left to read: all of it was taken, or given up. */
  get drained(): Promise<void> {
    return this.#drained.promise;
  }

  /** Made when first asked for: a stream that is only written has none. */
  get readable(): ReadableStream<Bytes> {
    this.#stream ??= new ReadableStream<Bytes>(
      {
        start: (controller) => {
          this.#controller = controller;
          this.#advance();
        },
        pull: () => {
          this.#wanted = true;
          this.#advance();
        },
        cancel: () => this.#cancel(),
      },
      { highWaterMark: 0 },
    );
    return this.#stream;
  }

  /** Bytes came; {@link settle} makes them a chunk. Neighbours in one message are moved together over the headers between them. */
  push(bytes: Bytes): void {
    if (this.#closed || this.#end) return;
    const { buffer, byteOffset, length } = bytes;
    if (this.#message?.buffer !== buffer || byteOffset - this.#partEnd > GAP_MAX) {
      this.settle();
      this.#message = new Uint8Array(buffer);
      this.#from = this.#to = byteOffset;
    } else this.#message.copyWithin(this.#to, byteOffset, byteOffset + length);
    this.#to += length;
    this.#partEnd = byteOffset + length;
  }

  /** The message is parsed, or another stream's bytes follow in it. */
  settle(): void {
    const message = this.#message;
    if (!message) return;
    this.#message = undefined;
    const length = this.#to - this.#from;
    // A chunk keeps its message only if it is most of it, so no two chunks share a buffer: the user may transfer it, and holds little else.
    const keeps = 2 * length >= message.length;
    this.#unread.push(keeps ? message.subarray(this.#from, this.#to) : message.slice(this.#from, this.#to));
    if (this.#wanted) this.#advance();
    else if (length > SMALL) this.#smallRun = 0;
    else if (++this.#smallRun === SMALL_RUN) this.#joinRun();
  }

  /** The peer finished: the end comes after what is unread. */
  finish(): void {
    this.settle();
    this.#end ??= "finished";
    this.#advance();
  }

  /** The stream failed. With `keep`, what came before (and a finish) is still read first. */
  fail(error: StreamError, keep: boolean): void {
    if (keep) this.settle();
    else {
      this.#message = undefined;
      this.#unread.clear();
      this.#end = error;
    }
    this.#end ??= error;
    this.#advance();
  }

  #advance(): void {
    if (this.#closed) return;
    const controller = this.#controller;
    while (controller && this.#wanted) {
      const chunk = this.#unread.shift();
      if (!chunk) break;
      this.#wanted = false;
      // Enqueued before the credit is booked; a reader that waits for more asks again from inside.
      controller.enqueue(chunk);
      this.#hooks.consumed(chunk.length);
    }
    if (this.#unread.length > 0 || !this.#end) return;
    this.#drained.resolve();
    if (!controller) return;
    this.#closed = true;
    if (this.#end === "finished") controller.close();
    else controller.error(this.#end);
  }

  #cancel(): void {
    this.#closed = true;
    this.#message = undefined;
    this.#unread.clear();
    this.#drained.resolve();
    this.#hooks.cancelled();
  }

  #joinRun(): void {
    this.#smallRun = 0;
    const run = this.#unread.takeBack(SMALL_RUN);
    const joined = new Uint8Array(run.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of run) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    this.#unread.push(joined);
  }
}
