// Values as JSON.

import { type Codec, check, nameOf } from "./codec.ts";

const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * JSON text: null, booleans, finite numbers, text, arrays and objects; a Date (or whatever has `toJSON`) arrives as the text that it makes of itself. For
 * BigInts, binary and dates that stay dates there is `msgpack`.
 */
export const json: Codec = {
  encode(value) {
    check(value, misfit);
    return new TextEncoder().encode(JSON.stringify(value));
  },
  decode(bytes) {
    const value: unknown = JSON.parse(text.decode(bytes));
    check(value, misfit);
    return value;
  },
};

function misfit(value: number | bigint | object): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? undefined : `JSON has no ${value}: use msgpack`;
  if (typeof value === "bigint") return "JSON has no BigInt: use msgpack";
  if ("toJSON" in value) return value instanceof Date && Number.isNaN(+value) ? "an invalid Date" : undefined;
  const isBinary = ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
  return `JSON has no ${nameOf(value)}: ${isBinary ? "use msgpack" : "send its content as an array or object"}`;
}
