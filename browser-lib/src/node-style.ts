// Node's stream calls as one layer over a `{readable, writable}` pair. Use one style per direction: each takes that direction's lock.

import { type Chunk, toBytes } from "./chunk.ts";
import type { Bytes, Received } from "./encoding.ts";
import { StreamError } from "./error.ts";
import { Emitter, type Listener } from "./events.ts";

/** What a stream emits in Node's style. */
export interface StreamEvents {
  /** A chunk: a string where an encoding is set, else bytes. Listening starts the flow. */
  data: [chunk: string | Bytes];
  /** The other side finished and everything was read. */
  end: [];
  /** All that was written left, and the finish behind it. */
  finish: [];
  /** Writing may go on after `write` returned false. */
  drain: [];
  /**
   * The stream failed; comes after the data that came before, unless that is held back by `pause`, which drops it. Nobody has to listen: `closed`
   * rejects with the same. Also for a destination of `pipe` that throws, which ends nothing but that pipe.
   */
  error: [error: StreamError];
  /** The stream is over. After a clean finish it waits until everything that came was read, in whatever style, or given up. */
  close: [];
}

/** Something in Node's style to pipe into. */
export interface NodeDestination {
  write(chunk: Bytes): boolean;
  end(): unknown;
  once(event: "drain" | "close", listener: () => void): unknown;
  /** Called when the stream that is piped fails; without the error, which crashes Node where nobody listens for it. */
  destroy?(): unknown;
}

interface Sink {
  readonly to: NodeDestination;
  fail(error: StreamError): unknown;
  blocked: boolean;
}

/** The calls. Whoever extends it has the pair and says how it ended. */
export abstract class NodeStyle<D extends Received = Received> extends Emitter<StreamEvents> {
  /** The bytes that come in. */
  abstract readonly readable: ReadableStream<Bytes>;
  /** Takes text and bytes. */
  abstract readonly writable: WritableStream<Chunk>;
  /** Aborts both directions. */
  abstract reset(code?: string | number): void;

  #writer: WritableStreamDefaultWriter<Chunk> | undefined;
  #reader: ReadableStreamDefaultReader<Bytes> | undefined;
  #flow: Promise<void> | undefined;
  #paused = false;
  #wake: (() => void) | undefined;
  #sinks: Sink[] = [];
  #decoder: TextDecoder | undefined;
  #ended = false;
  #drainDue = false;
  /** Nobody wants what comes in any more. */
  #cancelled = false;
  #failed = false;
  /** Set when the listeners were told of it: nothing follows. */
  #dead: StreamError | undefined;

