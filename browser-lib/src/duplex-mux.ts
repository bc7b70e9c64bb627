// Many streams over one: a mux over any pair of streams, and so over one of our own. What carries the pair sees to drops and silence.

import { type Duplex, DuplexTransport } from "./duplex.ts";
import { resetNumber, StreamError } from "./error.ts";
import { Emitter } from "./events.ts";
import { Violation } from "./mux/frame.ts";
import type { Opening } from "./opening.ts";
import { type Sendable, type Sending, type SendOptions, sendOver } from "./send.ts";
import { Session, type SessionHooks } from "./session.ts";
import { settler } from "./settler.ts";
import type { SessionStats } from "./stats.ts";
import type { Role, Stream, StreamOptions } from "./stream.ts";

/** Nothing is sent while the pair is held up, and nothing may be heard for as long. */
const PATIENT = { silenceMax: Infinity, pingTimeout: Infinity };
/** Where a stream's error is told (PROTOCOL.md, section 10). */
const ERROR_PATH = "/stream-error";
const SAME_ROLE =
  'both ends say that they are the same: give { role: "client" } at one and { role: "server" } at the other';

export interface DuplexMuxOptions {
  /** Which end this is; the other end is the other one. A stream of ours knows: who connected is the client. */
  role?: Role | undefined;
  /** Makes "data" of all streams give strings, unless a stream says otherwise. */
  encoding?: "utf8" | undefined;
  /** As in {@link StreamOptions}, for all streams that do not say otherwise; `true` unless stated. */
  allowHalfOpen?: boolean | undefined;
  /** Logs every frame to the console. */
  debug?: boolean | undefined;
}

export interface DuplexMuxEvents {
  /** The other end opened a stream. Without a listener such streams are refused `not_found`. */
  stream: [stream: Stream, meta: unknown];
  /** The mux failed: the pair below it did (`lost`), or the other end does not speak our protocol. Told once; `closed` rejects with the same. */
  error: [error: StreamError];
  /** It is over and all its streams have ended. */
  close: [];
}

/** A mux over a pair of streams: both ends open streams to each other. */
export class DuplexMux extends Emitter<DuplexMuxEvents> {
  /** Which end this is. */
  readonly role: Role;
  /** Resolves when either end has closed the mux, rejects when it failed. */
  readonly closed: Promise<void>;
  readonly #closed = settler();
  readonly #options: DuplexMuxOptions;
  readonly #transport: DuplexTransport;
  readonly #session: Session;
  #why: StreamError | undefined;
  #isClosing = false;

