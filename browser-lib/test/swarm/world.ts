// Swarms in memory: pages over a little proxy with a little tracker, and origins that count what is asked of them.

import { vi } from "vitest";
import { FrameReader, frame } from "../../src/framing.ts";
import type { JsonObject } from "../../src/json.ts";
import { Swarm, type SwarmOptions } from "../../src/swarm/index.ts";
import { type Manifest, manifestOf, PIECE_BYTES } from "../../src/swarm/manifest.ts";
import { type Leg, Switch } from "../splice.ts";

type Bytes = Uint8Array<ArrayBuffer>;

interface Track {
  readonly leg: Leg;
  readonly frames: FrameReader;
  readonly said: JsonObject[];
  name?: string;
  readonly held: Map<string, JsonObject>;
}

/** The proxy, and its tracker. */
export class World extends Switch {
  override prefix = "/swarm";
  readonly tracks: Track[] = [];
  readonly swarms: Swarm[] = [];
  /** Candidates that it names beside those who announced themselves, ahead of them. */
  readonly ghosts: string[] = [];
  /** Takes finds and says nothing. */
  isSilent = false;
  /** There is such a route. */
  hasTracker = true;
  /** Connects to these names are never answered. */
  hangsFor = new Set<string>();

  constructor() {
    super();
    this.heard = (leg) => this.#heard(leg);
  }

  /** A page in the swarm. */
  join(owner: string, options: SwarmOptions = {}): Swarm {
    const swarm = Swarm(this.page(owner), { store: "memory", ...options });
    this.swarms.push(swarm);
    return swarm;
  }

  /** What a peer said to the tracker, over all its streams. */
  said(owner: string, note?: string): JsonObject[] {
    const all = this.tracks.filter(({ leg }) => leg.line.owner === owner).flatMap(({ said }) => said);
    return note === undefined ? all : all.filter((one) => one.note === note);
  }

  /** Who holds it, as far as the tracker knows. */
  holders(id: string): string[] {
    return this.#live.filter(({ held }) => held.has(id)).map(({ name }) => `${name}`);
  }

  get #live(): Track[] {
    return this.tracks.filter(({ leg }) => !leg.line.isCut && leg.line.legs.has(leg));
  }

  override opened(leg: Leg, open: JsonObject): void {
    if (this.hangsFor.has(String(open.path).split("/").at(-1) ?? "")) return;
    if (open.path !== "/swarm/track") return super.opened(leg, open);
    if (!this.hasTracker) {
      leg.send(frame({ error: { code: "not_found", message: "no such route" } }));
      return leg.finish();
    }
    this.tracks.push({ leg, frames: new FrameReader(65_535), said: [], held: new Map() });
    leg.send(frame({ id: "track", swarm: { renew_ms: 60_000 } }));
  }

  #heard(leg: Leg): void {
    const track = this.tracks.find((track) => track.leg === leg);
    if (!track) return;
    for (const bytes of leg.waiting.splice(0)) {
      leg.line.core.consumed(leg.id, bytes.length);
      let rest = bytes;
      while (rest.length > 0) {
        const { used, value } = track.frames.push(rest);
        rest = rest.subarray(used);
        if (value) this.#note(track, value);
      }
    }
    leg.line.pump();
  }

  #note(track: Track, said: JsonObject): void {
    track.said.push(said);
    const { name, contents, ask, id } = Object(said.value) as JsonObject;
    if (said.note === "announce") {
      track.name = String(name);
      for (const content of contents as JsonObject[]) track.held.set(String(content.id), content);
    }
    if (said.note === "withdraw") {
      if (contents === undefined) track.held.clear();
      else for (const one of contents as string[]) track.held.delete(one);
    }
    if (said.note === "find" && !this.isSilent) {
      const ghosts = this.ghosts.map((name) => ({ name, pieces: 1, share: 0.5 }));
      const live = this.#live.filter((other) => other.leg.line.owner !== track.leg.line.owner);
      const candidates = live.flatMap(({ name, held }) => {
        const content = held.get(String(id));
        return content ? [{ ...content, name, id: undefined }] : [];
      });
      const value = { ask, id, seeders: candidates.length, partial: 0, candidates: [...ghosts, ...candidates] };
      track.leg.send(frame({ note: "found", value }, 65_535));
    }
  }
}

/** Bytes that tell where they belong. */
export function content(length: number, seed = 0): Bytes {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 4) {
    const word = Math.imul(at + seed * 977 + 1, 2_654_435_761);
    bytes[at] = word;
    bytes[at + 1] = word >> 8;
    bytes[at + 2] = word >> 16;
    bytes[at + 3] = word >> 24;
  }
  return bytes;
}