  /** Calls `listener` whenever the event happens; listening for "data" starts the flow unless `pause` was called. */
  override on(event: "data", listener: Listener<[chunk: D]>): this;
  override on<E extends keyof StreamEvents>(event: E, listener: Listener<StreamEvents[E]>): this;
  override on<E extends keyof StreamEvents>(event: E, listener: Listener<StreamEvents[E]>): this {
    super.on(event, listener);
    if (event === "data" && !this.#paused) this.resume();
    return this;
  }

  /** As {@link on}, for the next time only. */
  override once(event: "data", listener: Listener<[chunk: D]>): this;
  override once<E extends keyof StreamEvents>(event: E, listener: Listener<StreamEvents[E]>): this;
  override once<E extends keyof StreamEvents>(event: E, listener: Listener<StreamEvents[E]>): this {
    super.once(event, listener);
    if (event === "data" && !this.#paused) this.resume();
    return this;
  }

  /**
   * Writes text or bytes. False: so much waits that it is time to wait for "drain"; nothing is lost either way.
   *
   * Up to 4 KiB of bytes are copied at once. A larger chunk belongs to the stream until "finish" or "close"; who wants it back earlier writes to
   * `writable`, which tells for each chunk.
   */
  write(chunk: Chunk): boolean {
    if (this.#ended) throw new TypeError("write after end");
    this.#writer ??= this.writable.getWriter();
    const writer = this.#writer;
    // Checked here, where the caller can see it: a WritableStream would break on it later.
    writer.write(toBytes(chunk)).catch(ignore);
    const open = (writer.desiredSize ?? 0) > 0;
    if (!open && !this.#drainDue) {
      this.#drainDue = true;
      writer.ready.then(() => {
        this.#drainDue = false;
        this.emit("drain");
      }, ignore);
    }
    return open;
  }

  /** Finishes this direction, after a last chunk if there is one; the other direction goes on. */
  end(chunk?: Chunk): this {
    if (chunk !== undefined) this.write(chunk);
    if (this.#ended) return this;
    this.#ended = true;
    this.#writer ??= this.writable.getWriter();
    this.#writer.close().then(() => this.emit("finish"), ignore);
    return this;
  }

  /** Stops the "data" events, and with them the sender once its window is used up. */
  pause(): this {
    this.#paused = true;
    return this;
  }

  /** Starts the "data" events, or lets them go on; without a listener the data is dropped. */
  resume(): this {
    this.#paused = false;
    if (!this.#dead) this.#flow ??= this.#run();
    this.#wake?.();
    return this;
  }

  /** Whether what comes in flows in this style. */
  protected get flows(): boolean {
    return this.#flow !== undefined;
  }

  /**
   * Makes "data" give strings (a character that is split over chunks comes whole), or bytes again with `null`. The type of the stream does not follow: name that of
   * the chunk in listeners, `(text: string) => …`; or ask for the encoding when the stream is opened.
   */
  setEncoding(encoding: "utf8" | "utf-8" | null): this {
    this.#decoder = encoding === null ? undefined : new TextDecoder(encoding, { ignoreBOM: true });
    return this;
  }

  /**
   * Sends all that comes in to `to`, at its speed, and ends it at the end; a failure destroys or aborts it. Returns `to`.
   *
   * A `to` that closes or throws is let go, the latter with an "error" here; if nobody else reads, the reading is cancelled.
   */
  pipe<D extends NodeDestination | WritableStream<Bytes>>(to: D): D {
    const sink = to instanceof NodeStyle ? to.#asSink() : sinkFor(to);
    if (this.#dead) {
      sink.fail(this.#dead);
      return to;
    }
    this.#sinks.push(sink);
    sink.to.once("close", () => this.#unpipe(sink));
    this.resume();
    return to;
  }

  /** Gives up both directions: `cancelled`, the code of a `StreamError`, or `internal` for any other error. */
  destroy(error?: Error): this {
    this.reset(error ? StreamError.from(error).code : "cancelled");
    return this;
  }

  /** Tells the listeners how it ended, once `closed` has settled and what came in was read; `drained` when nothing is left to read. */
  protected tellEnd(closed: Promise<void>, drained: Promise<void>): void {
    const over = async (error?: StreamError): Promise<void> => {
      this.#failed = error !== undefined;
      this.#wake?.();
      // Who reads in another style may do so at leisure.
      if (!(error || this.#flow || this.readable.locked)) await drained;
      await this.#flow;
      this.#dead = error;
      if (error) {
        for (const sink of this.#sinks) this.#attempt(sink, () => sink.fail(error));
        this.emit("error", error);
      }
      this.emit("close");
    };
    closed.then(
      () => over(),
      (error: unknown) => over(StreamError.from(error)),
    );
  }

  /** Ourselves as a destination: the writer knows of a failure before all that came in was read. */
  #asSink(): Sink {
    this.#writer ??= this.writable.getWriter();
    const { once } = overWriter(this.#writer);
    const to = { write: (chunk: Bytes) => this.write(chunk), end: () => this.end(), once };
    return { to, fail: (error) => this.destroy(error), blocked: false };
  }

  async #run(): Promise<void> {
    // Whoever attached the first listener attaches the others, too, before anything flows.
    await null;
    try {
      this.#reader = this.readable.getReader();
      while (await this.#unheld()) {
        const { done, value } = await this.#reader.read();
        if (this.#cancelled || !(await this.#unheld())) return;
        if (done) return this.#giveEnd();
        this.#give(value);
      }
    } catch {
      // How the stream failed is told by `closed`; a lock that somebody else holds is their choice of style.
    }
  }

  /** Waits while the flow is held back; false if it will not go on: a stream that failed does not wait for `resume`. */
  async #unheld(): Promise<boolean> {
    while (this.#paused || this.#sinks.some((sink) => sink.blocked)) {
      if (this.#paused && this.#failed) return false;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return true;
  }

  #give(bytes: Bytes): void {
    for (const sink of this.#sinks) {
      if (this.#attempt(sink, () => sink.to.write(bytes)) ?? true) continue;
      sink.blocked = true;
      sink.to.once("drain", () => {
        sink.blocked = false;
        this.#wake?.();
      });
    }
    if (this.listenerCount("data") === 0) return;
    const data = this.#decoder ? this.#decoder.decode(bytes, { stream: true }) : bytes;
    if (data.length > 0) this.emit("data", data);
  }

  #giveEnd(): void {
    const rest = this.#decoder?.decode();
    if (rest) this.emit("data", rest);
    for (const sink of this.#sinks) this.#attempt(sink, () => sink.to.end());
    this.#sinks = [];
    this.emit("end");
  }

  /** Does something with a destination; one that throws is let go, and the error told. */
  #attempt<T>(sink: Sink, action: () => T): T | undefined {
    try {
      return action();
    } catch (thrown) {
      this.#unpipe(sink);
      this.emit("error", StreamError.from(thrown));
      return undefined;
    }
  }

  /** The destination is over: if nobody else reads, nobody will. */
  #unpipe(sink: Sink): void {
    if (!this.#sinks.includes(sink)) return;
    this.#sinks = this.#sinks.filter((other) => other !== sink);
    if (this.#sinks.length === 0 && this.listenerCount("data") === 0) {
      this.#cancelled = true;
      this.#reader?.cancel().catch(ignore);
    }
    this.#wake?.();
  }
}

function sinkFor(to: NodeDestination | WritableStream<Bytes>): Sink {
  if (!("getWriter" in to)) return { to, fail: () => to.destroy?.(), blocked: false };
  const writer = to.getWriter();
  return { to: overWriter(writer), fail: (error) => writer.abort(error).catch(ignore), blocked: false };
}

/** A WritableStream's writer as a destination. */
function overWriter(writer: WritableStreamDefaultWriter<Bytes>): NodeDestination {
  return {
    write(chunk) {
      writer.write(chunk).catch(ignore);
      return (writer.desiredSize ?? 1) > 0;
    },
    end: () => writer.close().catch(ignore),
    once(event, listener) {
      if (event === "drain") writer.ready.then(listener, ignore);
      else writer.closed.then(listener, listener);
    },
  };
}

/** The stream's `closed` tells. */
function ignore(): void {}
