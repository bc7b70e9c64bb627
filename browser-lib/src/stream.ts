// A stream as its user sees it: a WHATWG pair first, with Node's calls as a layer over it.

import type { Carried, Cell, Resumption } from "./cell.ts";
import { type Chunk, toBytes } from "./chunk.ts";
import { each } from "./each.ts";
import type { Bytes, Received } from "./encoding.ts";
import { resetNumber, StreamError } from "./error.ts";
import { Latest } from "./latest.ts";
import { PRIORITY } from "./mux/entry.ts";
import { NodeStyle } from "./node-style.ts";
import type { Kind } from "./resume/carrier.ts";
import { MESSAGE_MAX, text } from "./resume/record.ts";
import type { Peer } from "./sealed.ts";
import { deliver, type Sendable, type SendOptions, sourceOf } from "./send.ts";
import type { Codec } from "./values/codec.ts";
import { json } from "./values/json.ts";
import { Values, type ValuesOptions } from "./values/values.ts";

const PRIORITY_MAX = 64;

/** How a stream reads in Node's style, and what ends it. */
export interface StreamOptions {
  /** Makes "data" give strings. */
  encoding?: "utf8" | undefined;
  /** Resets the stream `cancelled` when it aborts, however far the stream is. */
  signal?: AbortSignal | undefined;
  /** `false`: when all that came was read, to the other side's finish, our direction is finished, too; a writer of the program's own does that itself. */
  allowHalfOpen?: boolean | undefined;
  /** Its {@link Stream.priority} from the start. */
  priority?: number | undefined;
}

/** Which end of a stream this is: the one that opened it, or the one that accepted it. */
export type Role = "client" | "server";

/** What a proxy knows of a peer: its own word, nothing that peer could forge. */
export interface PeerInfo {
  /** The id of its connection: streams with the same one come from the same peer. */
  readonly session?: string;
  /** Who it is by its token, where the proxy asks for one. */
  readonly sub?: string;
}

/** What was said when the stream was opened. */
export interface StreamInfo {
  id?: string | undefined;
  readonly path: string;
  readonly meta: unknown;
  readonly peer?: PeerInfo | undefined;
  readonly role?: Role;
  readonly sealed?: Peer | undefined;
}

/**
 * One ordered, flow-controlled stream of bytes in both directions.
 *
 * It ends in one of three ways, which are never mixed up: each side finishes its direction; one side resets both with a code; or the connection
 * is lost (`lost`; a stream between our own libraries only if that lasts). What arrived before a reset or loss can still be read, then reading fails (PROTOCOL.md, section 6).
 *
 * `D` is what "data" gives: `string` where an encoding was asked for, else bytes. `readable` and `for await` always give bytes.
 */
export class Stream<D extends Received = Received> extends NodeStyle<Chunk, Bytes, D> implements AsyncIterable<Bytes> {
  readonly #cell: Cell;
  readonly #info: StreamInfo;
  #decoder: TextDecoder | undefined;
  /** Somebody looks at how it ends, or ended it. */
  #isWatched = false;

