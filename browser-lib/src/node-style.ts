// Node's stream calls as one layer over a `{readable, writable}` pair. Use one style per direction: each takes that direction's lock.

import type { Bytes } from "./encoding.ts";
import { StreamError } from "./error.ts";
import { Emitter, type Listener } from "./events.ts";
import type { Kind } from "./resume/carrier.ts";

/** What a stream emits in Node's style. */
export interface StreamEvents<Data = string | Bytes> {
  /** A chunk: a string where an encoding is set, else bytes; of a stream of values, a value. Listening starts the flow. */
  data: [chunk: Data];
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
  /** It goes on over the proxy, or over a direct connection. */
  carrier: [carrier: Kind];
  /** The stream is over. After a clean finish it waits until everything that came was read, in whatever style, or given up. */
  close: [];
}

/** Something in Node's style to pipe into. */
export interface NodeDestination<Out = Bytes> {
  write(chunk: Out): boolean;
  end(): unknown;
  once(event: "drain" | "close", listener: () => void): unknown;
  /** Called when the stream that is piped fails; without the error, which crashes Node where nobody listens for it. */
  destroy?(): unknown;
}

/** Writing, in the hands of somebody else. */
export interface HandedOver<In> {
  readonly writer: WritableStreamDefaultWriter<In>;
  /** Finishes; resolves when that has left. */
  close(): Promise<void>;
}

let takeOut: <In, Out, Data>(style: NodeStyle<In, Out, Data>) => HandedOver<In>;

interface Sink<Out> {
  readonly to: NodeDestination<Out>;
  /** What `pipe` was given. */
  readonly origin: unknown;
  /** It is not ended at the end. */
  staysOpen?: boolean;
  /** Gives it back as it is. */
  release?(): void;
  fail(error: StreamError): unknown;
  blocked: boolean;
}

/** The calls. Whoever extends it has the pair and says how it ended. */
export abstract class NodeStyle<In, Out, Data> extends Emitter<StreamEvents<Data>> {
  /** What comes in. */
  abstract readonly readable: ReadableStream<Out>;
  /** Takes what goes out. */
  abstract readonly writable: WritableStream<In>;
  /** Aborts both directions: with this error here, and its code on the other side. */
  protected abstract fail(error: StreamError): void;

  /** What is written in the end, checked where the caller can see it: a WritableStream would break on it later. */
  protected abstract prepare(chunk: In): In;
  /** What "data" gives; nothing if that has to wait for the next chunk. Called without one at the end. */
  protected abstract toData(chunk?: Out): Data | undefined;

  #writer: WritableStreamDefaultWriter<In> | undefined;
  #reader: ReadableStreamDefaultReader<Out> | undefined;
  #flow: Promise<void> | undefined;
  #paused = false;
  #wake: (() => void) | undefined;
  #sinks: Sink<Out>[] = [];
  #ended = false;
  #drainDue = false;
  /** Nobody wants what comes in any more. */
  #cancelled = false;
  #failed = false;
  /** Set when the listeners were told of it: nothing follows. */
  #dead: StreamError | undefined;
  #destroyed = false;
  /** The end that was asked for here, without an error to tell. */
  #wished: StreamError | undefined;

