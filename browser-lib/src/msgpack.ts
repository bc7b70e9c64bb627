// Values as MessagePack: an entry of its own, `browser-stream-server/msgpack`.

import {
  Decoder,
  decodeTimestampToTimeSpec,
  Encoder,
  ExtensionCodec,
  encodeTimestampExtension,
} from "@msgpack/msgpack";
import { type Codec, check, DEPTH_MAX, nameOf } from "./values/codec.ts";
import { Shape, TIMESTAMP } from "./values/shape.ts";

const extensionCodec = new ExtensionCodec();
extensionCodec.register({ type: TIMESTAMP, encode: encodeTimestampExtension, decode: toDate });

// The encoder counts what lies in the innermost array as a level, too.
const encoder = new Encoder({ extensionCodec, useBigInt64: true, ignoreUndefined: true, maxDepth: DEPTH_MAX + 1 });
const decoder = new Decoder({ extensionCodec, useBigInt64: true });

/**
 * MessagePack: what JSON takes, and any number, BigInts of 64 bits, Dates (to the millisecond) and binary, which arrives as a `Uint8Array`: a view, several
 * of one value over one buffer, which is nobody else's. A BigInt stays a BigInt and a number a number: a whole number of more than 32 bits travels as a
 * float. −0 arrives as 0.
 */
export const msgpack: Codec = {
  encode(value) {
    check(value, misfit);
    return encoder.encode(value);
  },
  decode(bytes) {
    // Small binary shall not hold the large chunk in which it came.
    const isLoose = new Shape(bytes).hasBinary && 2 * bytes.length < bytes.buffer.byteLength;
    return decoder.decode(isLoose ? bytes.slice() : bytes);
  },
};

/** A timestamp's Date; what is finer than a millisecond is cut off. */
function toDate(data: Uint8Array): Date {
  const { sec, nsec } = decodeTimestampToTimeSpec(data);
  const date = new Date(sec * 1000 + Math.floor(nsec / 1_000_000));
  if (nsec > 999_999_999 || Number.isNaN(+date)) throw new TypeError("a timestamp beyond what a Date can be");
  return date;
}

function misfit(value: number | bigint | object): string | undefined {
  if (typeof value === "number" || ArrayBuffer.isView(value)) return undefined;
  if (typeof value === "bigint") {
    const fits = value === (value < 0n ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value));
    return fits ? undefined : "a BigInt of more than 64 bits: send it as text";
  }
  if (value instanceof Date) return Number.isNaN(+value) ? "an invalid Date" : undefined;
  if (value instanceof ArrayBuffer) return "an ArrayBuffer: send new Uint8Array(buffer)";
  return `MessagePack has no ${nameOf(value)}: send its content as an array, an object or binary`;
}
