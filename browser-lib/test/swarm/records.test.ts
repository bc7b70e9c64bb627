// The records of fetchers and holders: what is written is read, in whatever parts it comes, and what is none is refused.

import { expect, it } from "vitest";
import { Bitmap } from "../../src/swarm/bitmap.ts";
import { MANIFEST_BYTES_MAX, PIECE_BYTES } from "../../src/swarm/manifest.ts";
import {
  Answers,
  ASK,
  CANCEL,
  DROP,
  GOT,
  HAVE,
  have,
  MANIFEST,
  MANIFEST_IS,
  NONE,
  PIECE,
  REFUSED,
  record,
  WANT,
  want,
  wishDecoder,
} from "../../src/swarm/records.ts";

type Bytes = Uint8Array<ArrayBuffer>;

function join(...parts: Uint8Array[]): Bytes {
  return new Uint8Array(Buffer.concat(parts));
}

/** All that a holder said, of bytes that come in parts of this length. */
function answers(bytes: Bytes, step = bytes.length): unknown[] {
  const reader = new Answers();
  const all: unknown[] = [];
  for (let at = 0; at < bytes.length; at += step) {
    reader.push(bytes.slice(at, at + step));
    for (let next = reader.next(); next; next = reader.next()) all.push(next);
  }
  return all;
}

function wishes(bytes: Bytes): unknown[] {
  const reader = wishDecoder();
  reader.push(bytes);
  const all: unknown[] = [];
  for (let next = reader.next(); next; next = reader.next()) all.push(next);
  return all;
}

const refused = (act: () => unknown) => expect(act).toThrowError(expect.objectContaining({ code: "bad_request" }));

it("a holder reads what a fetcher wrote", () => {
  const id = new Uint8Array(32).fill(7);
  const said = join(
    want(300, id),
    record(MANIFEST, 300),
    record(ASK, 300, 65_535),
    record(CANCEL, 300, 1),
    record(DROP, 300),
  );
  expect(wishes(said)).toEqual([
    { type: WANT, ref: 300, id },
    { type: MANIFEST, ref: 300 },
    { type: ASK, ref: 300, index: 65_535 },
    { type: CANCEL, ref: 300, index: 1 },
    { type: DROP, ref: 300 },
  ]);
});

it("a fetcher reads what a holder wrote, in parts of any length", () => {
  const some = new Bitmap(11);
  for (const piece of [0, 7, 10]) some.add(piece);
  const bytes = Uint8Array.of(1, 2, 3);
  const said = join(
    have(1, some),
    have(2, Bitmap.full(9)),
    record(GOT, 1, 4),
    join(record(MANIFEST_IS, 1, 3), bytes),
    join(record(PIECE, 1, 4, 3), bytes),
    record(REFUSED, 1, 5, 8),
    record(NONE, 2),
  );
  const expected = [
    { type: HAVE, ref: 1, bitmap: some },
    { type: HAVE, ref: 2, bitmap: Bitmap.full(9) },
    { type: GOT, ref: 1, index: 4 },
    { type: MANIFEST_IS, ref: 1, bytes },
    { type: PIECE, ref: 1, index: 4, bytes },
    { type: REFUSED, ref: 1, index: 5, code: 8 },
    { type: NONE, ref: 2 },
  ];
  for (const step of [said.length, 7, 1]) expect(answers(said, step)).toEqual(expected);
});

it("a bitmap that is full has no bytes, and one has its first piece in the highest bit", () => {
  expect(have(1, Bitmap.full(3))).toEqual(Uint8Array.of(HAVE, 1, 3, 0));
  const first = new Bitmap(3);
  first.add(0);
  expect(have(1, first)).toEqual(Uint8Array.of(HAVE, 1, 3, 1, 0x80));
});

it("what is no record is refused: an unknown type, a piece beyond the last, padding that is set, lengths that are too long", () => {
  refused(() => wishes(Uint8Array.of(6, 0)));
  refused(() => wishes(Uint8Array.of(0)));
  refused(() => wishes(record(ASK, 1, 65_536)));
  refused(() => answers(Uint8Array.of(7, 0)));
  refused(() => answers(record(GOT, 1, 65_536)));
  refused(() => answers(join(record(HAVE, 1, 3, 1), Uint8Array.of(0x10))));
  refused(() => answers(join(record(HAVE, 1, 3, 2), Uint8Array.of(0x80, 0))));
  refused(() => answers(record(HAVE, 1, 65_537, 0)));
  refused(() => answers(record(PIECE, 1, 0, PIECE_BYTES + 1)));
  refused(() => answers(record(PIECE, 1, 0, 0)));
  refused(() => answers(record(MANIFEST_IS, 1, MANIFEST_BYTES_MAX + 1)));
});
