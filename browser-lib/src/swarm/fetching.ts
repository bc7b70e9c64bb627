// One fetch, in the hands of who wants the content.

import { StreamError } from "../error.ts";
import { demand } from "../options.ts";
import { settler } from "../settler.ts";
import type { Download, User } from "./download.ts";
import type { Sources } from "./ledger.ts";
import { PIECE_BYTES } from "./manifest.ts";
import type { Content, Shelf } from "./shelf.ts";
import type { Demand } from "./wanted.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export interface FetchOptions {
  /** Where the content is had in the first place, by HTTP: one address, or several. It is used when no peer has a piece. */
  origin?: string | URL | readonly (string | URL)[] | undefined;
  /** Where the manifest is had, if not from a peer. */
  manifest?: string | URL | undefined;
  /** The media type of what `blob` and `url` give: the page's word, for peers have none. */
  type?: string | undefined;
  /** `rarest` (unless stated): the pieces that few have come first. `sequential`: in order, 8 MiB ahead of what is read of `readable`. */
  order?: "rarest" | "sequential" | undefined;
  /** Only these bytes, both included. */
  range?: readonly [first: number, last: number] | undefined;
  /** Peers that together give less than this many bytes a second are helped by the origin, where `order` is `sequential` and a reader waits. */
  slow?: number | undefined;
  /** Gives it up when it aborts. */
  signal?: AbortSignal | undefined;
  /** Is told after each piece. */
  onProgress?: ((progress: FetchProgress) => void) | undefined;
}

/** How far a fetch is. */
export interface FetchProgress {
  /** Bytes of what is wanted that are here. */
  readonly bytes: number;
  /** Bytes that are wanted, once that is known. */
  readonly total: number | undefined;
}

/** What is known of a content before any of it is here. */
export interface Opened {
  /** Bytes. */
  readonly size: number;
  readonly pieces: number;
  readonly manifest: Bytes;
}

/** How it is got. */
export interface FetchWay {
  readonly shelf: Shelf;
  readonly download: Download;
  /** Gets these bytes once more: the store lost them. */
  again(range: readonly [first: number, last: number]): Promise<void>;
}

