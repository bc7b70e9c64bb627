// The user's handle on the way to a proxy: every stream of a page rides on it, over one connection after the other.

import { type Carrier, Carriers } from "./carriers.ts";
import { type Duplex, isDuplex } from "./duplex.ts";
import { DuplexMux, type DuplexMuxOptions } from "./duplex-mux.ts";
import type { Plain, Received, Text } from "./encoding.ts";
import { StreamError } from "./error.ts";
import { Emitter } from "./events.ts";
import { frame, readNotes } from "./framing.ts";
import type { Inside } from "./inside.ts";
import type { MuxDemuxClass } from "./mux-demux-class.ts";
import type { ConnectionState, MuxDemuxEvents } from "./mux-demux-events.ts";
import type { MuxDemuxOptions } from "./mux-demux-options.ts";
import type { Opening } from "./opening.ts";
import { demand } from "./options.ts";
import { Redial } from "./redial.ts";
import { Resumables } from "./resumable/resumables.ts";
import { type Sendable, type Sending, type SendOptions, sendOver } from "./send.ts";
import { Session, type SessionHooks } from "./session.ts";
import { settler } from "./settler.ts";
import type { Stats } from "./stats.ts";
import type { Stream, StreamOptions } from "./stream.ts";
import { type Token, Tokens } from "./token.ts";
import type { CloseInfo } from "./transport.ts";
import { doubt, socketUrl } from "./websocket.ts";

/** Closed for what we did, or would meet again: coming back at once would only repeat it. The 4000s are our own closes. */
const FAULTS = [1002, 1003, 1007, 1008, 1011, 1013, 4001, 4002, 4003];
const DOWN = "the proxy goes down";
/** What the proxy says that is told as it is. */
const NOTES = ["bye", "limit", "token", "renewed", "refused"];
/** What an upgrade was refused with for good, where a program may see it; 408, 425 and 429 pass. */
const REFUSED = /response: 4(?!08|25|29)/;

let inside: (mdm: MuxDemux) => Inside;

class Mdm<D extends Received = Received> extends Emitter<MuxDemuxEvents<D>> {
  /** Resolves when the first connection is up; rejects with why there will be none. Streams may be opened before. */
  readonly ready: Promise<void>;
  readonly #ready = settler();
  readonly #target: string;
  readonly #options: MuxDemuxOptions;
  readonly #redial: Redial;
  readonly #carriers: Carriers;
  readonly #leaving = new Set<() => void>();
  readonly #resumables: Resumables;
  #state: ConnectionState = "connecting";
  #session: Session;
  /** Sessions that were followed by another and have streams yet. */
  readonly #old = new Set<Session>();
  /** The session that said GO_AWAY: when it is closed, the next one is dialed. */
  #parting: Session | undefined;
  #next = settler<Session>();
  #isClosing = false;
  /** The proxy said that it goes down, and has not come back. */
  #isDown = false;
  #hasFailed = false;
  readonly #tokens: Tokens;

  static {
    inside = (mdm) => ({
      get session() {
        return mdm.#current();
      },
      after: (session) => (session === mdm.#session ? mdm.#next.promise : Promise.resolve(mdm.#session)),
      leaving: mdm.#leaving,
      get isOver() {
        return mdm.#isClosing || mdm.#state === "closed";
      },
      encoding: mdm.#options.encoding,
      resumables: mdm.#resumables,
      target: mdm.#target,
    });
  }

  /**
   * Dials a proxy: a URL (`wss://host/mux`), a path on the page's own origin, or nothing for `/mux` there. A connection that breaks, or cannot be made,
   * is followed by another, unless `reconnect` is false or the proxy does not want us; "reconnecting" and `state` tell.
   *
   * Throws `bad_request` for what is no URL.
   */
  constructor(url?: string | URL, options: MuxDemuxOptions = {}) {
    super();
    this.#target = socketUrl(url);
    this.#resumables = new Resumables(() => this.#current(), this.#target);
    this.#options = options;
    this.#tokens = new Tokens(options.token);
    this.#carriers = new Carriers(this.#target, options, () => this.#redial.hurry());
    this.ready = this.#ready.promise;
    this.#session = this.#fresh();
    this.#dial();
    this.#redial = new Redial(
      () => this.#dial(),
      () => {
        this.#session.probe();
        this.#resumables.wake();
      },
      () => this.#resumables.giveUp(),
    );
  }

