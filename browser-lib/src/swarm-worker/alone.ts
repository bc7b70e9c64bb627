// What the worker does where no page helps: it fetches from the origin by itself, and checks each piece as a page does.

import { each } from "../each.ts";
import { StreamError } from "../error.ts";
import { Hashing, inPieces, MANIFEST_BYTES_MAX, Manifest, PIECE_BYTES } from "../swarm/manifest.ts";
import type { Asked } from "./asked.ts";
import type { Part } from "./range.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Without a manifest a content counts as checked when all of it is: so much of one is held until then. */
const HELD_MAX = 64 * 1024 * 1024;

/** The manifest, from where the address says that it is. */
export async function fetchManifest({ id, manifest }: Asked, signal: AbortSignal): Promise<Manifest | undefined> {
  if (manifest === undefined) return undefined;
  const response = await fetch(manifest, { signal });
  const bytes = response.ok && response.body ? await atMost(response, MANIFEST_BYTES_MAX) : undefined;
  const read = bytes && Manifest.read(bytes);
  return read && (await read.id()) === id ? read : undefined;
}

export interface Whole {
  readonly manifest: Manifest;
  readonly blob: Blob;
}

/** All of it from the first origin that has it: how its manifest is found out where nobody knows it. Throws why there is none. */
export async function fetchWhole({ id, origins }: Asked, signal: AbortSignal): Promise<Whole> {
  let why = new StreamError("not_found", "nobody has it, and no origin is known");
  for (const origin of origins) {
    try {
      const whole = await wholeFrom(origin, signal);
      if ((await whole.manifest.id()) === id) return whole;
      why = new StreamError("tampered", `what ${origin} has is something else`);
    } catch (error) {
      signal.throwIfAborted();
      why = StreamError.from(error);
    }
  }
  throw why;
}

/** A part of it, from one origin after the other, and nothing that was not checked. */
export async function* fetchPart(
  asked: Asked,
  manifest: Manifest,
  { first, last }: Part,
  signal: AbortSignal,
): AsyncGenerator<Bytes> {
  let at = first;
  let why = new StreamError("not_found", "nobody has it, and no origin is known");
  for (const origin of asked.origins) {
    try {
      for await (const bytes of checked(origin, manifest, { first: at, last }, signal)) {
        at += bytes.length;
        yield bytes;
      }
      return;
    } catch (error) {
      signal.throwIfAborted();
      why = StreamError.from(error);
    }
  }
  throw why;
}

async function* checked(
  origin: string,
  manifest: Manifest,
  { first, last }: Part,
  signal: AbortSignal,
): AsyncGenerator<Bytes> {
  let piece = Math.floor(first / PIECE_BYTES);
  const end = Math.min(manifest.size, (Math.floor(last / PIECE_BYTES) + 1) * PIECE_BYTES) - 1;
  const from = piece * PIECE_BYTES;
  const response = await fetch(origin, { signal, headers: { range: `bytes=${from}-${end}` } });
  if (!response.ok || !response.body) throw new StreamError("not_found", `${origin} answers ${response.status}`);
  // An origin without ranges sends all of it.
  if (response.status !== 206) piece = 0;
  for await (const bytes of inPieces(response.body as ReadableStream<Bytes>)) {
    const begin = piece * PIECE_BYTES;
    if (begin > last) return;
    if (!(await manifest.isPiece(piece++, bytes)))
      throw new StreamError("tampered", `what ${origin} has is something else`);
    const part = bytes.subarray(Math.max(0, first - begin), last + 1 - begin);
    if (part.length > 0) yield part;
  }
  if (piece * PIECE_BYTES <= last) throw new StreamError("lost", `${origin} broke off`);
}

async function wholeFrom(origin: string, signal: AbortSignal): Promise<Whole> {
  const response = await fetch(origin, { signal });
  if (!response.ok || !response.body) throw new StreamError("not_found", `${origin} answers ${response.status}`);
  const hashing = new Hashing();
  const pieces: Bytes[] = [];
  for await (const piece of inPieces(response.body as ReadableStream<Bytes>)) {
    if (hashing.size + piece.length > HELD_MAX)
      throw new StreamError("limit", "too large to be checked without a manifest");
    await hashing.push(piece);
    pieces.push(piece);
  }
  return { manifest: hashing.manifest(), blob: new Blob(pieces) };
}

/** Nothing where it is more. */
async function atMost(response: Response, max: number): Promise<Bytes | undefined> {
  const parts: Bytes[] = [];
  let left = max;
  for await (const chunk of each(response.body as ReadableStream<Bytes>)) {
    left -= chunk.length;
    if (left < 0) return undefined;
    parts.push(chunk);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
