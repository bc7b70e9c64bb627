// A stream as its user sees it: a WHATWG pair first, with Node's calls as a layer over it.

import type { Cell, Resumption } from "./cell.ts";
import type { Chunk } from "./chunk.ts";
import type { Bytes, Received } from "./encoding.ts";
import { resetNumber, StreamError } from "./error.ts";
import { NodeStyle } from "./node-style.ts";

/** How a stream reads in Node's style, and what ends it. */
export interface StreamOptions {
  /** Makes "data" give strings. */
  encoding?: "utf8" | undefined;
  /** Resets the stream `cancelled` when it aborts, however far the stream is. */
  signal?: AbortSignal | undefined;
}

/** What was said when the stream was opened. */
export interface StreamInfo {
  id?: string | undefined;
  readonly path: string;
  readonly meta: unknown;
  readonly peer?: unknown;
}

/**
 * One ordered, flow-controlled stream of bytes in both directions.
 *
 * It ends in one of three ways, which are never mixed up: each side finishes its direction; one side resets both with a code; or the connection
 * is lost (`lost`; a stream between our own libraries only if that lasts). What arrived before a reset or loss can still be read, then reading fails (PROTOCOL.md, section 6).
 *
 * `D` is what "data" gives: `string` where an encoding was asked for, else bytes. `readable` and `for await` always give bytes.
 */
export class Stream<D extends Received = Received> extends NodeStyle<D> implements AsyncIterable<Bytes> {
  readonly #cell: Cell;
  readonly #info: StreamInfo;
  /** Somebody looks at how it ends, or ended it. */
  #isWatched = false;

  /** Streams come from a client, a server or `createStream`. */
  constructor(cell: Cell, info: StreamInfo, options: StreamOptions = {}) {
    super();
    this.#cell = cell;
    this.#info = info;
    if (options.encoding) this.setEncoding(options.encoding);
    this.tellEnd(cell.closed, cell.read.drained);
    if (options.signal) this.#obey(options.signal);
    // Who takes streams takes only what was opened.
    if (!("peer" in info)) cell.opened.catch((error) => this.#show(error));
  }

  /** The bytes that come in; a chunk's buffer is nobody else's and may be transferred. The sender may be at most a window (256 KiB, growing to 4 MiB for a fast reader, to 8 MiB where the stream is resumable) ahead of what is read here. */
  get readable(): ReadableStream<Bytes> {
    this.#isWatched ||= !this.flows;
    return this.#cell.read.readable;
  }

  /**
   * Takes text (sent as UTF-8) and bytes. The write of a chunk of more than 4 KiB is done when its bytes left, which waits for the reader's credit, or
   * when a resumable stream has copied them, which waits until the other side holds what was written before; it belongs to the stream until that
   * promise settles. `abort()` resets both directions.
   */
  get writable(): WritableStream<Chunk> {
    return this.#cell.write.writable;
  }

  /** The unique id that the proxy gave the client, the same at both ends, but where a drop before the answer made the client ask again; a client has it once `opened` resolved. */
  get id(): string | undefined {
    return this.#info.id;
  }

  /** What the opener said of the stream. */
  get meta(): unknown {
    return this.#info.meta;
  }

  /** Where the stream was opened to. */
  get path(): string {
    return this.#info.path;
  }

  /** On a server: what the proxy knows of the client. Its own word, nothing a client could forge. */
  get peer(): unknown {
    return this.#info.peer;
  }

  /** How it fares over drops of the connections below it, as of now; nothing for a stream that does not survive them. */
  get resumption(): Resumption | undefined {
    return this.#cell.host.resumption;
  }

  /**
   * Resolves when the other side accepted; rejects with the code it refused with. Writing need not wait for it. The console shows a refusal that nobody
   * looks for: here, in `closed`, in "error" or by reading `readable`.
   */
  get opened(): Promise<void> {
    this.#isWatched = true;
    return this.#cell.opened;
  }

  /** Resolves when both sides finished; rejects with a {@link StreamError} if the stream was reset, refused or lost. */
  get closed(): Promise<void> {
    this.#isWatched = true;
    return this.#cell.closed;
  }

  /**
   * Aborts both directions at once: what is queued or unread is dropped, here and on the other side's way to us. The other side gets `code`: a
   * whole number from 256, `"busy"`, `"gone"`, `"limit"` or, as the default, `"cancelled"`; the proxy passes no others.
   */
  reset(code?: string | number): void {
    this.#isWatched = true;
    this.#cell.reset(new StreamError(resetNumber(code)));
  }

  /** The chunks that come in; leaving the loop early cancels `readable`. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes, void, undefined> {
    const reader = this.readable.getReader();
    let done = false;
    try {
      while (true) {
        const next = await reader.read();
        done = next.done;
        if (next.done) return;
        yield next.value;
      }
    } catch (error) {
      done = true;
      throw error;
    } finally {
      if (!done) await reader.cancel();
      reader.releaseLock();
    }
  }

  /** A program that looks nowhere would wonder why nothing comes. */
  #show(error: StreamError): void {
    if (!this.#isWatched && this.listenerCount("error") === 0) console.error(error);
  }

  #obey(signal: AbortSignal): void {
    const cancel = () => this.reset();
    if (signal.aborted) return cancel();
    signal.addEventListener("abort", cancel, { once: true });
    const forget = () => signal.removeEventListener("abort", cancel);
    this.#cell.closed.then(forget, forget);
  }
}
