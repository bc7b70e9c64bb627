// Serves under a name: holds the claim and takes its clients' streams.

import { type Callable, callable } from "./callable.ts";
import { StreamError } from "./error.ts";
import { Emitter, report } from "./events.ts";
import { frame, readNotes } from "./framing.ts";
import { type MuxDemux, sessionOf } from "./mux-demux.ts";
import { nameSegment } from "./name.ts";
import type { Opening } from "./opening.ts";
import type { Session } from "./session.ts";
import { settler } from "./settler.ts";
import type { Stream } from "./stream.ts";
import { PREFIX } from "./stream-client.ts";

/** What is known of a client before it is accepted. */
export interface ClientOpen {
  readonly path: string;
  readonly id: string | undefined;
  readonly meta: unknown;
  /** The proxy's own word about the client. */
  readonly peer: unknown;
}

/** `true` takes the client. `"busy"`, `"forbidden"` (the same as `false`), `"bad_request"`, `"gone"` or a number from 256 is what it is told. */
export type Verdict = boolean | "busy" | "forbidden" | "bad_request" | "gone" | number;

export interface StreamServerOptions {
  prefix?: string | undefined;
  /** Decides about each client. A `StreamError` that it throws is told; anything else is `internal` to the client. */
  accept?: ((open: ClientOpen) => Verdict | Promise<Verdict>) | undefined;
  /** Clients at the same time; the one too many gets `busy`. 10,000 unless stated. */
  clientsMax?: number | undefined;
  /** Makes "data" of the clients' streams give strings. */
  encoding?: "utf8" | undefined;
}

/** A name that is held. */
export interface Claim {
  readonly name: string;
  readonly id: string | undefined;
}

export interface StreamServerEvents {
  /** The name is ours. */
  listening: [claim: Claim];
  /** A client was accepted. */
  stream: [stream: Stream];
  /** The name was refused or lost; `listening` and `closed` reject with the same, an iteration throws it. The console shows it if nobody looks at any of them. */
  error: [error: StreamError];
  /** The name is no longer ours. */
  close: [];
}

const CLIENTS_MAX = 10_000;

class Server extends Emitter<StreamServerEvents> implements AsyncIterable<Stream> {
  readonly #listening = settler<Claim>();
  readonly #closed = settler();
  /** Somebody looks at how the claim goes. */
  #isWatched = false;
  readonly #session: Session;
  readonly #options: StreamServerOptions;
  readonly #live = new Set<Opening>();
  #clients = 0;
  #isListening = false;
  #control: Stream | undefined;
  #isEnding = false;
  #isOver = false;
  #isPaused = false;
  #error: StreamError | undefined;
  #superseded = false;
  /** Accepted clients that an iteration has yet to take, and iterations that wait for one. */
  readonly #untaken = new Set<Stream>();
  #waiting: (() => void)[] = [];
  #iterations = 0;
  /** The last iteration was left: no other is expected. */
  #isLeft = false;

  /** A server over `mdm`; `listen` gives it its name. */
  constructor(
    mdm: MuxDemux,
    options: StreamServerOptions | ((stream: Stream) => unknown) = {},
    callback?: (stream: Stream) => unknown,
  ) {
    super();
    const onStream = typeof options === "function" ? options : callback;
    const { session, encoding } = sessionOf(mdm);
    this.#session = session;
    this.#options = typeof options === "function" ? {} : { ...options };
    this.#options.encoding ??= encoding;
    if (onStream) this.on("stream", (stream) => serve(stream, onStream));
  }

  /** Resolves when the name is ours; rejects `name_taken`, `bad_request`, `limit`, … */
  get listening(): Promise<Claim> {
    this.#isWatched = true;
    return this.#listening.promise;
  }

  /** Resolves when the name was given up or released; rejects with what it was refused or lost for. */
  get closed(): Promise<void> {
    this.#isWatched = true;
    return this.#closed.promise;
  }

  /** How many clients there are now. */
  get clients(): number {
    return this.#clients;
  }

