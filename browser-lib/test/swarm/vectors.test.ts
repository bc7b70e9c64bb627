// Manifests, records and notes are those of the vectors, which Rust reads, too.

import { describe, expect, it } from "vitest";
import { fromBase64, toBase64 } from "../../src/seal/base64.ts";
import { Bitmap } from "../../src/swarm/bitmap.ts";
import { checkId, Manifest, manifestOf } from "../../src/swarm/manifest.ts";
import { Answers, have, record, want, wishDecoder } from "../../src/swarm/records.ts";
import { fromHex, toHex, vectors } from "../vectors.ts";

type Bytes = Uint8Array<ArrayBuffer>;

interface Made {
  readonly name: string;
  readonly hex?: string;
  readonly zeros?: number;
  readonly seed?: number;
  readonly length?: number;
}

interface Fields {
  readonly type: string;
  readonly ref: number;
  readonly id?: string;
  readonly index?: number;
  readonly pieces?: number;
  readonly have?: string;
  readonly have_zeros?: number;
  readonly bytes?: string;
  readonly bytes_zeros?: number;
  readonly code?: number;
}

interface Vectors {
  readonly contents: readonly (Made & { size: number; pieces: number; manifest: string; id: string })[];
  readonly no_manifests: readonly { name: string; hex: string }[];
  readonly no_ids: readonly string[];
  readonly bitmaps: readonly { pieces: number; have: number[]; hex: string; base64url: string }[];
  readonly wanted: readonly { name: string; hex: string; record: Fields }[];
  readonly held: readonly { name: string; hex: string; zeros?: number; record: Fields }[];
  readonly refused: readonly { name: string; direction: "wanted" | "held"; hex: string }[];
}

const facts = vectors<Vectors>("swarm");
const WISHES = ["", "want", "drop", "manifest", "ask", "cancel"];
const ANSWERS = ["", "have", "got", "none", "manifest", "piece", "refused"];

function bytesOf({ hex, zeros, seed = 0, length = 0 }: Made): Bytes {
  if (hex !== undefined) return fromHex(hex);
  if (zeros !== undefined) return new Uint8Array(zeros);
  return Uint8Array.from({ length }, (_, at) => seed + 7 * at + 31 * Math.floor(at / 1000));
}

const refused = (act: () => unknown) => expect(act).toThrowError(expect.objectContaining({ code: "bad_request" }));

describe("contents", () => {
  it.each(facts.contents)("$name has its manifest and its id", async (made) => {
    const stream = new Blob([bytesOf(made)]).stream() as ReadableStream<Bytes>;
    const manifest = await manifestOf(stream);
    expect([manifest.size, manifest.pieces]).toEqual([made.size, made.pieces]);
    expect(toHex(manifest.bytes)).toBe(made.manifest);
    expect(await manifest.id()).toBe(made.id);
    expect(Manifest.read(fromHex(made.manifest))).toEqual(manifest);
  });

  it.each(facts.no_manifests)("$name is no manifest", ({ hex }) => refused(() => Manifest.read(fromHex(hex))));

  it.each(facts.no_ids)("%o is no id", (id) => refused(() => checkId(id)));

  it.each(facts.bitmaps)("the bitmap of $have of $pieces", ({ pieces, have: list, hex, base64url }) => {
    const bitmap = new Bitmap(pieces);
    for (const piece of list) bitmap.add(piece);
    expect([toHex(bitmap.bytes), toBase64(bitmap.bytes), bitmap.count]).toEqual([hex, base64url, list.length]);
    expect(Bitmap.read(pieces, fromBase64(base64url) as Bytes)).toEqual(bitmap);
  });
});

describe("records", () => {
  it.each(facts.wanted)("$name is written and read", ({ hex, record: { type, ref, id, index } }) => {
    const number = WISHES.indexOf(type);
    const values = index === undefined ? [ref] : [ref, index];
    const written = id === undefined ? record(number, ...values) : want(ref, fromHex(id));
    expect(toHex(written)).toBe(hex);
    const decoder = wishDecoder();
    decoder.push(fromHex(hex));
    const rest = { ...(index !== undefined && { index }), ...(id !== undefined && { id: fromHex(id) }) };
    expect(decoder.next()).toEqual({ type: number, ref, ...rest });
  });

  it.each(facts.held)("$name is read, and written where it is ours to write", ({ hex, zeros = 0, record: said }) => {
    const bytes = new Uint8Array([...fromHex(hex), ...new Uint8Array(zeros)]);
    const answers = new Answers();
    answers.push(bytes.slice());
    const { type, ref, index, code, pieces = 0 } = said;
    const body = said.bytes_zeros === undefined ? said.bytes && fromHex(said.bytes) : new Uint8Array(said.bytes_zeros);
    const list = said.have_zeros === undefined ? said.have && fromHex(said.have) : new Uint8Array(said.have_zeros);
    const bitmap = list ? Bitmap.read(pieces, list) : Bitmap.full(pieces);
    expect(answers.next()).toEqual({
      type: ANSWERS.indexOf(type),
      ref,
      ...(type === "have" && { bitmap }),
      ...(index !== undefined && { index }),
      ...(code !== undefined && { code }),
      ...(body && { bytes: body }),
    });
    if (type === "have" && !bitmap.isFull) expect(toHex(have(ref, bitmap))).toBe(toHex(bytes));
  });

  it.each(facts.refused)("$name: $hex, $direction", ({ direction, hex }) => {
    const reader = direction === "wanted" ? wishDecoder() : new Answers();
    reader.push(fromHex(hex));
    refused(() => reader.next());
  });
});
