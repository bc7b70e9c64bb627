// Both codecs and the framing, by the facts that Rust reads, too.

import { describe, expect, test } from "vitest";
import { msgpack } from "../src/msgpack.ts";
import { json } from "../src/values/json.ts";
import { Unframer } from "../src/values/unframe.ts";
import { fromTagged } from "./tagged.ts";
import { fromHex, toHex, vectors } from "./vectors.ts";

interface ValueVectors {
  values: { name: string; value: unknown; json?: string; msgpack: string }[];
  decoded: { name: string; value: unknown; msgpack: string }[];
  deepest: { name: string; codec: "json" | "msgpack"; hex: string }[];
  refused: { name: string; codec: "json" | "msgpack"; hex: string }[];
  framed: { name: string; max?: number; hex: string; values: unknown[]; error?: string }[];
}

const facts = vectors<ValueVectors>("values");
const codecs = { json, msgpack };

describe("MessagePack", () => {
  test.each(facts.values)("writes and reads $name", (vector) => {
    const value = fromTagged(vector.value);
    expect(toHex(msgpack.encode(value))).toBe(vector.msgpack);
    expect(msgpack.decode(fromHex(vector.msgpack))).toStrictEqual(value);
  });

  test.each(facts.decoded)("reads $name", (vector) => {
    expect(msgpack.decode(fromHex(vector.msgpack))).toStrictEqual(fromTagged(vector.value));
  });
});

describe("JSON", () => {
  test.each(facts.values.filter((vector) => vector.json !== undefined))("writes and reads $name", (vector) => {
    expect(new TextDecoder().decode(json.encode(vector.value))).toBe(vector.json);
    expect(json.decode(new TextEncoder().encode(vector.json))).toStrictEqual(vector.value);
  });
});

test.each(facts.deepest)("$codec reads $name", ({ codec, hex }) => {
  const value = codecs[codec].decode(fromHex(hex));
  expect(toHex(codecs[codec].encode(value))).toBe(hex);
});

test.each(facts.refused)("$codec refuses $name", ({ codec, hex }) => {
  expect(() => codecs[codec].decode(fromHex(hex))).toThrow();
});

test.each(facts.framed)("$name, fed in chunks of any length", ({ max = 1000, hex, values, error }) => {
  const bytes = fromHex(hex);
  for (let size = 1; size <= bytes.length + 1; size++) {
    expect(unframed(bytes, size, max)).toEqual({ values, error });
  }
});

/** The values and the code at which they ended. */
function unframed(bytes: Uint8Array<ArrayBuffer>, size: number, max: number) {
  const values: unknown[] = [];
  const unframer = new Unframer(max);
  try {
    for (let at = 0; at < bytes.length; at += size) {
      unframer.push(bytes.slice(at, at + size));
      for (let body = unframer.next(); body; body = unframer.next()) values.push(json.decode(body));
    }
    return { values, error: unframer.missing && "bad_value" };
  } catch (thrown) {
    return { values, error: (thrown as { code?: string }).code ?? "bad_value" };
  }
}