  /**
   * Takes the pair's locks: it is the mux's from now on. Use `MuxDemux(pair, options)`.
   *
   * Throws `bad_request` where the pair is locked, or where nothing tells which end this is.
   */
  constructor(duplex: Duplex, options: DuplexMuxOptions = {}) {
    super();
    const role = options.role ?? (duplex as { role?: unknown }).role;
    if (role !== "client" && role !== "server") {
      throw new StreamError(
        "bad_request",
        'say which end this is: { role: "client" } at one, { role: "server" } at the other',
      );
    }
    this.role = role;
    this.closed = this.#closed.promise;
    this.#options = options;
    this.#transport = new DuplexTransport(duplex);
    this.#session = new Session(
      this.#hooks(),
      options.debug === true,
      role === "client" ? "opener" : "acceptor",
      PATIENT,
    );
    this.#session.routes.set(ERROR_PATH, (opening) => this.#hear(opening));
    this.#session.dial(this.#transport);
    this.#transport.start();
  }

  /**
   * Opens a stream to the other end, with any JSON for it. It can be written at once; `opened` rejects `not_found` where nobody listens for streams there,
   * and `gone` where the mux was closed.
   */
  createStream(meta?: unknown, options: StreamOptions & { path?: string } = {}): Stream {
    return this.#open(meta, options);
  }

  /** As {@link createStream}, to read only: our direction is finished. */
  createReadStream(meta?: unknown, options?: StreamOptions & { path?: string }): Stream {
    return this.#open(meta, options).end();
  }

  /** As {@link createStream}, to write only: the other end's direction is finished. */
  createWriteStream(meta?: unknown, options?: StreamOptions & { path?: string }): Stream {
    return this.#open(meta, options, { one_way: true }).resume();
  }

  /**
   * Sends `data` to the other end over a stream of its own, which it returns at once: as {@link createStream}, then `stream.send`, whose promise is the
   * stream's `sent`.
   *
   * Throws `TypeError` for what cannot be sent, before anything is opened.
   */
  send(data: Sendable, meta?: unknown, options: StreamOptions & SendOptions & { path?: string } = {}): Sending {
    return sendOver(data, options, () => this.#open(meta, options));
  }

  /**
   * Takes no more streams, of either end, and closes when those that live have ended; with `now` at once: what was written still leaves, as far as
   * credit goes, and they end `lost` at both ends. The pair is finished then. Resolves when that is done, rejects if the mux fails before.
   */
  close({ now = false }: { now?: boolean } = {}): Promise<void> {
    this.#isClosing = true;
    if (now) void this.#session.close();
    else this.#session.retire();
    return this.closed;
  }

  /** Ends at once, the pair with it: it is aborted, a stream of ours reset with `code` (as {@link Stream.reset} takes it). All streams end `lost`. */
  abort(code?: string | number): void {
    this.#why ??= new StreamError(resetNumber(code));
    this.#transport.abort(this.#why);
    this.#session.end({ code: 1006, reason: "" });
  }

  /** What went over the pair so far. */
  stats(): SessionStats {
    return this.#session.stats();
  }

  #open(meta: unknown, options: StreamOptions & { path?: string } = {}, fields?: object): Stream {
    const { encoding: text, allowHalfOpen: isHalf } = this.#options;
    const { path = "/", encoding = text, allowHalfOpen = isHalf, ...rest } = options;
    return this.#session.open({ ...rest, path, encoding, allowHalfOpen, meta, fields });
  }

  #hooks(): SessionHooks {
    return {
      open: () => {},
      missed: () => {},
      isBusy: () => false,
      leaving: () => {},
      opening: (opening) => this.#take(opening),
      tell: (id, code, message) => this.#tell(id, code, message),
      error: (error, cause) => {
        const isOurs = cause instanceof Violation && cause.kind === "parity";
        this.#why ??= isOurs ? new StreamError("bad_request", SAME_ROLE) : error;
      },
      goAway: (code) => {
        if (code !== 0)
          this.#why ??= new StreamError("bad_request", `the other end could not follow us; perhaps ${SAME_ROLE}`);
        this.#isClosing = true;
        this.#session.retire();
      },
      close: ({ code, reason }) => {
        if (code !== 1000) this.#why ??= new StreamError("lost", `what carries the mux failed: ${reason}`);
        if (this.#why) {
          this.#closed.reject(this.#why);
          this.emit("error", this.#why);
        } else this.#closed.resolve();
        this.emit("close");
      },
    };
  }

  #take(opening: Opening): void {
    if (this.#isClosing) opening.refuse(new StreamError("gone", "the mux was closed"));
    else if (this.listenerCount("stream") === 0) {
      opening.refuse(new StreamError("not_found", 'nobody listens for streams at the other end: mux.on("stream", …)'));
    } else this.emit("stream", opening.accept(this.#options), opening.meta);
  }

  /** A reset has no room for a text: that goes ahead of it, on a stream of its own, and the reset follows once it was heard. */
  #tell(stream: number, code: number, message: string): void {
    const note = this.#session.open({ path: ERROR_PATH, meta: { stream, code, message }, isParting: true });
    const reset = (): void => this.#session.reset(stream, code);
    note.end().opened.then(reset, reset);
  }

  #hear(opening: Opening): void {
    const { stream, code, message } = (opening.meta ?? {}) as { stream?: unknown; code?: unknown; message?: unknown };
    if (typeof stream !== "number" || typeof code !== "number" || typeof message !== "string") {
      return opening.refuse(new StreamError("bad_request", "an error has a stream, a code and a message"));
    }
    this.#session.failed(stream, new StreamError(code, message));
    opening.accept().resume().end();
  }
}