  /** How it stands with the connection. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** What carries the connection that there is, or was last. */
  get carrier(): Carrier {
    return this.#carriers.carrier;
  }

  /**
   * Opens a stream to the proxy's program: `path` is its route (default `/`), `meta` any JSON for it. Without a connection it waits for one, for 17 s, then
   * it fails `timeout`.
   */
  createStream(meta?: unknown, options?: StreamOptions & { path?: string } & Plain): Stream<D>;
  createStream(meta: unknown, options: StreamOptions & { path?: string } & Text): Stream<string>;
  createStream(meta?: unknown, options?: StreamOptions & { path?: string }): Stream<D | string>;
  createStream(meta?: unknown, options: StreamOptions & { path?: string } = {}): Stream<D | string> {
    return this.#open(meta, options);
  }

  /** As {@link createStream}, to read only: our direction is finished. */
  createReadStream(meta?: unknown, options?: StreamOptions & { path?: string }): Stream<D> {
    return this.#open(meta, options).end();
  }

  /** As {@link createStream}, to write only: the program is told so, and what it says all the same is dropped. */
  createWriteStream(meta?: unknown, options?: StreamOptions & { path?: string }): Stream<D> {
    return this.#open(meta, options, { one_way: true }).resume();
  }

  /**
   * Sends `data` to the proxy's program over a stream of its own, which it returns at once: as {@link createStream}, then `stream.send`, whose promise is
   * the stream's `sent`. What the program answers is read as of any stream.
   *
   * Throws `TypeError` for what cannot be sent, before anything is opened.
   */
  send(data: Sendable, meta?: unknown, options: StreamOptions & SendOptions & { path?: string } = {}): Sending {
    return sendOver(data, options, () => this.#open(meta, options));
  }

  /** Makes the next attempt to connect now, if one waits for its time; not before the time that a proxy which goes down has named. */
  reconnect(): void {
    this.#redial.hurry();
  }

  /**
   * Shows the proxy another token, on the connections that there are and on those to come: this one, or what the function that is given here or was given as
   * the option says now. Streams and names go on. Resolves when it is on its way (then `renewed` or `refused` is told); rejects with what the function throws, or with `bad_request` if it is too long.
   */
  async renew(token?: Token): Promise<void> {
    const value = await this.#tokens.take(token);
    for (const { isOpen, hello } of [...this.#old, this.#session])
      if (isOpen) hello?.write(frame({ note: "token", value }));
  }

  /**
   * Gives up the names that are held, sends what was written, as far as credit goes, and closes; what is being dialed, once it is up or missed. Streams
   * that are still open end `lost` at both ends.
   */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#session.why = "this MuxDemux was closed";
    for (const leave of this.#leaving) leave();
    for (const session of this.#old) void session.close();
    if (this.#state === "waiting") this.#session.end({ code: 1000, reason: "" });
    else if (this.#session.isOpen) void this.#session.close();
  }

  /** What went over the present connection so far, and what resumable streams had to repeat over all of them. */
  stats(): Stats {
    return { ...this.#session.stats(), ...this.#resumables.stats() };
  }

  #open(meta: unknown, options: StreamOptions & { path?: string } = {}, fields?: object): Stream<D> {
    const { path = "/", encoding = this.#options.encoding, ...rest } = options;
    return this.#current().open({ ...rest, path, encoding, meta, fields }) as Stream<D>;
  }

  /** The session for new streams; one that ran out of ids is followed by another. */
  #current(): Session {
    if (this.#session.isSpent && this.#mayReturn) this.#replace("the connection ran out of streams");
    return this.#session;
  }

  get #mayReturn(): boolean {
    return (this.#options.reconnect !== false || this.#carriers.hopes) && !this.#hasFailed && !this.#isClosing;
  }

  #dial(): void {
    const session = this.#session;
    const connect = () => this.#carriers.dial(session);
    this.#become("connecting");
    if (!this.#tokens.isLive) return connect();
    const asked = this.#tokens.take().then(connect);
    asked.catch((error) => session.gone({ code: 1006, reason: `no token (${error})` }));
  }

  /** A session without a connection, to be introduced with its first bytes. */
  #fresh(): Session {
    let why: StreamError | undefined;
    const hooks: SessionHooks = {
      open: () => {
        why = undefined;
        this.#opened(session);
      },
      missed: (info) => {
        why = lost(`no connection to ${this.#target}: ${this.#isDown ? DOWN : info.reason || doubt(this.#target)}`);
        session.why ??= why.detail;
        this.#missed(session, info, why);
      },
      close: (info) => this.#lost(session, info, why ?? lost(`the connection to ${this.#target} broke`)),
      error: (error) => {
        why = error;
      },
      opening: (opening) => this.#take(opening),
      goAway: () => this.#goesAway(session),
      isBusy: () => this.#resumables.isBusy,
      leaving: () => {
        if (this.#isClosing) this.#resumables.giveUp();
      },
    };
    const session = new Session(hooks, this.#options.debug === true);
    void this.#introduce(session);
    return session;
  }

  #opened(session: Session): void {
    this.#isDown = false;
    if (!this.#isClosing) session.why = undefined;
    this.#become("open");
    this.#ready.resolve();
    const { news } = this.#carriers;
    if (news) this.emit("carrier", news);
    this.emit("open");
    this.#resumables.up(session);
    for (const old of this.#old) old.retire();
    if (this.#isClosing) void session.close();
  }

  /** Another connection is wanted, although this one lives. */
  #replace(why: string, afterMs?: number): void {
    this.#succeed();
    this.#redial.forget();
    this.#retry(lost(why), afterMs);
  }

  /** No connection came; what waits for one goes on waiting. */
  #missed(session: Session, info: CloseInfo, error: StreamError): void {
    this.#carriers.missed(session);
    if (REFUSED.test(info.reason) && !this.#carriers.hopes) this.#fail(error);
    if (this.#mayReturn) this.#retry(error);
    else session.end(info);
  }

  #lost(session: Session, info: CloseInfo, error: StreamError): void {
    this.#old.delete(session);
    // Whoever lets a WebSocket through only to close it is as good as whoever does not.
    if (!session.isProven && !session.stats().received) this.#carriers.missed(session);
    if (this.#state === "closed" || (session !== this.#session && session !== this.#parting)) return;
    if (!this.#mayReturn) return this.#over(info, error);
    if (session === this.#session) this.#succeed();
    this.#parting = undefined;
    if (session.isProven && !FAULTS.includes(info.code)) this.#redial.forget();
    this.#retry(error);
  }

  /** What is opened from now on goes to a fresh session; the old one lives on as long as it has streams. */
  #succeed(): void {
    if (this.#session.isOpen) this.#old.add(this.#session);
    this.#session = this.#fresh();
    const next = this.#next;
    this.#next = settler();
    next.resolve(this.#session);
  }

  #retry(error: StreamError, afterMs?: number): void {
    const next = this.#redial.plan(afterMs);
    this.#become("waiting");
    this.emit("reconnecting", { ...next, error });
    if (this.#state === "waiting") this.#redial.start(next);
  }

  /** The proxy will close this connection within the second. */
  #goesAway(session: Session): void {
    this.emit("drain", undefined);
    if (session !== this.#session || !this.#mayReturn) return;
    this.#parting = session;
    this.#succeed();
    this.#become("waiting");
  }

  #over(info: CloseInfo, error: StreamError): void {
    this.#redial.stop();
    this.#become("closed");
    this.#ready.reject(error);
    this.#session.why ??= error.detail;
    this.#next.reject(error);
    this.#resumables.giveUp();
    if (info.code !== 1000) this.#fail(error);
    this.emit("close", info);
  }

  #become(state: ConnectionState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", state);
  }

  #fail(error: StreamError): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.emit("error", error);
  }

  #take(opening: Opening): void {
    if (this.listenerCount("stream") === 0 || opening.joins || opening.signals)
      return opening.refuse(new StreamError("not_found"));
    const stream = opening.accept({ encoding: this.#options.encoding }) as Stream<D>;
    this.emit("stream", stream, opening.meta);
  }

  /** The session stream: says who we are and hears what the proxy has to say (PROTOCOL.md, section 7). Nothing waits for it. */
  async #introduce(session: Session): Promise<void> {
    const us = { hello: () => this.#tokens.hello, refused: (error: StreamError) => this.#judge(session, error) };
    const stream = session.open({ path: "/session", us, patience: Infinity });
    session.hello = stream;
    try {
      await stream.opened;
      session.isProven = true;
      this.#carriers.proven();
      this.#tokens.isRefused = false;
      await readNotes(stream.readable, (note, value) => this.#note(session, note, value));
    } catch (thrown) {
      const error = StreamError.from(thrown);
      this.#refused(session, error);
      // A proxy without session streams is a proxy all the same; how the connection ends is told elsewhere.
      session.isProven ||= error.code !== "lost";
    }
    stream.reset();
  }

  /** The proxy does not, or no longer, take what we showed. */
  #judge(session: Session, error: StreamError): void {
    if (session !== this.#session || error.code === "not_found") return;
    if (this.#tokens.mayPass(error.code)) session.isRefused = true;
    else session.error = error;
  }

  /** Ends the connection where that is so: for good, or for the next. */
  #refused(session: Session, error: StreamError): void {
    if (!session.isOpen || !(session.error ?? session.isRefused)) return;
    if (session.error) this.#fail(error);
    session.fail(error, 4001, error.code);
  }

  #note(session: Session, note: string, value: unknown): void {
    if (note === "drain") {
      const { after_ms } = Object(value);
      const afterMs = typeof after_ms === "number" ? after_ms : undefined;
      this.#isDown = true;
      this.emit(note, afterMs);
      if (session === this.#session && this.#mayReturn) this.#replace(DOWN, afterMs);
    } else if (NOTES.includes(note)) this.emit(note as "bye", value);
    if (note === "token") this.#tokens.insist(this, session);
    if (note !== "bye" || value !== "unauthorized") return;
    const error = new StreamError(value, "the token ended");
    this.#judge(session, error);
    this.#refused(session, error);
  }
}

/** The way to a proxy. */
export type MuxDemux<D extends Received = Received> = Mdm<D>;

type Args = [given?: string | URL | Duplex, options?: MuxDemuxOptions & DuplexMuxOptions];

export const MuxDemux: MuxDemuxClass = /* @__PURE__ */ new Proxy(Mdm, {
  apply: (Class, _self, [given, options]: Args) =>
    isDuplex(given) ? new DuplexMux(given, options) : new Class(given, options),
  construct: (Class, args: Args, target) =>
    isDuplex(args[0]) ? new DuplexMux(args[0], args[1]) : Reflect.construct(Class, args, target),
}) as unknown as MuxDemuxClass;

/** A {@link MuxDemux} whose streams give text in Node's style, as the original's did. */
export function boot(url?: string | URL, options?: MuxDemuxOptions): MuxDemux<string> {
  return new Mdm(url, { encoding: "utf8", ...options });
}

function lost(message: string): StreamError {
  return new StreamError("lost", message);
}

/** What lies under a user's handle, for servers and clients. */
export function sessionOf(mdm: MuxDemux): Inside {
  demand(mdm instanceof Mdm, "the first argument is a MuxDemux");
  return inside(mdm);
}
