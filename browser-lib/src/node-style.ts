// Node's stream calls as one layer over a `{readable, writable}` pair. Use one style per direction: each takes that direction's lock.

import { type Chunk, toBytes } from "./chunk.ts";
import { StreamError } from "./error.ts";
import { Emitter, type Listener } from "./events.ts";

type Bytes = Uint8Array<ArrayBuffer>;

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
  /** The stream failed, after the data that came before. Nobody has to listen: `closed` rejects with the same. */
  error: [error: StreamError];
  /** The stream is over. Comes after "end" if the stream is read in this style. */
  close: [];
}

/** Something in Node's style to pipe into. */
export interface NodeDestination {
  write(chunk: Bytes): boolean;
  end(): unknown;
  once(event: "drain" | "close", listener: () => void): unknown;
  destroy?(error?: Error): unknown;
}

interface Sink {
  readonly to: NodeDestination;
  blocked: boolean;
}

/** The calls. Whoever extends it has the pair and says how it ended. */
export abstract class NodeStyle extends Emitter<StreamEvents> {
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

  /** Calls `listener` whenever the event happens; listening for "data" starts the flow unless `pause` was called. */
  override on<E extends keyof StreamEvents>(event: E, listener: Listener<StreamEvents[E]>): this {
    super.on(event, listener);
    if (event === "data" && !this.#paused) this.resume();
    return this;
  }

  /** As {@link on}, for the next time only. */
  override once<E extends keyof StreamEvents>(event: E, listener: Listener<StreamEvents[E]>): this {
    super.once(event, listener);
    if (event === "data" && !this.#paused) this.resume();
    return this;
  }

  /** Writes text or bytes. False: so much waits that it is time to wait for "drain"; nothing is lost either way. */
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
    this.#flow ??= this.#run();
    this.#wake?.();
    return this;
  }

  /** Makes "data" give strings (a character that is split over chunks comes whole), or bytes again with `null`. */
  setEncoding(encoding: "utf8" | "utf-8" | null): this {
    this.#decoder = encoding === null ? undefined : new TextDecoder(encoding, { ignoreBOM: true });
    return this;
  }

  /** Sends all that comes in to `to`, at its speed, and ends it at the end; a failure destroys or aborts it. Returns `to`. */
  pipe<D extends NodeDestination | WritableStream<Bytes>>(to: D): D {
    const sink: Sink = { to: "getWriter" in to ? overWriter(to.getWriter()) : to, blocked: false };
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

  /** Tells the listeners how it ended, once `closed` has settled and what is read in this style was read. */
  protected tellEnd(closed: Promise<void>): void {
    const over = async (error?: StreamError): Promise<void> => {
      await this.#flow;
      if (error) {
        for (const { to } of this.#sinks) to.destroy?.(error);
        this.emit("error", error);
      }
      this.emit("close");
    };
    closed.then(
      () => over(),
      (error: unknown) => over(StreamError.from(error)),
    );
  }

  async #run(): Promise<void> {
    // Whoever attached the first listener attaches the others, too, before anything flows.
    await null;
    try {
      this.#reader = this.readable.getReader();
      while (true) {
        await this.#unheld();
        const { done, value } = await this.#reader.read();
        await this.#unheld();
        if (done) break;
        this.#give(value);
      }
    } catch {
      // How the stream failed is told by `closed`; a lock that somebody else holds is their choice of style.
      return;
    }
    const rest = this.#decoder?.decode();
    if (rest) this.emit("data", rest);
    for (const { to } of this.#sinks) to.end();
    this.#sinks = [];
    this.emit("end");
  }

  async #unheld(): Promise<void> {
    while (this.#paused || this.#sinks.some((sink) => sink.blocked)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #give(bytes: Bytes): void {
    for (const sink of this.#sinks) {
      if (sink.to.write(bytes)) continue;
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

  /** The destination is over: if nobody else reads, nobody will. */
  #unpipe(sink: Sink): void {
    if (!this.#sinks.includes(sink)) return;
    this.#sinks = this.#sinks.filter((other) => other !== sink);
    if (this.#sinks.length === 0 && this.listenerCount("data") === 0) this.#reader?.cancel().catch(ignore);
    this.#wake?.();
  }
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
    destroy: (error) => writer.abort(error).catch(ignore),
  };
}

/** The stream's `closed` tells. */
function ignore(): void {}
