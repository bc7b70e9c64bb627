// The half of a stream that its user writes. A write is done when its bytes left, or when so few wait that they were copied.

import { type Chunk, COPY_MAX, chunkSize, toBytes, Whole } from "./chunk.ts";
import { StreamError } from "./error.ts";

/** What writing does to the session. */
export interface WritingHooks {
  /** Queues bytes that must not change until they left; how many are queued now. */
  send(bytes: Uint8Array): number;
  /** How much of what was sent has not left. */
  unsent(): number;
  /** Finishes behind what is queued. */
  finish(): void;
  /** The user gives up, for this reason; or wrote what cannot be sent. */
  aborted(reason: unknown): void;
}

/** What may wait on a stream before a small write has to. */
const QUEUE_MAX = 64 * 1024;
/** What may wait in its WritableStream: two large chunks, so that a writer has the next one ready; with one, each costs a page two more turns. */
const WRITABLE_MAX = 128 * 1024;

interface Waiting {
  readonly until: "few" | "none" | "finished";
  resolve(): void;
  reject(error: unknown): void;
}

export class WriteHalf {
  readonly #hooks: WritingHooks;
  #stream: WritableStream<Chunk> | undefined;
  #controller: WritableStreamDefaultController | undefined;
  /** The write or close that is under way: there is only ever one. */
  #waiting: Waiting | undefined;
  #error: StreamError | undefined;
  /** Writes that are on their way through the WritableStream to us. */
  #coming = 0;
  #finished = false;

  constructor(hooks: WritingHooks) {
    this.#hooks = hooks;
  }

  /** Whether writes come to us in the next microtasks. A write or close that waits for credit holds those behind it back. */
  get isBusy(): boolean {
    return this.#coming > 0 && !this.#waiting && !this.#finished && !this.#error;
  }

  /** Made when first asked for. */
  get writable(): WritableStream<Chunk> {
    this.#stream ??= new WritableStream<Chunk>(
      {
        start: (controller) => {
          this.#controller = controller;
          if (this.#error) controller.error(this.#error);
          // `abort` waits for the write under way, which may wait for credit that never comes; the signal does not.
          controller.signal.addEventListener("abort", () => this.#hooks.aborted(controller.signal.reason));
        },
        write: (chunk) => this.#write(chunk),
        close: () => {
          this.#finished = true;
          this.#hooks.finish();
          return this.#wait("finished");
        },
      },
      {
        highWaterMark: WRITABLE_MAX,
        // Called as soon as something is written.
        size: (chunk) => {
          this.#coming++;
          return chunkSize(chunk);
        },
      },
    );
    return this.#stream;
  }

  /** Frames left: what is still queued (copied by now, if it is little), and whether the finish was among them. */
  sent(queued: number, finished: boolean): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    const { until } = waiting;
    if (!(until === "finished" ? finished : queued <= COPY_MAX && (until === "few" || this.#hooks.unsent() === 0)))
      return;
    this.#waiting = undefined;
    waiting.resolve();
  }

  fail(error: StreamError): void {
    this.#error ??= error;
    // A stream that is being aborted errors by itself; Node 20 trips over being told twice.
    if (!this.#controller?.signal.aborted) this.#controller?.error(error);
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  #write(chunk: unknown): Promise<void> | undefined {
    this.#coming--;
    let bytes: Uint8Array;
    try {
      bytes = toBytes(chunk);
    } catch (error) {
      this.#hooks.aborted(new StreamError("bad_request", String(error)));
      throw error;
    }
    if (bytes.length === 0) return undefined;
    const queued = this.#hooks.send(bytes);
    if (chunk instanceof Whole) return this.#hooks.unsent() > 0 ? this.#wait("none") : undefined;
    // A little rest of a large chunk was copied.
    return queued <= (bytes.length <= COPY_MAX ? QUEUE_MAX : COPY_MAX) ? undefined : this.#wait("few");
  }

  #wait(until: Waiting["until"]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting = { until, resolve, reject };
    });
  }
}
