// The user's handle on one connection to a proxy: every stream of a page rides on it.

import { type Callable, callable } from "./callable.ts";
import { StreamError } from "./error.ts";
import { Emitter } from "./events.ts";
import { readNotes } from "./framing.ts";
import type { Opening } from "./opening.ts";
import { Session, type SessionHooks, type Stats } from "./session.ts";
import { settler } from "./settler.ts";
import type { Stream, StreamOptions } from "./stream.ts";
import type { CloseInfo } from "./transport.ts";
import { SUBPROTOCOL, socketUrl, type WebSocketClass, WebSocketTransport } from "./websocket.ts";

const LIBRARY = "browser-stream-server-js/0.1.0";

export interface MuxDemuxOptions {
  /** Who we are, for a proxy that asks. It travels inside the connection, never in the URL. */
  token?: string | undefined;
  /** The class to dial with where the platform has none (in Node 20: the `ws` package's). */
  WebSocket?: WebSocketClass | undefined;
  /** Makes "data" of all streams give strings, unless a stream says otherwise. */
  encoding?: "utf8" | undefined;
  /** Logs every frame to the console. */
  debug?: boolean | undefined;
  /** Subprotocols to offer; `bss.1` unless stated. */
  protocols?: readonly string[] | undefined;
}

export interface MuxDemuxEvents {
  /** The connection is up. */
  open: [];
  /** The connection is over and all its streams have ended. */
  close: [info: CloseInfo];
  /** The connection failed, broke (`lost`), or could not be made. Told once. */
  error: [error: StreamError];
  /** A stream that no server took. Without a listener such streams are refused `not_found`. */
  stream: [stream: Stream, meta: unknown];
  /** The proxy is about to go away, in so many milliseconds. */
  drain: [afterMs: number | undefined];
  /** The proxy says why it will close the connection. */
  bye: [code: unknown];
  /** The proxy says which limit was reached. */
  limit: [value: unknown];
}

/** What {@link MuxDemuxOptions} ask of streams. */
interface Inside {
  readonly session: Session;
  readonly encoding: "utf8" | undefined;
}

let inside: (mdm: MuxDemux) => Inside;

class Mdm extends Emitter<MuxDemuxEvents> {
  /** Resolves when the connection is up; rejects `lost` if it could not be made. Streams may be opened before. */
  readonly ready: Promise<void>;
  readonly #ready = settler();
  readonly #session: Session;
  readonly #encoding: "utf8" | undefined;
  #hasFailed = false;

  static {
    inside = (mdm) => ({ session: mdm.#session, encoding: mdm.#encoding });
  }

  /**
   * Dials a proxy: a URL (`wss://host/mux`), a path on the page's own origin, or nothing for `/mux` there.
   *
   * Throws `bad_request` for what is no URL; that the connection failed is told by "error", "close" and `ready`.
   */
  constructor(url?: string | URL, options: MuxDemuxOptions = {}) {
    super();
    const target = socketUrl(url);
    const transport = new WebSocketTransport(target, options.WebSocket, options.protocols ?? [SUBPROTOCOL]);
    this.#encoding = options.encoding;
    this.ready = this.#ready.promise;
    this.#session = new Session(transport, this.#hooks(target), options.debug === true);
    this.#introduce(options.token);
  }

  /** Opens a stream to the proxy's program: `path` is its route (default `/`), `meta` any JSON for it. May be used before "open". */
  createStream(meta?: unknown, options: StreamOptions & { path?: string } = {}): Stream {
    const { path = "/", encoding = this.#encoding, signal } = options;
    return this.#session.open({ path, encoding, signal, meta });
  }

  /** Sends what was written, as far as credit goes, and closes; what is still dialing, once it is up. Streams that are still open end `lost` at both ends. */
  close(): void {
    this.ready.then(
      () => this.#session.close(),
      () => {},
    );
  }

  /** What went over this connection so far. */
  stats(): Stats {
    return this.#session.stats();
  }

  #hooks(target: string): SessionHooks {
    let told = `no connection to ${target}: does the proxy run there, and allow this page (--allow-origin)?`;
    return {
      open: () => {
        told = `the connection to ${target} broke`;
        this.#ready.resolve();
        this.emit("open");
      },
      close: (info) => {
        const lost = new StreamError("lost", told);
        this.#ready.reject(lost);
        if (info.code !== 1000) this.#fail(lost);
        this.emit("close", info);
      },
      error: (error) => this.#fail(error),
      opening: (opening) => this.#take(opening),
      goAway: () => this.emit("drain", undefined),
    };
  }

  #fail(error: StreamError): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.emit("error", error);
  }

  #take(opening: Opening): void {
    if (this.listenerCount("stream") === 0) return opening.refuse(new StreamError("not_found"));
    this.emit("stream", opening.accept({ encoding: this.#encoding }), opening.meta);
  }

  /** The session stream: says who we are and hears what the proxy has to say (PROTOCOL.md, section 7). Nothing waits for it. */
  async #introduce(token: string | undefined): Promise<void> {
    const fields = { token, library: LIBRARY, capabilities: [] };
    const stream = this.#session.open({ path: "/session", fields });
    try {
      await stream.opened;
      await readNotes(stream.readable, (note, value) => this.#note(note, value));
    } catch (thrown) {
      const error = StreamError.from(thrown);
      // A proxy without session streams is a proxy all the same; how the connection ends is told elsewhere.
      if (error.code === "unauthorized" || error.code === "forbidden") this.#fail(error);
    }
  }

  #note(note: string, value: unknown): void {
    if (note === "drain") {
      const after = (value as { after_ms?: unknown } | null | undefined)?.after_ms;
      this.emit("drain", typeof after === "number" ? after : undefined);
    } else if (note === "bye" || note === "limit") this.emit(note, value);
  }
}

/** One connection to a proxy, with or without `new`. */
export type MuxDemux = Mdm;
export const MuxDemux: Callable<[url?: string | URL, options?: MuxDemuxOptions], Mdm> = /* @__PURE__ */ callable(Mdm);

/** A {@link MuxDemux} whose streams give text in Node's style, as the original's did. */
export function boot(url?: string | URL, options?: MuxDemuxOptions): MuxDemux {
  return new Mdm(url, { encoding: "utf8", ...options });
}

/** The session under a user's handle, for servers and clients. */
export function sessionOf(mdm: MuxDemux): Inside {
  return inside(mdm);
}