  static {
    takeOut = (style) => {
      style.#refuseEnded();
      const { writer } = style;
      style.#ended = true;
      return { writer, close: () => style.#close(writer) };
    };
  }

  /** Calls `listener` whenever the event happens; listening for "data" starts the flow unless `pause` was called. */
  override on<E extends keyof StreamEvents>(event: E, listener: Listener<StreamEvents<Data>[E]>): this {
    super.on(event, listener);
    if (event === "data" && !this.#paused) this.resume();
    return this;
  }

  /** As {@link on}, for the next time only. */
  override once<E extends keyof StreamEvents>(event: E, listener: Listener<StreamEvents<Data>[E]>): this {
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
  write(chunk: In): boolean {
    this.#refuseEnded();
    const writer = this.writer;
    writer.write(this.prepare(chunk)).catch(ignore);
    const open = (writer.desiredSize ?? 0) > 0;
    if (!open && !this.#drainDue) {
      this.#drainDue = true;
      writer.ready.then(() => {
        this.#drainDue = false;
        // As in Node, who has ended does not wait to write on.
        if (!this.#ended) this.emit("drain");
      }, ignore);
    }
    return open;
  }

  /**
   * Finishes this direction, after a last chunk if there is one; the other direction goes on. Throws `TypeError` while somebody else writes (`latest`, `values`,
   * a writer of `writable`): it is ended there.
   */
  end(chunk?: In): this {
    if (chunk !== undefined) this.write(chunk);
    if (this.#ended) return this;
    const { writer } = this;
    this.#ended = true;
    this.#close(writer).catch(ignore);
    return this;
  }

  /** Whether `write` returned false and "drain" has yet to come. */
  get writableNeedDrain(): boolean {
    return this.#drainDue;
  }

  /** Whether it was destroyed, or is over. */
  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** Stops the "data" events, and with them the sender once its window is used up. */
  pause(): this {
    this.#paused = true;
    return this;
  }

  /** Whether `pause` was called, and no `resume` since. */
  isPaused(): boolean {
    return this.#paused;
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
   * Sends all that comes in to `to`, at its speed, and ends it at the end, unless `end` is false; a failure destroys or aborts it. Returns `to`.
   *
   * A `to` that closes or throws is let go, the latter with an "error" here; if nobody else reads, the reading is cancelled.
   */
  pipe<D extends NodeDestination<Out> | WritableStream<Out>>(to: D, { end = true }: { end?: boolean } = {}): D {
    const sink: Sink<Out> = to instanceof NodeStyle ? to.#asSink() : sinkFor(to);
    sink.staysOpen = !end;
    if (this.#dead) {
      sink.fail(this.#dead);
      return to;
    }
    this.#sinks.push(sink);
    sink.to.once("close", () => this.#unpipe(sink));
    this.resume();
    return to;
  }

  /** Sends nothing more to `to`, or to any that it is piped to, and leaves them open. When nobody else takes the data it is paused, and nothing is lost. */
  unpipe(to?: unknown): this {
    for (const sink of this.#sinks) {
      if (to !== undefined && sink.origin !== to) continue;
      this.#sinks = this.#sinks.filter((other) => other !== sink);
      sink.release?.();
    }
    if (this.#sinks.length === 0 && this.listenerCount("data") === 0) this.pause();
    this.#wake?.();
    return this;
  }

  /**
   * Gives up both directions: `cancelled`, the code of a `StreamError`, or `internal` for any other error. "close" follows, and before it "error" if an
   * error was given: it, or one whose `cause` it is.
   */
  destroy(error?: unknown): this {
    this.#destroyed = true;
    const end = error === undefined || error === null ? new StreamError("cancelled") : StreamError.from(error);
    if (!error) this.#wished = end;
    this.fail(end);
    return this;
  }

  /** Holds the lock of `writable`, once somebody writes in this style. */
  protected get writer(): WritableStreamDefaultWriter<In> {
    this.#writer ??= this.writable.getWriter();
    return this.#writer;
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
      this.#destroyed = true;
      if (error) {
        for (const sink of this.#sinks) this.#attempt(sink, () => sink.fail(error));
        if (error !== this.#wished) this.emit("error", error);
      }
      this.emit("close");
    };
    closed.then(
      () => over(),
      (error: unknown) => over(StreamError.from(error)),
    );
  }

  /** Finishes our direction when nothing is left to read, behind what listeners of "end" write. */
  protected async endBehind(drained: Promise<void>): Promise<void> {
    await drained;
    await this.#flow;
    if (this.#writer || !this.writable.locked) this.end();
  }

  /** Ourselves as a destination: the writer knows of a failure before all that came in was read. */
  #asSink(): Sink<In> {
    const { once } = overWriter(this.writer);
    const to = { write: (chunk: In) => this.write(chunk), end: () => this.end(), once };
    return { to, origin: this, fail: (error) => this.destroy(error), blocked: false };
  }

  #refuseEnded(): void {
    if (this.#ended) throw new TypeError("write after end");
  }

  async #close(writer: WritableStreamDefaultWriter<In>): Promise<void> {
    await writer.close();
    this.emit("finish");
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

  #give(chunk: Out): void {
    for (const sink of this.#sinks) {
      if (this.#attempt(sink, () => sink.to.write(chunk)) ?? true) continue;
      sink.blocked = true;
      sink.to.once("drain", () => {
        sink.blocked = false;
        this.#wake?.();
      });
    }
    if (this.listenerCount("data") === 0) return;
    const data = this.toData(chunk);
    if (data !== undefined) this.emit("data", data);
  }

  #giveEnd(): void {
    const rest = this.toData();
    if (rest !== undefined) this.emit("data", rest);
    for (const sink of this.#sinks) {
      if (sink.staysOpen) sink.release?.();
      else this.#attempt(sink, () => sink.to.end());
    }
    this.#sinks = [];
    this.emit("end");
  }

  /** Does something with a destination; one that throws is let go, and the error told. */
  #attempt<T>(sink: Sink<Out>, action: () => T): T | undefined {
    try {
      return action();
    } catch (thrown) {
      this.#unpipe(sink);
      this.emit("error", StreamError.from(thrown));
      return undefined;
    }
  }

  /** The destination is over: if nobody else reads, nobody will. */
  #unpipe(sink: Sink<Out>): void {
    if (!this.#sinks.includes(sink)) return;
    this.#sinks = this.#sinks.filter((other) => other !== sink);
    if (this.#sinks.length === 0 && this.listenerCount("data") === 0) {
      this.#cancelled = true;
      this.#reader?.cancel().catch(ignore);
    }
    this.#wake?.();
  }
}

function sinkFor<Out>(to: NodeDestination<Out> | WritableStream<Out>): Sink<Out> {
  if (!("getWriter" in to)) return { to, origin: to, fail: () => to.destroy?.(), blocked: false };
  const writer = to.getWriter();
  const fail = (error: StreamError) => writer.abort(error).catch(ignore);
  return { to: overWriter(writer), origin: to, release: () => writer.releaseLock(), fail, blocked: false };
}

/** Takes writing over: `write` throws from now on, and `end` does nothing. Throws `TypeError` where that was done already. */
export function handOver<In, Out, Data>(style: NodeStyle<In, Out, Data>): HandedOver<In> {
  return takeOut(style);
}

/** A WritableStream's writer as a destination. */
function overWriter<Out>(writer: WritableStreamDefaultWriter<Out>): NodeDestination<Out> {
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
