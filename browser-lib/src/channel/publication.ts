// The end of a channel that sends.

import { toBytes } from "../chunk.ts";
import { resetNumber, StreamError } from "../error.ts";
import { Emitter } from "../events.ts";
import { demand } from "../options.ts";
import { text } from "../resume/record.ts";
import { type Progress, type Sendable, sourceOf } from "../send.ts";
import type { Session } from "../session.ts";
import { settler } from "../settler.ts";
import type { Stream } from "../stream.ts";
import type { ChannelProgress, PublicationEvents } from "./publication-events.ts";
import {
  CAME,
  cut,
  end,
  GONE,
  type News,
  newsDecoder,
  OVER,
  PART_MAX,
  PROGRESS,
  part,
  READERS,
  TEXT_MAX,
} from "./records.ts";

/**
 * What becomes of a reader that falls behind. `wait`: it holds everybody up, until nothing of it moved for 10 s. `drop`: when 1 MiB waits for it, what is oldest is left out for it, in
 * whole messages. `disconnect`: it is cut off `lagging` then. Under these two nobody holds the publisher up, so they are for what has a pace of its own.
 */
export type Policy = "wait" | "drop" | "disconnect";

export interface PublishOptions {
  /** Any JSON for the readers: `message.from.meta`. */
  meta?: unknown;
  /** `"wait"` unless stated. */
  policy?: Policy | undefined;
  /** Nothing is taken until so many readers were there at once: 0 to 1,024, 0 unless stated. */
  waitFor?: number | undefined;
  /** Bytes, 0 to 1,048,576: the last whole messages of so many in all are kept for who subscribes later. 0 unless stated. */
  replay?: number | undefined;
  /** `"many"`: others who say so may publish here, too; the first one's policy and replay hold. `"one"` unless stated. */
  publishers?: "one" | "many" | undefined;
  /** Resets it `cancelled` when it aborts. */
  signal?: AbortSignal | undefined;
}

export interface MessageOptions {
  /** Takes this message back when it aborts before all of it was handed on: `send` rejects `cancelled`, no reader sees it as whole, and the publication goes on. */
  signal?: AbortSignal | undefined;
  /** Is told after each piece of at most 64 KiB that left. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Until the proxy says otherwise. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** What the proxy says that holds. */
interface Terms {
  policy?: unknown;
  replay?: unknown;
  message_bytes_max?: unknown;
}

/**
 * What one publisher sends to all who read. Each `send` is one message, whatever its size up to {@link messageBytesMax}; they leave one after the other, in the order of the calls.
 *
 * Readers see a clean end only behind `end()`. However else it goes, they get an error, and nothing that looks complete.
 */
export class Publication extends Emitter<PublicationEvents> {
  readonly #stream: Stream;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #closed = settler();
  readonly #ids = new Map<number, string>();
  /** Whoever waits for a source, or for its turn. */
  readonly #waits = new Set<(error: StreamError) => void>();
  #writable: WritableStream<Sendable> | undefined;
  /** When all that was sent before has been handed on. */
  #tail: Promise<unknown> = Promise.resolve();
  #terms: Terms = {};
  #isEnding = false;
  /** The proxy has said its last word. */
  #isOver = false;
  #error: StreamError | undefined;
  #readers = 0;
  #sent = 0;
  #slowest = 0;
  #delivered = 0;

  /** Publications come from a channel. */
  constructor(session: Session, path: string, options: PublishOptions) {
    super();
    const { meta, policy, waitFor, replay, publishers, signal } = options;
    const isCount = (n: number | undefined) => n === undefined || (Number.isInteger(n) && n >= 0);
    demand(isCount(waitFor), "waitFor is a whole number of readers");
    demand(isCount(replay), "replay is a whole number of bytes");
    const channel = { policy, wait_for: waitFor, replay, publishers };
    const replied = (reply: { channel?: unknown }) => {
      this.#terms = (reply.channel ?? {}) as Terms;
    };
    this.#stream = session.open({ path, meta, signal, fields: { channel }, replied });
    this.#writer = this.#stream.writable.getWriter();
    this.#writer.closed.catch(ignore);
    this.#stream.closed.catch((error) => this.#fail(error));
    this.#listen(this.#stream.readable.getReader()).catch((error) => this.#fail(StreamError.from(error)));
    this.#closed.promise.then(
      () => this.emit("close"),
      (error) => {
        this.emit("error", error);
        this.emit("close");
      },
    );
  }

