import * as fc from "fast-check";
import { expect, it } from "vitest";
import { Decoder, type Payload } from "../../src/resume/decoder.ts";
import { ACK, DONE, type Fact, RESET, reset } from "../../src/resume/record.ts";
import { ack, data, done, fin, gone, join, MACS, ping, pong, proof, prove, read, resetting } from "./end.ts";

const ALL = Uint8Array.from(
  [
    data(300, 5),
    fin(2 ** 53 - 1),
    ack(2 ** 40, 5),
    resetting(),
    done,
    data(305, 70),
    gone,
    ping(2 ** 31),
    pong(0),
    join,
    prove(MACS.server),
    proof(MACS.client),
  ].flat(),
);

/** The records, and the payload at the offset at which each byte stands. */
function taken(all: (Fact | Payload)[]): { facts: Fact[]; payload: [number, number][] } {
  const facts = all.filter((one): one is Fact => one.type !== 0);
  const payload = all.flatMap((one): [number, number][] =>
    one.type === 0 ? Array.from(one.bytes, (byte, i) => [one.offset + i, byte]) : [],
  );
  return { facts, payload };
}

const WHOLE = taken(read(new Decoder(), ALL));

it("a cut anywhere changes nothing", () => {
  expect(WHOLE.facts).toHaveLength(12);
  expect(WHOLE.payload.map(([offset]) => offset)).toEqual(Array.from({ length: 75 }, (_, i) => 300 + i));
  for (let cut = 0; cut <= ALL.length; cut++) {
    const decoder = new Decoder();
    expect(taken([...read(decoder, ALL.subarray(0, cut)), ...read(decoder, ALL.subarray(cut))]), `${cut}`).toEqual(
      WHOLE,
    );
  }
});

it("any number of cuts changes nothing", () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: ALL.length, maxLength: ALL.length });
  fc.assert(
    fc.property(pieces, (lengths) => {
      const decoder = new Decoder();
      let at = 0;
      const all = lengths.flatMap((length) => {
        at += length;
        return read(decoder, ALL.subarray(at - length, at));
      });
      expect(taken(all)).toEqual(WHOLE);
    }),
    { seed: 1 },
  );
});

it("payload is handed on as it arrives, without a copy", () => {
  const decoder = new Decoder();
  const input = Uint8Array.from(data(300, 5).slice(0, 7));
  const [, payload] = read(decoder, input);
  expect(payload).toEqual({ type: 0, offset: 300, bytes: Uint8Array.of(7, 7, 7) });
  expect(payload?.type === 0 && payload.bytes.buffer).toBe(input.buffer);
  expect(read(decoder, Uint8Array.of(8, 8, 5))).toEqual([
    { type: 0, offset: 303, bytes: Uint8Array.of(8, 8) },
    { type: DONE },
  ]);
});

it("early bytes come before the first record", () => {
  expect(read(new Decoder(3), Uint8Array.of(1, 2, 3, 3, 4, 5))).toEqual([
    { type: 0, offset: 0, bytes: Uint8Array.of(1, 2, 3) },
    { type: ACK, received: 4, room: 5 },
  ]);
});

it("the longest record may come byte by byte", () => {
  const out: number[] = [];
  reset(out, { code: "c".repeat(99), message: "m".repeat(2000) });
  expect(out).toHaveLength(1092);
  const decoder = new Decoder();
  const reason = { code: "c".repeat(64), message: "m".repeat(1024) };
  expect(out.flatMap((byte) => read(decoder, Uint8Array.of(byte)))).toEqual([{ type: RESET, reason }]);
});

it("a text is cut between two characters, by its sender and by its receiver", () => {
  const out: number[] = [];
  reset(out, { code: `${"c".repeat(63)}é`, message: "𝒳".repeat(300) });
  const [fact] = read(new Decoder(), Uint8Array.from(out));
  expect(fact).toEqual({ type: RESET, reason: { code: "c".repeat(63), message: "𝒳".repeat(256) } });
  const wild = Uint8Array.of(RESET, 64, ...new Uint8Array(64).fill(0xff), 0);
  expect(read(new Decoder(), wild)).toEqual([{ type: RESET, reason: { code: "\ufffd".repeat(21), message: "" } }]);
});

it("a mark of the byte order is a character like any other", () => {
  const [fact] = read(new Decoder(), Uint8Array.of(RESET, 4, 0xef, 0xbb, 0xbf, 0x61, 0));
  expect(fact).toEqual({ type: RESET, reason: { code: "\ufeffa", message: "" } });
});
