import { describe, expect, it } from "vitest";
import { CODES, codeNumber, codeText } from "../src/mux/codes.ts";
import { Connection } from "../src/mux/connection.ts";
import { Outbound, u32, Violation } from "../src/mux/frame.ts";
import { Growth, Window } from "../src/mux/window.ts";
import { nameSegment } from "../src/name.ts";
import { fromHex, toHex, vectors } from "./vectors.ts";

describe("codes.json", () => {
  const codes = vectors<{ code: string; number: number }[]>("codes");

  it.each(codes)("$code is $number", ({ code, number }) => {
    expect([codeNumber(code), codeText(number)]).toEqual([number, code]);
  });

  it("lists every code", () => expect(CODES).toEqual(codes.map(({ code }) => code)));
});

describe("frames.json", () => {
  const { frames, refused } = vectors<{
    frames: { name: string; type: number; flags: number; stream: number; length: number; hex: string }[];
    refused: { name: string; hex: string; violation: string }[];
  }>("frames");

  it.each(frames)("$name is written and read", ({ type, flags, stream, length, hex }) => {
    const out = new Outbound(12);
    out.header(type, flags, stream, length);
    expect(toHex(out.bytes)).toBe(hex);
    expect([u32(out.bytes, 4), u32(out.bytes, 8)]).toEqual([stream, length]);
  });

  it.each(refused)("threat_07_$name is refused", ({ hex, violation }) => {
    const nobody = () => expect.fail("nothing may come of it");
    const events = {
      opened: nobody,
      data: nobody,
      finished: nobody,
      reset: nobody,
      credit: nobody,
      ended: nobody,
      sent: nobody,
      pong: nobody,
      goAway: nobody,
    };
    const core = new Connection("opener", events, 0);
    expect(() => core.receive(fromHex(hex), 0)).toThrow(new Violation(violation as Violation["kind"]));
  });
});

describe("window.json", () => {
  interface Step {
    stream: number;
    received?: number;
    consumed?: number;
    grant?: number;
    window?: number;
    ended?: boolean;
  }
  const scripts = vectors<{ name: string; steps: Step[] }[]>("window");

  it.each(scripts)("$name", ({ steps }) => {
    const growth = new Growth();
    const windows = new Map<number, Window>();
    for (const { stream, received, consumed, grant, window: size, ended } of steps) {
      const window = windows.get(stream) ?? new Window(growth);
      windows.set(stream, window);
      if (received !== undefined) window.receive(received);
      if (consumed !== undefined) {
        window.consume(consumed);
        expect([window.tell(), window.size]).toEqual([grant, size]);
      }
      if (ended) window.release();
    }
  });
});

describe("names.json", () => {
  const { valid, invalid } = vectors<{ valid: [string, string][]; invalid: string[] }>("names");

  it.each(valid)("%j stands in a path as %s", (name, segment) => expect(nameSegment(name)).toBe(segment));

  it("threat_05_what_could_be_mistaken_for_another_name_is_normalised_or_refused", () => {
    for (const name of invalid) {
      const normal = name.normalize("NFC");
      // The proxy refuses what is not NFC; a library makes it so.
      if (normal !== name) expect(nameSegment(name)).toBe(nameSegment(normal));
      else expect(() => nameSegment(name), JSON.stringify(name)).toThrow("bad_request");
    }
  });

  it("threat_05_half_a_character_is_no_name", () => expect(() => nameSegment("\ud800")).toThrow("bad_request"));

  it("has 128 bytes of UTF-8 at most", () => {
    expect(nameSegment("é".repeat(64))).toHaveLength(64 * 6);
    expect(() => nameSegment("é".repeat(65))).toThrow("bad_request");
  });
});