  /** The unique id that the proxy gave this publication, its readers' `message.from.id`; known once `opened` resolved. */
  get id(): string | undefined {
    return this.#stream.id;
  }

  /** Resolves when the proxy took it; rejects with why it did not. */
  get opened(): Promise<void> {
    return this.#stream.opened;
  }

  /** Resolves behind `end()` when every reader has taken all, or is gone; rejects with what ended it otherwise. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** How many read now. */
  get readers(): number {
    return this.#readers;
  }

  get progress(): ChannelProgress {
    return { sent: this.#sent, slowest: this.#slowest, delivered: this.#delivered };
  }

  /** The policy that holds here: with several publishers the first one's. Known once `opened` resolved. */
  get policy(): Policy | undefined {
    return this.#terms.policy as Policy | undefined;
  }

  /** The most bytes that one message may have. */
  get messageBytesMax(): number {
    const { message_bytes_max: max } = this.#terms;
    return typeof max === "number" ? max : MESSAGE_BYTES_MAX;
  }

  /** Takes messages, each chunk one: text, bytes, a Blob, or whatever `send` takes. Closing it is `end()`, aborting it is `reset()`. */
  get writable(): WritableStream<Sendable> {
    this.#writable ??= new WritableStream<Sendable>({
      start: (controller) => {
        controller.signal.addEventListener("abort", () => this.reset(resetNumber(controller.signal.reason)));
        this.#closed.promise.catch((error) => controller.signal.aborted || controller.error(error));
      },
      write: async (data) => {
        await this.send(data);
      },
      close: () => this.end(),
    });
    return this.#writable;
  }

  /**
   * Sends one message: bytes, text, a Blob, or what comes piece by piece, which leaves while it is still coming. Resolves to its bytes when they have left, or are
   * copied, where they are few: at the speed of the slowest reader under `wait`, so that awaiting it is the backpressure. Bytes belong to the publication until then.
   *
   * Rejects with what its source threw, `cancelled` by the signal, and `limit` where it is too large: that message is cut off, and the next may be sent. Rejects as `closed` does where
   * the publication ends first. Throws `TypeError` for what cannot be sent, and after `end`.
   */
  send(data: Sendable, options: MessageOptions = {}): Promise<number> {
    if (this.#isEnding) throw new TypeError("send after end");
    const source = sourceOf(data);
    const { signal } = options;
    const handed = this.#tail.then(() => this.#hand(source, options));
    this.#tail = handed.catch(ignore);
    const stop = (error: unknown) => {
      source.stop(error);
      throw error;
    };
    return this.#within(handed, signal)
      .catch(stop)
      .then(({ left }) => this.#within(left, undefined));
  }

  /** Ends it cleanly behind what was sent. The reason, of which 1,024 bytes of UTF-8 count, is for the readers. Resolves and rejects as `closed`. */
  end(reason = ""): Promise<void> {
    return this.#finish(0, reason);
  }

  /** Ends it with a code and a message for the readers, who get what was sent before. `code` is `"cancelled"`, `"gone"`, `"busy"`, `"limit"`, or a number of yours from 256. */
  error(message: string, code: string | number = "cancelled"): void {
    void this.#finish(resetNumber(code), message);
  }

  /** Ends it at once: what has not left is dropped. Readers get `code`, as above. */
  reset(code?: string | number): void {
    this.#isEnding = true;
    this.#stream.reset(code);
  }

  #finish(code: number, reason: string): Promise<void> {
    if (!this.#isEnding) {
      this.#isEnding = true;
      const last = end(code, text(new TextEncoder().encode(reason), TEXT_MAX));
      const close = () => {
        this.#writer.write(last).catch(ignore);
        this.#writer.close().catch(ignore);
      };
      // An error does not wait for what has not begun to leave.
      if (code === 0) void this.#tail.then(close);
      else {
        this.#interrupt(new StreamError(code, reason));
        close();
      }
    }
    return this.#closed.promise;
  }

  /** Hands a message on, piece by piece; what it gives says when the last one left. */
  async #hand(source: ReturnType<typeof sourceOf>, { signal, onProgress }: MessageOptions) {
    const { total } = source;
    let length = 0;
    let sent = 0;
    let left: Promise<unknown> = Promise.resolve();
    let isLast = false;
    const write = (bytes: Uint8Array) => {
      isLast = length === total;
      this.#writer.write(part(bytes.length, isLast)).catch(ignore);
      left = this.#writer.write(bytes).then(() => {
        sent += bytes.length;
        this.#sent += bytes.length;
        onProgress?.({ sent, total });
      });
      left.catch(ignore);
    };
    try {
      await this.#within(this.#stream.opened, signal);
      this.#check(total ?? 0);
      for (
        let next = await this.#within(source.next(), signal);
        !next.done;
        next = await this.#within(source.next(), signal)
      ) {
        const bytes = toBytes(next.value);
        this.#check(length + bytes.length);
        for (let at = 0; at < bytes.length; at += PART_MAX) {
          await this.#within(this.#writer.ready, signal);
          const piece = bytes.subarray(at, at + PART_MAX);
          length += piece.length;
          write(piece);
        }
        // It is whole: nothing takes it back any more.
        if (isLast) break;
      }
    } catch (error) {
      if (length > 0 && !isLast) this.#writer.write(cut()).catch(ignore);
      throw error;
    }
    if (!isLast) left = this.#writer.write(part(0, true));
    return { left: left.then(() => length) };
  }

  #check(length: number): void {
    const max = this.messageBytesMax;
    if (length > max) throw new StreamError("limit", `a message of more than ${max} bytes: send it in several`);
  }

  /** Rejects when it fails, or the signal aborts, though the promise may not come to an end. */
  #within<T>(promise: T | Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(new StreamError("cancelled"));
      if (this.#error) reject(this.#error);
      else if (signal?.aborted) abort();
      this.#waits.add(reject);
      signal?.addEventListener("abort", abort);
      const forget = () => {
        this.#waits.delete(reject);
        signal?.removeEventListener("abort", abort);
      };
      Promise.resolve(promise).then(resolve, reject).finally(forget);
    });
  }

  async #listen(reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>): Promise<void> {
    const decoder = newsDecoder();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      decoder.push(next.value);
      for (let news = decoder.next(); news; news = decoder.next()) this.#hear(news);
    }
    if (!this.#isOver) this.#fail(new StreamError("lost", "the channel ended without a word"));
  }

  #hear(news: News): void {
    switch (news.type) {
      case READERS:
        this.#readers = news.count;
        this.emit("readers", news.count);
        return;
      case CAME:
        this.#ids.set(news.reader, news.id);
        this.emit("came", { id: news.id, number: news.reader });
        return;
      case GONE:
        return this.#left(news.reader, news.code, news.taken);
      case PROGRESS:
        this.#slowest = news.slowest;
        this.#delivered = news.delivered;
        this.emit("progress", this.progress);
        return;
      case OVER:
        this.#isOver = true;
        if (news.code !== 0 || !this.#isEnding) this.#fail(new StreamError(news.code || "gone", news.text));
        else if (this.#error) this.#closed.reject(this.#error);
        else this.#closed.resolve();
    }
  }

  #left(number: number, code: number, taken: number): void {
    const error = code === 0 ? undefined : new StreamError(code);
    const reader = { id: this.#ids.get(number) ?? "", number, taken, error };
    this.#ids.delete(number);
    this.emit("left", reader);
    if (error?.code === "lagging") this.emit("lagging", reader);
  }

  #interrupt(error: StreamError): void {
    this.#error ??= error;
    for (const reject of this.#waits) reject(error);
  }

  /** It is over, unless it had ended. */
  #fail(error: StreamError): void {
    this.#isEnding = true;
    this.#interrupt(error);
    this.#closed.reject(error);
    this.#stream.reset();
  }
}

/** `closed` tells. */
function ignore(): void {}