  /**
   * Asks for the name and returns the server at once; `listening` tells the outcome.
   *
   * Throws `bad_request` for what can be no name. `signal` gives up the wait, and ends the server once it listens.
   */
  listen(name: string, { signal }: { signal?: AbortSignal | undefined } = {}): this {
    if (this.#control) throw new StreamError("bad_request", "this server has a name already");
    const segment = nameSegment(name);
    const prefix = this.#options.prefix ?? PREFIX;
    this.#control = this.#session.open({ path: `${prefix}/listen/${segment}` });
    this.#note("clients_max", this.#options.clientsMax ?? CLIENTS_MAX);
    if (this.#isPaused) this.#note("pause");
    void this.#hold(this.#control, `${prefix}/accept/${segment}`, name.normalize("NFC"));
    if (signal) this.#obey(signal, this.#control);
    return this;
  }

  /** Lets new clients wait, for as long as the proxy is willing to. Also before `listen`. */
  pause(): this {
    this.#isPaused = true;
    return this.#note("pause");
  }

  /** Takes clients again. */
  resume(): this {
    this.#isPaused = false;
    return this.#note("resume");
  }

  /** Gives the name up: no new clients. Live ones finish, or with `now` are reset `gone`. Resolves when the name is free. */
  end({ now = false }: { now?: boolean } = {}): Promise<void> {
    this.#isEnding = true;
    if (now) for (const opening of this.#live) opening.abandon(new StreamError("gone"));
    this.#control?.end();
    return this.#control ? this.closed : Promise.resolve();
  }

  /**
   * The clients as they come, until the name is given up; throws what it was refused or lost for. Streams that a callback or listener took, or that
   * ended meanwhile, are not among them. After the loop was left new clients are refused `busy`, unless there is another loop or a listener.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Stream, void, undefined> {
    this.#isWatched = true;
    this.#isLeft = false;
    this.#iterations++;
    try {
      while (true) {
        const [stream] = this.#untaken;
        if (stream) {
          this.#untaken.delete(stream);
          yield stream;
        } else if (this.#error) throw this.#error;
        else if (this.#isOver) return;
        else await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      this.#isLeft = --this.#iterations === 0;
    }
  }

  /** The claim from its asking to its end. */
  async #hold(control: Stream, route: string, name: string): Promise<void> {
    const take = (opening: Opening) => void this.#take(opening);
    try {
      // Before the reply: it could be overtaken. A name that this page serves already is another server's.
      if (!this.#session.routes.has(route)) this.#session.routes.set(route, take);
      await control.opened;
      this.#session.routes.set(route, take);
      this.#isListening = true;
      const claim = { name, id: control.id };
      this.#listening.resolve(claim);
      this.emit("listening", claim);
      await readNotes(control.readable, (note) => {
        this.#superseded ||= note === "superseded";
      });
      control.end();
      if (this.#superseded) this.#error = new StreamError("superseded");
    } catch (thrown) {
      this.#error = StreamError.from(thrown);
      control.reset();
    }
    if (this.#session.routes.get(route) === take) this.#session.routes.delete(route);
    this.#isOver = true;
    this.#tellEnd(this.#error);
    this.#wakeIterations();
  }

  #tellEnd(error: StreamError | undefined): void {
    this.#listening.reject(error ?? new StreamError("cancelled"));
    if (error) {
      this.#closed.reject(error);
      // A page that looks nowhere else would wonder why nobody comes.
      if (!this.emit("error", error) && !this.#isWatched && !this.#session.isClosing) console.error(error);
    } else this.#closed.resolve();
    this.emit("close");
  }

  async #take(opening: Opening): Promise<void> {
    if (this.#isEnding) return opening.refuse(new StreamError("gone"));
    const isIgnored = this.#isLeft && this.listenerCount("stream") === 0;
    if (isIgnored || this.#live.size >= (this.#options.clientsMax ?? CLIENTS_MAX))
      return opening.refuse(new StreamError("busy"));
    this.#live.add(opening);
    const forget = () => this.#live.delete(opening);
    opening.closed.then(forget, forget);
    const refusal = this.#options.accept ? await this.#judge(opening, this.#options.accept) : undefined;
    if (opening.isOver) return;
    if (refusal) return opening.refuse(refusal);
    this.#clients++;
    const stream = opening.accept({ encoding: this.#options.encoding });
    const leave = () => {
      this.#clients--;
      this.#untaken.delete(stream);
    };
    opening.closed.then(leave, leave);
    if (this.emit("stream", stream)) return;
    this.#untaken.add(stream);
    this.#wakeIterations();
  }

  /** The error to refuse the client with, if any. */
  async #judge(
    { path, id, meta, peer }: Opening,
    accept: NonNullable<StreamServerOptions["accept"]>,
  ): Promise<StreamError | undefined> {
    try {
      const verdict = await accept({ path, id, meta, peer });
      if (verdict === true) return undefined;
      return new StreamError(verdict === false ? "forbidden" : verdict);
    } catch (error) {
      if (error instanceof StreamError) return error;
      report(error);
      return new StreamError("internal", "the server failed to decide");
    }
  }

  #note(note: string, value?: number): this {
    if (this.#control && !this.#isEnding && !this.#isOver) this.#control.write(frame({ note, value }));
    return this;
  }

  #obey(signal: AbortSignal, control: Stream): void {
    const give = (): void => {
      if (this.#isListening) void this.end();
      else {
        this.#isWatched = true;
        control.reset();
      }
    };
    if (signal.aborted) return give();
    signal.addEventListener("abort", give, { once: true });
    const forget = () => signal.removeEventListener("abort", give);
    this.#closed.promise.then(forget, forget);
  }

  #wakeIterations(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Serves under a name, with or without `new`. */
export type StreamServer = Server;
export const StreamServer: Callable<
  [
    mdm: MuxDemux,
    options?: StreamServerOptions | ((stream: Stream) => unknown),
    callback?: (stream: Stream) => unknown,
  ],
  Server
> = /* @__PURE__ */ callable(Server);

/** Calls the server's own callback. Where it fails its client is reset `internal`, instead of waiting for ever; the error goes where uncaught ones go. */
function serve(stream: Stream, onStream: (stream: Stream) => unknown): void {
  const failed = (error: unknown) => {
    stream.destroy(new StreamError("internal", "the server's own code failed"));
    report(error);
  };
  try {
    const serving = onStream(stream);
    if (serving instanceof Promise) serving.catch(failed);
  } catch (error) {
    failed(error);
  }
}