export class Fetching {
  /** The content's. */
  readonly id: string;
  readonly #way: FetchWay;
  readonly #options: FetchOptions;
  readonly #opened = settler<Opened>();
  readonly #done = settler();
  #content: Content | undefined;
  #demand: Demand | undefined;
  /** Bytes that are here, and those of a content that nobody can verify yet. */
  #bytes = 0;
  #unverified = 0;
  #readable: ReadableStream<Bytes> | undefined;
  #error: StreamError | undefined;
  #isOver = false;
  /** Who reads what came needs it to stay, though the fetch is over. */
  #readers = 0;
  #isPinned = false;
  #wake = (): void => {};
  readonly #user: User = {
    opened: (content) => this.#begin(content),
    came: (piece) => this.#came(piece),
    unverified: (bytes) => {
      this.#unverified = bytes;
      this.#options.onProgress?.(this.progress);
    },
    over: (error) => this.#end(error),
  };

  /** Fetches come from a swarm. */
  constructor(id: string, options: FetchOptions, way: FetchWay) {
    this.id = id;
    this.#options = options;
    this.#way = way;
    way.download.join(this.#user);
    const { signal } = options;
    if (!signal) return;
    const abort = () => this.cancel();
    signal.addEventListener("abort", abort);
    const forget = () => signal.removeEventListener("abort", abort);
    this.#done.promise.then(forget, forget);
    if (signal.aborted) queueMicrotask(abort);
  }

  /** Resolves when it is known what the content is: from the store, a peer or `manifest`; from an origin alone only when all of it came. Rejects as {@link done}. */
  get opened(): Promise<Opened> {
    return this.#opened.promise;
  }

  /**
   * Resolves when all that was wanted is here, verified. Rejects with a {@link StreamError}: `not_found` where nobody has it; `busy` where nobody who has it had room for half a minute,
   * or the last origin had none; `unresponsive`, `forbidden`, `tampered` and `timeout` of the last origin; `cancelled` where it was given up.
   */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** The bytes, in order, each verified before it is given. Whoever takes this reads it: in `sequential` order no more is fetched than 8 MiB ahead. Cancelling it gives the fetch up. */
  get readable(): ReadableStream<Bytes> {
    this.#readable ??= this.#read();
    return this.#readable;
  }

  get progress(): FetchProgress {
    return { bytes: this.#demand ? this.#bytes : this.#unverified, total: this.#total };
  }

  /** Where its bytes came from so far. */
  get sources(): Sources {
    const { first, last } = this.#demand ?? { first: 0, last: -1 };
    return this.#way.download.ledger.sources(first, last, (piece) => this.#content?.manifest.lengthOf(piece) ?? 0);
  }

  /** All of it, of the type that was given. */
  async blob(): Promise<Blob> {
    this.#reads(1);
    try {
      if (!this.#readable) await this.done;
      const parts: Bytes[] = [];
      const reader = this.readable.getReader();
      for (let next = await reader.read(); !next.done; next = await reader.read()) parts.push(next.value);
      this.#readable = undefined;
      return new Blob(parts, { type: this.#options.type ?? "" });
    } finally {
      this.#reads(-1);
    }
  }

  /** An address of it in this page, for `img.src` and the like. `URL.revokeObjectURL` frees it. */
  async url(): Promise<string> {
    return URL.createObjectURL(await this.blob());
  }

  /** Gives it up: all waits reject `cancelled`. */
  cancel(): void {
    if (this.#isOver) return;
    this.#way.download.leave(this.#user);
    this.#end(new StreamError("cancelled"));
  }

  /** It is known what it is: says what of it is wanted. */
  #begin(content: Content): Demand {
    const { manifest, has } = content;
    const { range, order = "rarest" } = this.#options;
    const [from, to] = range ?? [0, Math.max(0, manifest.size - 1)];
    demand(!range || from < manifest.size, `the content has ${manifest.size} bytes`);
    const first = Math.floor(from / PIECE_BYTES);
    const last = Math.min(Math.floor(to / PIECE_BYTES), manifest.pieces - 1);
    this.#content = content;
    content.pins++;
    this.#isPinned = true;
    this.#demand = { first, last, order, at: first };
    for (let piece = first; piece <= last; piece++) if (has.has(piece)) this.#bytes += manifest.lengthOf(piece);
    this.#opened.resolve({ size: manifest.size, pieces: manifest.pieces, manifest: manifest.bytes });
    this.#advance();
    return this.#demand;
  }

  #came(piece: number): void {
    const { first, last } = this.#demand ?? { first: 0, last: -1 };
    if (piece < first || piece > last) return;
    this.#bytes += this.#content?.manifest.lengthOf(piece) ?? 0;
    this.#advance();
    this.#wake();
    this.#options.onProgress?.(this.progress);
  }

  /** Where nobody reads, the reader is where the first piece is missing. */
  #advance(): void {
    if (!this.#demand || !this.#content || this.#readable) return;
    const { at, last } = this.#demand;
    this.#demand.at = this.#content.has.firstMissing(at, last) ?? last;
  }

  #end(error?: StreamError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    if (error) {
      this.#opened.reject(error);
      this.#done.reject(error);
    } else this.#done.resolve();
    this.#wake();
    this.#reads(0);
  }

  /** One more reads what came, or one less. */
  #reads(by: number): void {
    this.#readers += by;
    if (!this.#isOver || this.#readers > 0 || !this.#isPinned || !this.#content) return;
    this.#isPinned = false;
    this.#content.pins--;
  }

  get #total(): number | undefined {
    if (!this.#demand || !this.#content) return undefined;
    const { first, last } = this.#demand;
    if (last < first) return 0;
    return (last - first) * PIECE_BYTES + this.#content.manifest.lengthOf(last);
  }

  #read(): ReadableStream<Bytes> {
    let piece: number | undefined;
    let reads = 1;
    this.#reads(reads);
    const over = () => {
      this.#reads(-reads);
      reads = 0;
    };
    return new ReadableStream<Bytes>(
      {
        pull: async (controller) => {
          try {
            await this.opened;
            piece ??= this.#demand?.first ?? 0;
            const bytes = piece <= (this.#demand?.last ?? -1) ? await this.#piece(piece++) : undefined;
            if (bytes) controller.enqueue(bytes);
            if (piece <= (this.#demand?.last ?? -1)) return;
          } catch (error) {
            over();
            throw error;
          }
          over();
          controller.close();
        },
        cancel: () => {
          over();
          this.cancel();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** A piece as soon as it is here, as much of it as is wanted. */
  async #piece(piece: number): Promise<Bytes> {
    const { shelf, download } = this.#way;
    const content = this.#content as Content;
    if (this.#demand) this.#demand.at = piece;
    download.moved();
    for (let isAgain = false; ; ) {
      const bytes = await shelf.read(content, piece);
      if (bytes) return this.#cut(piece, bytes);
      if (this.#error) throw this.#error;
      if (this.#isOver) {
        // What the store had is spoilt, or another page removed it.
        const isThere = shelf.find(this.id) === content;
        if (isAgain || !isThere) throw new StreamError("gone", "the store lost a piece before it was read");
        isAgain = true;
        const at = piece * PIECE_BYTES;
        await this.#way.again([at, at]);
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (content.has.has(piece) || this.#isOver) resolve();
      });
    }
  }

  /** Bytes of the piece that are wanted, in memory that is nobody else's. */
  #cut(piece: number, bytes: Bytes): Bytes {
    const { range } = this.#options;
    const start = piece * PIECE_BYTES;
    const [from, to] = range ?? [0, Number.POSITIVE_INFINITY];
    return bytes.slice(Math.max(0, from - start), Math.min(bytes.length, to + 1 - start));
  }
}

/** Throws `bad_request` for options that cannot be. */
export function checkFetch({ order = "rarest", range }: FetchOptions): void {
  demand(order === "rarest" || order === "sequential", 'order is "rarest" or "sequential"');
  if (!range) return;
  const [from, to] = range;
  demand(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to, "a range is two byte positions");
}
