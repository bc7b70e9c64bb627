// What we say to the tracker, over one connection after the other: what we hold, and whom we look for (PROTOCOL.md, section 15).

import { StreamError } from "../error.ts";
import { frame, readFrames } from "../framing.ts";
import type { Inside } from "../inside.ts";
import type { JsonObject } from "../json.ts";
import { later, type Timer } from "../later.ts";
import { fromBase64, toBase64 } from "../seal/base64.ts";
import type { Session } from "../session.ts";
import type { Stream } from "../stream.ts";
import { Bitmap } from "./bitmap.ts";
import type { Failure } from "./links.ts";
import { PIECES_MAX } from "./manifest.ts";

/** What we hold of a content. */
export interface Holding {
  readonly id: string;
  readonly has: Bitmap;
}

/** Somebody who holds a content. */
export interface Candidate {
  readonly name: string;
  readonly pieces: number;
  readonly has: Bitmap | undefined;
}

export interface Found {
  readonly seeders: number;
  readonly partial: number;
  /** The best first. */
  readonly candidates: readonly Candidate[];
}

/** How it stands with the tracker: `none` where the proxy has none, or does not want us. */
export type TrackerState = "up" | "away" | "none";

export interface TrackerHooks {
  /** All that we hold, and under which name; nothing while we serve nobody. */
  holding(): { readonly name: string; readonly contents: readonly Holding[] } | undefined;
  state(state: TrackerState, error?: StreamError): void;
  /** Something that we said was refused. */
  refused(note: string, error: StreamError): void;
}

/** The most bytes of JSON in a note. */
const NOTE_BYTES_MAX = 65_535;
/** Of more pieces only the share is told. */
const BITMAP_PIECES_MAX = 8_192;
/** So many contents in one note, and the most bytes of their bitmaps in text. */
const CONTENTS_MAX = 256;
const BITMAPS_CHARS_MAX = 24 * 1024;
const RENEW_MS = 60_000;
/** A tracker that broke off is tried again after this time. Milliseconds. */
const AGAIN_MS = 5_000;

interface Ask {
  readonly id: string;
  readonly max: number;
  /** When it was said to the tracker, if it was. */
  saidAt: number | undefined;
  readonly found: (found: Found) => void;
  readonly failed: (error: StreamError) => void;
}

export class Tracker {
  readonly #inside: Inside;
  readonly #path: string;
  readonly #hooks: TrackerHooks;
  readonly #asks = new Map<number, Ask>();
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #stream: Stream | undefined;
  /** The last stream was accepted. */
  #wasUp = false;
  #isNone = false;
  #isClosed = false;
  #next = 0;
  #timer: Timer | undefined;
  #roundTripMs: number | undefined;
  #silentSince: number | undefined;

