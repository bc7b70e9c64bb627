// The servers that have a content in the first place: HTTP, with ranges where they know them.

import { each } from "../each.ts";
import { StreamError } from "../error.ts";
import { later } from "../later.ts";
import { inPieces, type Manifest, PIECE_BYTES } from "./manifest.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A server that sends nothing for so long is given up. Milliseconds. */
const STALL_MS = 10_000;
/** After a failure the next attempt waits half a second, then ever longer. Milliseconds. */
const AGAIN_MS = 500;
const AGAIN_MS_MAX = 8_000;
/** So many failures in a row, and there is no origin. */
const ATTEMPTS = 5;
const PARTIAL = 206;
const UNSATISFIABLE = 416;
/** What a server may say otherwise a little later. */
const PASSING = [408, 425, 429, 500, 502, 503, 504];

/** Takes a piece that came; throws `tampered` where it is not the content's. */
export type TakePiece = (piece: number, bytes: Bytes) => Promise<void>;

export class Origin {
  readonly #urls: string[] = [];
  /** All that were ever named: one that failed for good is not tried again. */
  readonly #known = new Set<string>();
  #at = 0;
  #failures = 0;
  /** Why the last one failed. */
  error: StreamError | undefined;

  constructor(urls: readonly string[]) {
    this.add(urls);
  }

