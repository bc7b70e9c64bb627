// The server's end of a WebSocket: frames, and what becomes of them.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  closeFrame,
  Frames,
  frame,
  PING,
  type Said,
  TEXT,
  Violation,
} from "../src/http/frames.ts";
import { sha1Base64 } from "../src/http/sha1.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A frame as a client sends it. */
function masked(opcode: number, data: Uint8Array, isLast = true, mask = [1, 2, 3, 4]): Bytes {
  const plain = frame(opcode, data);
  const head = plain.length - data.length;
  const bytes = new Uint8Array(plain.length + 4);
  bytes.set(plain.subarray(0, head));
  bytes[0] = (isLast ? 0x80 : 0) | opcode;
  bytes[1] = (bytes[1] as number) | 0x80;
  bytes.set(mask, head);
  data.forEach((byte, at) => {
    bytes[head + 4 + at] = byte ^ (mask[at & 3] as number);
  });
  return bytes;
}

function heard(bytes: readonly Bytes[], most = 1 << 20): Said[] | number {
  const frames = new Frames(most);
  try {
    return bytes.flatMap((part) => [...frames.take(part)]);
  } catch (error) {
    if (error instanceof Violation) return error.code;
    throw error;
  }
}

const text = (words: string) => new TextEncoder().encode(words);

describe("frames", () => {
  it("are messages, whole or in parts, with what is said between them", () => {
    const parts = [
      masked(TEXT, text("h"), false),
      masked(PING, text("p")),
      masked(CONTINUATION, text("é"), true),
      masked(BINARY, new Uint8Array(70_000)),
    ];
    expect(heard(parts)).toEqual([
      { kind: "ping", data: text("p") },
      { kind: "message", data: "hé" },
      { kind: "message", data: new Uint8Array(70_000) },
    ]);
    expect(heard([masked(CLOSE, closeFrame(4001, "enough").subarray(2)), masked(TEXT, text("late"))])).toEqual([
      { kind: "close", code: 4001, reason: "enough" },
    ]);
    expect(heard([masked(CLOSE, new Uint8Array())])).toEqual([{ kind: "close", code: 1005, reason: "" }]);
  });

  it.each<[string, number, Bytes[]]>([
    ["a frame without a mask", 1002, [frame(TEXT, text("x"))]],
    ["a reserved bit", 1002, [new Uint8Array([0xc1, 0x80, 0, 0, 0, 0])]],
    ["an unknown frame", 1002, [masked(3, text("x"))]],
    ["an unknown control frame", 1002, [masked(11, text("x"))]],
    ["a ping in parts", 1002, [masked(PING, text("x"), false)]],
    ["a long ping", 1002, [masked(PING, new Uint8Array(126))]],
    ["a part without a beginning", 1002, [masked(CONTINUATION, text("x"))]],
    ["a message within another", 1002, [masked(TEXT, text("x"), false), masked(TEXT, text("y"))]],
    ["text that is none", 1007, [masked(TEXT, new Uint8Array([0xff]))]],
    ["a close of one byte", 1002, [masked(CLOSE, new Uint8Array([3]))]],
    ["a close with a code that is none", 1002, [masked(CLOSE, closeFrame(1006).subarray(2))]],
    ["a close for a reason that is no text", 1007, [masked(CLOSE, new Uint8Array([3, 232, 0xff]))]],
    [
      "a message that is too long",
      1009,
      [masked(TEXT, new Uint8Array(60), false), masked(CONTINUATION, new Uint8Array(60))],
    ],
  ])("threat_16_a_websocket_into_a_tab_that_is_violated_ends: %s", (_, code, bytes) => {
    expect(heard(bytes, 100)).toBe(code);
  });

  it("read the same however they come cut, and end in a message or a violation whatever comes", () => {
    const frames = fc.array(
      fc.tuple(fc.constantFrom(0, 1, 2, 8, 9, 10, 3), fc.uint8Array({ maxLength: 200 }), fc.boolean()),
      { maxLength: 6 },
    );
    const made = frames.map((all) => all.flatMap(([opcode, data, isLast]) => [...masked(opcode, data, isLast)]));
    const soup = fc.oneof(made, fc.array(fc.nat(255), { maxLength: 200 })).map((bytes) => new Uint8Array(bytes));
    const property = fc.property(soup, fc.integer({ min: 1, max: 40 }), (bytes, step) => {
      const parts: Bytes[] = [];
      for (let at = 0; at < bytes.length; at += step) parts.push(bytes.slice(at, at + step));
      expect(heard(parts)).toEqual(heard([bytes]));
    });
    fc.assert(property, { numRuns: 300 });
  });
});

describe("the handshake", () => {
  it("is answered as RFC 6455 has it", () => {
    expect(sha1Base64("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11")).toBe(
      "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    );
    expect(sha1Base64("")).toBe("2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
    expect(sha1Base64("a".repeat(56))).toBe("wtszD2CDhUyZ1LW/tujynyAb5pk=");
  });
});