  /** Speaks over `inside`, to the route `path`. */
  constructor(inside: Inside, path: string, hooks: TrackerHooks) {
    this.#inside = inside;
    this.#path = path;
    this.#hooks = hooks;
    queueMicrotask(() => void this.#hold());
  }

  /** How long it took with its last answer, if it has given one. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** Since when it answers nothing that is asked; now, where it has nothing to answer. */
  get silentSince(): number {
    return this.#silentSince ?? performance.now();
  }

  /** There is no tracker. */
  get isNone(): boolean {
    return this.#isNone;
  }

  /** Tells what we hold of these. */
  announce(name: string, contents: readonly Holding[]): void {
    for (const part of inNotes(contents.map(told))) this.#note("announce", { name, contents: part });
  }

  /** Tells that we hold these no more, or none at all. */
  withdraw(ids?: readonly string[]): void {
    for (const contents of ids ? inNotes(ids) : [undefined]) this.#note("withdraw", { contents });
  }

  failed(name: string, why: Failure): void {
    this.#note("failed", { name, why });
  }

  /** Who holds that. Waits for the tracker, until `signal` aborts; rejects `not_found` where there is none, `forbidden`, `limit`. */
  find(id: string, max: number, signal: AbortSignal): Promise<Found> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(new StreamError("cancelled"));
      if (this.#isNone) return reject(new StreamError("not_found", "the proxy has no tracker"));
      const ask = this.#next++;
      const over = () => {
        signal.removeEventListener("abort", abort);
        this.#asks.delete(ask);
      };
      const abort = () => {
        over();
        reject(new StreamError("cancelled"));
      };
      const found = (what: Found) => {
        over();
        resolve(what);
      };
      const failed = (error: StreamError) => {
        over();
        reject(error);
      };
      signal.addEventListener("abort", abort);
      this.#silentSince ??= performance.now();
      this.#asks.set(ask, { id, max, saidAt: undefined, found, failed });
      this.#ask(ask);
    });
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#stream?.reset();
    this.#fail(new StreamError("cancelled"));
  }

  /** One stream after the other. */
  async #hold(): Promise<void> {
    let session: Session | undefined = this.#inside.session;
    while (session && !this.#isClosed) {
      const current: Session = session;
      const ended = await this.#run(current).catch((thrown) => thrown);
      if (this.#isClosed) return;
      const error = StreamError.from(ended ?? new StreamError("lost", "the tracker ended"));
      const leaves = ended === MOVED || current.leavesOver(error);
      if (ended !== MOVED) this.#hooks.state("away", error);
      // Refused, it would be again; one that broke off may be back.
      if (!leaves && !this.#wasUp) return this.#end(error);
      session = leaves ? await this.#inside.after(current).catch(() => undefined) : await this.#pause();
      if (!session) this.#end(error);
    }
  }

  async #pause(): Promise<Session> {
    await new Promise<void>((resolve) => {
      this.#timer = later(resolve, AGAIN_MS);
    });
    return this.#inside.session;
  }

  /** One stream, to its end, or until there is another session. */
  async #run(session: Session): Promise<void> {
    this.#wasUp = false;
    let renewMs = RENEW_MS;
    const replied = ({ swarm }: JsonObject) => {
      const { renew_ms: told } = Object(swarm) as JsonObject;
      if (typeof told === "number" && told >= 1000) renewMs = told;
    };
    const stream = session.open({ path: this.#path, patience: Number.POSITIVE_INFINITY, replied });
    this.#stream = stream;
    const moved = this.#successor(session);
    try {
      await Promise.race([stream.opened, moved]);
      this.#writer = stream.writable.getWriter();
      this.#wasUp = true;
      this.#hooks.state("up");
      this.again();
      for (const ask of this.#asks.keys()) this.#ask(ask);
      this.#renew(renewMs);
      await Promise.race([readFrames(stream.readable, (said) => this.#hear(said), NOTE_BYTES_MAX), moved]);
    } finally {
      clearTimeout(this.#timer);
      this.#writer = undefined;
      stream.reset();
    }
  }

  /** Everything that we hold is announced anew: the tracker, or our name, is. */
  again(): void {
    const holding = this.#hooks.holding();
    if (holding) this.announce(holding.name, holding.contents);
  }

  /** Rejects when another session is up: the tracker goes over there although this one lives, for that is where our name goes. */
  async #successor(session: Session): Promise<never> {
    const next = await this.#inside.after(session).catch(() => new Promise<never>(() => {}));
    await next.hello?.opened.catch(() => {});
    throw MOVED;
  }

  #renew(ms: number): void {
    this.#timer = later(() => {
      this.#note("renew");
      this.#renew(ms);
    }, ms);
  }

  #ask(number: number): void {
    const ask = this.#asks.get(number);
    if (!ask || !this.#writer) return;
    ask.saidAt = performance.now();
    this.#note("find", { ask: number, id: ask.id, max: ask.max });
  }

  #note(note: string, value?: unknown): void {
    this.#writer?.write(frame({ note, value }, NOTE_BYTES_MAX)).catch(() => {});
  }

  #hear({ note, value }: JsonObject): void {
    const said = Object(value) as JsonObject;
    const ask = this.#asks.get(said.ask as number);
    if (ask) this.#silentSince = undefined;
    if (ask?.saidAt !== undefined) this.#roundTripMs = performance.now() - ask.saidAt;
    if (note === "found") ask?.found(readFound(said));
    if (note !== "refused") return;
    const { code, message } = said;
    const error = new StreamError(`${code}`, typeof message === "string" ? message : undefined);
    if (ask) ask.failed(error);
    else this.#hooks.refused(`${said.note}`, error);
  }

  #end(error: StreamError): void {
    this.#isNone = true;
    this.#hooks.state("none", error);
    this.#fail(error);
  }

  #fail(error: StreamError): void {
    for (const { failed } of [...this.#asks.values()]) failed(error);
  }
}

/** Another session took over. */
const MOVED = new StreamError("draining");

function told({ id, has }: Holding): object {
  const pieces = has.length;
  if (has.isFull) return { id, pieces };
  return pieces <= BITMAP_PIECES_MAX
    ? { id, pieces, have: toBase64(has.bytes) }
    : { id, pieces, share: has.count / pieces };
}

/** Cuts what is said into parts that fit into a note. */
function* inNotes<T extends string | object>(all: readonly T[]): Generator<T[]> {
  let part: T[] = [];
  let chars = 0;
  for (const one of all) {
    const length = typeof one === "object" && "have" in one ? String(one.have).length : 0;
    if (part.length === CONTENTS_MAX || chars + length > BITMAPS_CHARS_MAX) {
      yield part;
      [part, chars] = [[], 0];
    }
    part.push(one);
    chars += length;
  }
  if (part.length > 0) yield part;
}

/** The proxy's word on who holds something; what cannot be read of it is left out. */
function readFound({ seeders, partial, candidates }: JsonObject): Found {
  const list = Array.isArray(candidates) ? (candidates as unknown[]) : [];
  return {
    seeders: Number(seeders) || 0,
    partial: Number(partial) || 0,
    candidates: list.map(readCandidate).filter((candidate) => candidate !== undefined),
  };
}

function readCandidate(value: unknown): Candidate | undefined {
  const { name, pieces, have, share } = Object(value) as JsonObject;
  if (typeof name !== "string" || !name.startsWith("swarm-")) return undefined;
  if (!Number.isInteger(pieces) || (pieces as number) < 0 || (pieces as number) > PIECES_MAX) return undefined;
  const count = pieces as number;
  if (have === undefined) return { name, pieces: count, has: share === undefined ? Bitmap.full(count) : undefined };
  const bytes = fromBase64(have, Math.ceil(count / 8));
  if (!bytes) return undefined;
  try {
    return { name, pieces: count, has: Bitmap.read(count, bytes) };
  } catch {
    return undefined;
  }
}