  /** Whether there are more of them now. */
  add(urls: readonly string[]): boolean {
    const fresh = urls.filter((url) => !this.#known.has(url));
    for (const url of fresh) this.#known.add(url);
    this.#urls.push(...fresh);
    return fresh.length > 0;
  }

  get isThere(): boolean {
    return this.#urls.length > 0;
  }

  /**
   * Asks for these pieces, and gives each as it comes; a server that knows no ranges sends all of them. Resolves to how long to leave the origin alone, in
   * milliseconds; to nothing where there is no origin any more.
   */
  async request(
    manifest: Manifest,
    first: number,
    count: number,
    signal: AbortSignal,
    take: TakePiece,
  ): Promise<number | undefined> {
    let took = 0;
    const end = Math.min(manifest.size, (first + count) * PIECE_BYTES);
    const counted: TakePiece = async (piece, bytes) => {
      await take(piece, bytes);
      took++;
    };
    return this.#attempt(signal, async (url, patience) => {
      try {
        await range(url, manifest, first, end, patience, counted);
      } finally {
        if (took > 0) this.#failures = 0;
      }
    });
  }

  /** All of it, piece by piece, for a content of which only the id is known. As {@link request}. */
  whole(signal: AbortSignal, take: (pieces: AsyncGenerator<Bytes>) => Promise<void>): Promise<number | undefined> {
    return this.#attempt(signal, async (url, patience) => {
      const response = await ask(url, patience);
      await take(inPieces(patience.watch(bodyOf(response))));
    });
  }

  async #attempt(
    signal: AbortSignal,
    act: (url: string, patience: Patience) => Promise<void>,
  ): Promise<number | undefined> {
    const url = this.#urls[this.#at % this.#urls.length];
    if (url === undefined) return undefined;
    const patience = new Patience(signal);
    try {
      await act(url, patience);
      this.#failures = 0;
      return 0;
    } catch (thrown) {
      if (signal.aborted) return 0;
      this.error = patience.isOver ? new StreamError("timeout", `${url} sends nothing`) : failure(url, thrown);
      this.#failures++;
      // One that has something else, or nothing, has it later, too.
      if (isFinal(this.error)) this.#urls.splice(this.#at % this.#urls.length, 1);
      else this.#at++;
      if (this.#failures >= ATTEMPTS * Math.max(1, this.#urls.length)) this.#urls.length = 0;
      if (!this.isThere) return undefined;
      return isFinal(this.error) ? 0 : Math.min(AGAIN_MS * 2 ** (this.#failures - 1), AGAIN_MS_MAX);
    } finally {
      patience.end();
    }
  }
}

/** Gives up where nothing comes for a while. */
class Patience {
  readonly #abort = new AbortController();
  readonly #outer: AbortSignal;
  readonly #give = () => this.#abort.abort();
  #timer: ReturnType<typeof later> | undefined;
  isOver = false;

  constructor(outer: AbortSignal) {
    this.#outer = outer;
    outer.addEventListener("abort", this.#give);
    if (outer.aborted) this.#give();
    this.restart();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  restart(): void {
    clearTimeout(this.#timer);
    this.#timer = later(() => {
      this.isOver = true;
      this.#give();
    }, STALL_MS);
  }

  watch(body: ReadableStream<Bytes>): ReadableStream<Bytes> {
    const seen = new TransformStream<Bytes, Bytes>({
      transform: (chunk, controller) => {
        this.restart();
        controller.enqueue(chunk);
      },
    });
    return body.pipeThrough(seen, { signal: this.signal });
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener("abort", this.#give);
    // What is still under way is not wanted.
    this.#give();
  }
}

async function range(
  url: string,
  manifest: Manifest,
  first: number,
  end: number,
  patience: Patience,
  take: TakePiece,
): Promise<void> {
  const start = first * PIECE_BYTES;
  const isAll = start === 0 && end === manifest.size;
  const response = await ask(url, patience, isAll ? undefined : { range: `bytes=${start}-${end - 1}` });
  const isPart = response.status === PARTIAL;
  if (isPart) checkRange(url, response.headers.get("content-range"), start, end, manifest.size);
  let piece = isPart ? first : 0;
  let left = isPart ? end - start : manifest.size;
  for await (const bytes of inPieces(patience.watch(bodyOf(response)))) {
    left -= bytes.length;
    if (left < 0) throw tampered(url, "is longer than the content");
    if (bytes.length < manifest.lengthOf(piece)) break;
    await take(piece++, bytes);
    patience.restart();
  }
  if (left > 0) throw new StreamError("lost", `${url} ended ${left} bytes early`);
}

async function ask(url: string, patience: Patience, headers: Record<string, string> = {}): Promise<Response> {
  const response = await fetch(url, { headers, signal: patience.signal });
  if (response.ok) return response;
  await response.body?.cancel().catch(() => {});
  const { status } = response;
  const said = `${url} answered ${status}`;
  if (status === UNSATISFIABLE) throw tampered(url, "is shorter than the content");
  if (status === 401 || status === 403) throw new StreamError("forbidden", said);
  throw new StreamError(PASSING.includes(status) ? "busy" : "not_found", said);
}

/** What the server says that it sends, where a page may read it: across origins it may not, and the hashes have to do. */
function checkRange(url: string, said: string | null, start: number, end: number, size: number): void {
  if (said === null) return;
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(said) ?? [];
  if (total !== "*" && Number(total) !== size) throw tampered(url, `has ${total} bytes, and the content ${size}`);
  if (Number(first) !== start || Number(last) !== end - 1) {
    throw tampered(url, `sent ${said} where ${start}-${end - 1} was asked`);
  }
}

function bodyOf(response: Response): ReadableStream<Bytes> {
  return (response.body ?? new Response("").body) as ReadableStream<Bytes>;
}

function tampered(url: string, what: string): StreamError {
  return new StreamError("tampered", `${url} ${what}`);
}

function isFinal({ code }: StreamError): boolean {
  return code === "tampered" || code === "not_found" || code === "forbidden";
}

function failure(url: string, thrown: unknown): StreamError {
  if (thrown instanceof StreamError) return thrown;
  // The platform does not tell a page why: the server cannot be reached, or does not allow this page (CORS).
  return new StreamError("unresponsive", `${url} cannot be reached, or does not let this page read it: ${thrown}`);
}

/** A small thing whole, as a manifest: no more than so many bytes. */
export async function small(url: string, max: number, signal: AbortSignal): Promise<Bytes> {
  const patience = new Patience(signal);
  try {
    const response = await ask(url, patience);
    const parts: Bytes[] = [];
    let length = 0;
    for await (const chunk of each(patience.watch(bodyOf(response)))) {
      length += chunk.length;
      if (length > max) throw tampered(url, `has more than ${max} bytes`);
      parts.push(chunk);
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  } catch (thrown) {
    throw failure(url, thrown);
  } finally {
    patience.end();
  }
}