  /** Streams come from a client, a server or `createStream`. */
  constructor(cell: Cell, info: StreamInfo, options: StreamOptions = {}) {
    super();
    this.#cell = cell;
    this.#info = info;
    cell.moved = (carrier) => this.emit("carrier", carrier);
    if (options.encoding) this.setEncoding(options.encoding);
    if (options.priority !== undefined) this.priority = options.priority;
    this.tellEnd(cell.closed, cell.read.drained);
    if (options.signal) this.#obey(options.signal);
    if (options.allowHalfOpen === false) void this.endBehind(cell.read.drained);
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

  /** Which end this is: `"client"` opened the stream, `"server"` accepted it. */
  get role(): Role {
    return this.#info.role ?? "client";
  }

  /** Where the stream was opened to. */
  get path(): string {
    return this.#info.path;
  }

  /** On a server: what the proxy knows of the client. */
  get peer(): PeerInfo | undefined {
    return this.#info.peer;
  }

  /**
   * Of a sealed stream, once it was accepted: the other end's public key (a client's, if it has one), and on a server what the client said for it alone.
   * Who has only seen an open can repeat it: act on `meta` when data came.
   */
  get sealed(): Peer | undefined {
    return this.#info.sealed;
  }

  /** How it fares over drops of the connections below it, as of now; nothing for a stream that does not survive them. */
  get resumption(): Resumption | undefined {
    return this.#cell.host.resumption;
  }

  /** What carries it now: the proxy, or a connection of its two ends' own (`direct`); "carrier" tells when that changes. */
  get carrier(): Kind {
    return this.#cell.host.carrier ?? "proxy";
  }

  /** What went over each kind of carrier so far; nothing for a stream that cannot move. */
  get carried(): Readonly<Record<Kind, Carried>> | undefined {
    return this.#cell.host.carried;
  }

  /**
   * How much of the way to the proxy the stream gets while others have something to send: a whole number from 1 to 64, 16 unless stated; one with 32 gets twice
   * as much as one with 16. Other numbers are taken as the nearest. It is ours alone: the other side, and the proxy, which gives all streams equal shares, do
   * not hear of it.
   */
  get priority(): number {
    return this.#cell.priority;
  }

  set priority(priority: number) {
    this.#cell.priority = Math.min(PRIORITY_MAX, Math.max(1, Math.round(priority))) || PRIORITY;
  }

  /**
   * Resolves when the other side accepted; rejects with the code it refused with. Writing need not wait for it. The console shows a refusal that nobody
   * looks for: here, in `closed`, in "error" or by reading `readable`.
   */
  get opened(): Promise<void> {
    this.#isWatched = true;
    return this.#cell.opened;
  }

  /**
   * Resolves when both sides finished; rejects with a {@link StreamError} if the stream was reset, refused or lost. That the other side of a sealed stream has
   * all of ours is the proxy's word, until a sealed answer says so.
   */
  get closed(): Promise<void> {
    this.#isWatched = true;
    return this.#cell.closed;
  }

  /**
   * Aborts both directions at once: what is queued or unread is dropped, here and on the other side's way to us. The other side gets `code`: a
   * whole number from 256, `"busy"`, `"gone"`, `"limit"` or, as the default, `"cancelled"`; the proxy passes no others.
   */
  reset(code?: string | number): void {
    this.fail(new StreamError(resetNumber(code)));
  }

  /**
   * Sends all of `data` and finishes this direction, at the reader's speed; the other goes on. What was written before goes first. Resolves to the number
   * of bytes when all have left; rejects with what ended the stream, or with what the source threw, for which the other side gets `internal` or the code
   * of a `StreamError`. Bytes that are not copied (a chunk of more than 4 KiB) belong to the stream until then.
   *
   * Throws `TypeError` for what cannot be sent, and after `end`.
   */
  send(data: Sendable, options: SendOptions = {}): Promise<number> {
    const sent = deliver(this, sourceOf(data), options);
    if (options.signal) this.#obey(options.signal);
    return sent;
  }

  /** The stream as one of values of which only the newest matters: those that wait are replaced. Both ends use it so, or read the frames themselves. */
  latest(): Latest {
    return new Latest(this);
  }

  /**
   * Aborts both directions as {@link reset} does, and tells the other side this message (the first 1,024 bytes of it in UTF-8): it is in the error that both
   * ends get. A stream over a mux over streams carries it, and a resumable one; over others the code arrives alone. `code` is what `reset` takes, or `"internal"`.
   */
  error(message: string, code: string | number = "internal"): void {
    const told = text(new TextEncoder().encode(message), MESSAGE_MAX);
    this.#isWatched = true;
    this.#cell.reset(new StreamError(resetNumber(code), told), undefined, told);
  }

  /** The chunks that come in; leaving the loop early cancels `readable`. */
  [Symbol.asyncIterator](): AsyncGenerator<Bytes, void, undefined> {
    return each(this.readable);
  }

  /**
   * Makes "data" give strings (a character that is split over chunks comes whole), or bytes again with `null`. TypeScript knows of it by what this returns, which is the
   * same stream.
   */
  setEncoding(encoding: "utf8" | "utf-8"): Stream<string>;
  setEncoding(encoding: null): Stream<Bytes>;
  setEncoding(encoding: "utf8" | "utf-8" | null): Stream<Received> {
    this.#decoder = encoding === null ? undefined : new TextDecoder(encoding, { ignoreBOM: true });
    return this as Stream<Received>;
  }

  /**
   * The same stream as one of values: what the other side's `values` sends, one by one, and what this side sends to it. Both ends need the same codec, and nothing may
   * have been read or written as bytes.
   */
  values<T = unknown>(codec: Codec = json, options?: ValuesOptions): Values<T> {
    return new Values<T>(this, codec, options);
  }

  protected override prepare(chunk: Chunk): Chunk {
    return toBytes(chunk) as Bytes;
  }

  protected override toData(bytes?: Bytes): D | undefined {
    const data = this.#decoder ? this.#decoder.decode(bytes, { stream: bytes !== undefined }) || undefined : bytes;
    return data as D | undefined;
  }

  protected fail(error: StreamError): void {
    this.#isWatched = true;
    this.#cell.reset(error);
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