export function pieces(count: number, seed = 0): Bytes {
  return content(count * PIECE_BYTES - 1000, seed);
}

export async function identify(bytes: Bytes): Promise<{ id: string; manifest: Manifest }> {
  const manifest = await manifestOf(new Blob([bytes]).stream() as ReadableStream<Bytes>);
  return { id: await manifest.id(), manifest };
}

/** A server of one content, with ranges, and what it was asked for. */
export class Server {
  readonly requests: { first: number; last: number }[] = [];
  /** Bytes that it sent. */
  sent = 0;
  /** What it answers instead. */
  answer: ((range: string | null) => Response | Promise<Response> | undefined) | undefined;
  bytes: Bytes;
  hasRanges = true;

  constructor(bytes: Bytes, url = "https://origin.test/content") {
    this.bytes = bytes;
    servers.set(url, this);
  }

  serve(range: string | null): Response | Promise<Response> {
    const other = this.answer?.(range);
    if (other) return other;
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(range ?? "") ?? [];
    const isPart = this.hasRanges && from !== undefined;
    const [first, last] = isPart ? [Number(from), Number(to)] : [0, this.bytes.length - 1];
    this.requests.push({ first, last });
    const { length } = this.bytes;
    if (first >= length) return new Response(null, { status: 416 });
    const body = this.bytes.slice(first, last + 1);
    this.sent += body.length;
    const headers = isPart ? { "content-range": `bytes ${first}-${Math.min(last, length - 1)}/${length}` } : undefined;
    return new Response(body, { status: isPart ? 206 : 200, ...(headers && { headers }) });
  }
}

const servers = new Map<string, Server>();

/** The page's `fetch` reaches these servers, and nothing else. */
export function install(): void {
  servers.clear();
  vi.stubGlobal("fetch", async (url: string | URL, init: RequestInit = {}) => {
    const server = servers.get(String(url));
    if (!server) throw new TypeError("fetch failed");
    init.signal?.throwIfAborted();
    return server.serve(new Headers(init.headers).get("range"));
  });
}

/** What came of a fetch: `"ok"` where it is those bytes. */
export async function comes(fetching: { blob(): Promise<Blob> }, bytes: Bytes): Promise<string> {
  const came = Buffer.from(await (await fetching.blob()).arrayBuffer());
  return came.equals(bytes) ? "ok" : `${came.length} other bytes`;
}

/** What is computed or read elsewhere, which takes time that no clock of a test knows. */
const elsewhere = new Set<Promise<unknown>>();

/** Lets a held clock stand while such is under way; before each test that holds its clock. */
export function watchElsewhere(): void {
  elsewhere.clear();
  const count = (target: object, name: string) => {
    const real = Reflect.get(target, name) as (...args: unknown[]) => Promise<unknown>;
    vi.spyOn(target as Record<string, (...args: unknown[]) => unknown>, name).mockImplementation(function (
      this: unknown,
      ...args: unknown[]
    ) {
      const done = real.apply(this, args).finally(() => elsewhere.delete(done));
      elsewhere.add(done);
      return done;
    });
  };
  count(crypto.subtle, "digest");
  count(Blob.prototype, "arrayBuffer");
}

/** Waits for a condition while the held clock runs, a millisecond at a time, or `step`. */
export async function passes(what: string, condition: () => unknown, step = 1): Promise<void> {
  for (let at = 0; at < 60_000; at += step) {
    if (condition()) return;
    for (let turn = 0; turn < 4 || elsewhere.size > 0; turn++) {
      // Not by looking again and again: on a busy machine that would take the time that it takes from what is waited for.
      if (turn >= 4) await Promise.race(elsewhere).catch(() => {});
      await new Promise((resolve) => setImmediate(resolve));
    }
    // The call that waits after each step does so by the real clock: milliseconds, thousands of times.
    if (step === 1) vi.advanceTimersByTime(1);
    else await vi.advanceTimersByTimeAsync(step);
  }
  throw new Error(`never: ${what}`);
}

/** Waits for a condition: what is hashed takes time that is nobody's turn. */
export async function happens(what: string, condition: () => unknown): Promise<void> {
  const end = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const ended = new WeakMap<Promise<unknown>, boolean>();

/** Whether it is settled by now. */
export function settled(promise: Promise<unknown>): boolean {
  if (!ended.has(promise)) {
    ended.set(promise, false);
    const end = () => void ended.set(promise, true);
    promise.then(end, end);
  }
  return ended.get(promise) === true;
}
