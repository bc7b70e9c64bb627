import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameReader, frame } from "../src/framing.ts";
import { parseObject } from "../src/json.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const nested = (levels: number): string => `{"meta":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;

describe("a peer's JSON", () => {
  it("sixteen levels pass and seventeen do not", () => {
    expect(parseObject(bytes(nested(16)))).toHaveProperty("meta");
    expect(() => parseObject(bytes(nested(17)))).toThrow("too deep");
  });

  it.each(['{"a":1,"a":2}', '{"meta":{"x":1,"x":1}}', '{"a":1,"\\u0061":2}', '{"":1, "" :2}'])(
    "threat_11_%s has a key twice",
    (text) => expect(() => parseObject(bytes(text))).toThrow("twice"),
  );

  it.each(['{"a":{"a":1},"b":[{"a":1},{"a":2}]}', '{"a":"\\"a\\":{[","b":["a","a","}"]}', '{"a":"a","b":"a"}'])(
    "%s has none twice",
    (text) => expect(parseObject(bytes(text))).toEqual(JSON.parse(text)),
  );

  it.each(["", "[]", "1", "null", "{", "{} {}", "\u{feff}{}"])("%j is no object", (text) => {
    expect(() => parseObject(bytes(text))).toThrow("bad_request");
  });

  it("is UTF-8", () => {
    expect(() => parseObject(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toThrow("bad_request");
  });

  it("any object that is not too deep passes as it is", () => {
    const objects = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 }));
    fc.assert(
      fc.property(objects, (value) => {
        const text = JSON.stringify(value);
        expect(JSON.stringify(parseObject(bytes(text)))).toBe(text);
      }),
    );
  });
});

describe("frames on a stream", () => {
  it("are put together from any parts, one after the other", () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(fc.dictionary(fc.string(), fc.string())), cuts, (values, sizes) => {
        const all = Uint8Array.from(values.flatMap((value) => [...frame(value)]));
        const reader = new FrameReader(8192);
        const seen: unknown[] = [];
        for (let at = 0, i = 0; at < all.length; i++) {
          const { used, value } = reader.push(all.subarray(at, at + (sizes[i % sizes.length] ?? 1)));
          at += used;
          if (value) seen.push(value);
        }
        expect(JSON.stringify(seen)).toBe(JSON.stringify(values));
      }),
    );
  });

  it("threat_11_a_length_over_the_maximum_is_refused_before_anything_is_kept", () => {
    expect(() => new FrameReader(8192).push(new Uint8Array([0x20, 0x01]))).toThrow("8193 bytes of JSON, 8192 at most");
    expect(() => frame({ meta: "x".repeat(8192) })).toThrow("bad_request");
  });
});
