// A pair of streams as transport: one of our own, or any that the platform's streams can be made of.

import { view } from "./chunk.ts";
import { StreamError } from "./error.ts";
import type { CloseInfo, Transport } from "./transport.ts";

/** Bytes in both directions. The chunks that come may be any that hold bytes; those that go are `Uint8Array`s that nobody else holds. */
export interface Duplex {
  readonly readable: ReadableStream<ArrayBuffer | ArrayBufferView>;
  readonly writable: WritableStream<Uint8Array<ArrayBuffer>>;
}

/** Whether that is a pair of the platform's streams: a Node stream has properties of these names as well. */
export function isDuplex(given: unknown): given is Duplex {
  const { readable, writable } = (given ?? {}) as {
    readable?: Partial<ReadableStream>;
    writable?: Partial<WritableStream>;
  };
  return typeof readable?.getReader === "function" && typeof writable?.getWriter === "function";
}

export class DuplexTransport implements Transport {
  onopen = (): void => {};
  onmessage = (_: Uint8Array<ArrayBuffer>): void => {};
  onclose = (_: CloseInfo): void => {};
  onroom = (): void => {};
  readonly #reader: ReadableStreamDefaultReader<ArrayBuffer | ArrayBufferView>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  /** Writes that are not done. */
  #writes = 0;

  /** Takes both locks. Throws `bad_request` where somebody else has one. */
  constructor({ readable, writable }: Duplex) {
    if (readable.locked || writable.locked)
      throw new StreamError("bad_request", "somebody else reads or writes the pair");
    this.#reader = readable.getReader();
    this.#writer = writable.getWriter();
  }

  /** Begins, once the handlers are set. */
  start(): void {
    this.onopen();
    this.#writer.closed.catch((error: unknown) => this.#fail(error));
    void this.#read();
  }

  get isFull(): boolean {
    return this.#writes > 0 && (this.#writer.desiredSize ?? 1) <= 0;
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#writes++;
    this.#writer.write(bytes.slice()).then(() => {
      this.#writes--;
      this.onroom();
    }, ignore);
  }

  /** Finishes; behind a clean close what comes is read to its end, so that the pair ends cleanly, too. */
  close(code: number): void {
    this.#writer.close().catch(ignore);
    if (code !== 1000) this.#reader.cancel().catch(ignore);
  }

  /** Gives both directions up. */
  abort(reason: StreamError): void {
    this.#writer.abort(reason).catch(ignore);
    this.#reader.cancel(reason).catch(ignore);
  }

  async #read(): Promise<void> {
    try {
      while (true) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        // A copy: the session moves bytes within a message, and its chunks are to be nobody else's.
        this.onmessage(new Uint8Array(view(value)));
      }
      this.onclose({ code: 1000, reason: "" });
      this.close(1000);
    } catch (error) {
      this.#fail(error);
      this.abort(StreamError.from(error));
    }
  }

  #fail(error: unknown): void {
    this.onclose({ code: 1006, reason: error instanceof Error ? error.message : String(error) });
  }
}

/** What went wrong below shows when it is read, or when its writer is closed. */
function ignore(): void {}
