import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Batches } from "../src/carriers/batches.ts";
import { Records } from "../src/carriers/records.ts";
import { record } from "./records.ts";

/** All that a response says, in parts of these lengths. */
function read(bytes: Uint8Array, lengths: readonly number[]) {
  const said: unknown[] = [];
  const records = new Records({ hello: (hello) => said.push(hello), close: (close) => said.push(close) });
  const payload: number[] = [];
  for (let [at, turn] = [0, 0]; at < bytes.length; turn++) {
    const end = at + Math.max(1, lengths[turn % lengths.length] ?? bytes.length);
    payload.push(...records.push(bytes.slice(at, end)));
    at = end;
  }
  return { said, payload };
}

describe("the records of a response", () => {
  it("are the same however the response is cut, and what is unknown is skipped", () => {
    const payload = fc.uint8Array({ maxLength: 300 });
    const parts = fc.array(fc.tuple(fc.constantFrom(0, 3, 9, 255), payload), { maxLength: 12 });
    fc.assert(
      fc.property(parts, fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 8 }), (parts, lengths) => {
        const records = parts.map(([kind, body]) => record(kind, body));
        const bytes = Buffer.concat([record(1, '{"connection":"c"}'), ...records, record(2, '{"code":1012}')]);
        const expected = parts.filter(([kind]) => kind === 0).flatMap(([, body]) => [...body]);
        expect(read(bytes, lengths)).toEqual({ said: [{ connection: "c" }, { code: 1012 }], payload: expected });
      }),
    );
  });

  it("threat_11_that_never_end_or_are_no_json_are_not_kept", () => {
    const heard = { hello: () => {}, close: () => {} };
    const endless = new Records(heard);
    endless.push(new Uint8Array([1, 255, 255, 255]));
    expect(() => endless.push(new Uint8Array(64 * 1024 + 1))).toThrow("too long");
    expect(() => new Records(heard).push(record(1, "{"))).toThrow();
  });

  it("of one kind in one chunk are not copied", () => {
    const chunk = record(0, new Uint8Array(1000).fill(7));
    const payload = new Records({ hello: () => {}, close: () => {} }).push(chunk);
    expect([payload.buffer === chunk.buffer, payload.byteOffset, payload.length]).toEqual([true, 4, 1000]);
  });
});

describe("what goes into one body", () => {
  it("is what was added, in order and once, whatever the lengths", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 })), fc.integer({ min: 1, max: 500 }), (parts, most) => {
        const batches = new Batches();
        for (const part of parts) batches.add(part);
        const bodies: number[] = [];
        for (let body = batches.next(most); body; body = batches.next(most)) {
          expect(body.length).toBeLessThanOrEqual(most);
          bodies.push(...body);
        }
        expect([bodies, batches.isEmpty]).toEqual([parts.flatMap((part) => [...part]), true]);
      }),
    );
  });

  it("grows while the way is fast, up to what the proxy takes, and shrinks where it is slow", () => {
    const batches = new Batches();
    batches.most(300_000);
    const lengths: number[] = [];
    for (const ms of [10, 10, 10, 10, 2000, 2000, 2000, 2000, 2000, 2000]) {
      batches.add(new Uint8Array(400_000));
      const { length } = batches.next(Infinity) as Uint8Array;
      lengths.push(length);
      batches.took(length, ms);
    }
    expect(lengths).toEqual([65_536, 131_072, 262_144, 300_000, 300_000, 150_000, 75_000, 37_500, 18_750, 16_384]);
  });
});
