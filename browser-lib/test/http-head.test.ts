// What is read of a request: what everybody would read the same, and nothing else.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BadRequest } from "../src/http/bad.ts";
import { Incoming } from "../src/http/incoming.ts";

const encoder = new TextEncoder();

/** A stream of these bytes, cut where `cuts` says. */
function cut(bytes: Uint8Array<ArrayBuffer>, cuts: readonly number[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  const at = [0, ...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const parts = at.map((from, index) => bytes.slice(from, at[index + 1])).filter(({ length }) => length > 0);
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
}

/** What a server hears of it: the head, and the body's text; or the status of its refusal. */
async function heard(bytes: Uint8Array<ArrayBuffer>, cuts: readonly number[] = []) {
  try {
    const incoming = new Incoming(cut(bytes, cuts));
    const head = await incoming.head();
    if (!head) return "nothing";
    return { head, body: await new Response(incoming.body(head)).text() };
  } catch (error) {
    if (error instanceof BadRequest) return error.status;
    throw error;
  }
}

const request = (...lines: string[]) => encoder.encode(`${lines.join("\r\n")}\r\n\r\n`);

describe("a request", () => {
  it("is its line, its headers and as many bytes as it says", async () => {
    const bytes = encoder.encode(
      "POST /a?b HTTP/1.1\r\nHost: x\r\nX-Y:  z z\t\r\ncontent-length: 3\r\n\r\nabcGET / HTTP/1.1\r\n",
    );
    expect(await heard(bytes)).toEqual({
      head: {
        method: "POST",
        target: "/a?b",
        fields: [
          ["host", "x"],
          ["x-y", "z z"],
          ["content-length", "3"],
        ],
        length: 3,
      },
      body: "abc",
    });
  });

  it("has chunks, whose extensions and trailers are nobody's", async () => {
    const head = "PUT / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: Chunked\r\n\r\n";
    for (const [chunks, body] of [
      ["0\r\n\r\n", ""],
      ['3\r\nabc\r\n2;x="y"\r\nde\r\n0\r\n\r\n', "abcde"],
      ["00A \r\n0123456789\r\n0\r\ntrailer: x\r\nother: y\r\n\r\n", "0123456789"],
    ] as const)
      expect(await heard(encoder.encode(head + chunks)), chunks).toMatchObject({ body });
  });

  it.each([
    ["two lengths", 400, ["POST / HTTP/1.1", "host: x", "content-length: 1", "content-length: 2"]],
    ["the same length twice", 400, ["POST / HTTP/1.1", "host: x", "content-length: 1", "content-length: 1"]],
    ["a list of lengths", 400, ["POST / HTTP/1.1", "host: x", "content-length: 1, 1"]],
    ["a signed length", 400, ["POST / HTTP/1.1", "host: x", "content-length: +1"]],
    ["an empty length", 400, ["POST / HTTP/1.1", "host: x", "content-length:"]],
    ["a length beside chunks", 400, ["POST / HTTP/1.1", "host: x", "content-length: 1", "transfer-encoding: chunked"]],
    ["two codings", 400, ["POST / HTTP/1.1", "host: x", "transfer-encoding: chunked", "transfer-encoding: chunked"]],
    ["another coding", 501, ["POST / HTTP/1.1", "host: x", "transfer-encoding: gzip, chunked"]],
    ["a coding with a tail", 501, ["POST / HTTP/1.1", "host: x", "transfer-encoding: chunked x"]],
    ["a space in front of the colon", 400, ["POST / HTTP/1.1", "host: x", "transfer-encoding : chunked"]],
    ["a folded line", 400, ["GET / HTTP/1.1", "host: x", "a: b", " c"]],
    ["a folded first line", 400, ["GET / HTTP/1.1", " host: x"]],
    ["a line end of LF", 400, ["GET / HTTP/1.1", "host: x", "a: b\nc: d"]],
    ["a CR", 400, ["GET / HTTP/1.1", "host: x", "a: b\rc"]],
    ["a zero byte", 400, ["GET / HTTP/1.1", "host: x", "a: b\0c"]],
    ["no name", 400, ["GET / HTTP/1.1", "host: x", ": b"]],
    ["no colon", 400, ["GET / HTTP/1.1", "host: x", "b"]],
    ["no host", 400, ["GET / HTTP/1.1", "a: b"]],
    ["two hosts", 400, ["GET / HTTP/1.1", "host: x", "host: x"]],
    ["a whole URL", 400, ["GET http://x/ HTTP/1.1", "host: x"]],
    ["no path", 400, ["GET x HTTP/1.1", "host: x"]],
    ["two spaces", 400, ["GET  / HTTP/1.1", "host: x"]],
    ["a path with a space", 400, ["GET /a b HTTP/1.1", "host: x"]],
    ["no version", 400, ["GET /", "host: x"]],
    ["HTTP/1.0", 505, ["GET / HTTP/1.0", "host: x"]],
    ["HTTP/2.0", 505, ["PRI * HTTP/2.0", "host: x"]],
    ["a method that is none", 400, ["G(T / HTTP/1.1", "host: x"]],
    ["too many headers", 431, ["GET / HTTP/1.1", "host: x", ...Array<string>(300).fill("a: b")]],
    ["a head too long", 431, ["GET / HTTP/1.1", "host: x", `a: ${"b".repeat(70_000)}`]],
  ])("threat_34_a_request_that_two_could_read_differently_is_none: %s", async (_, status, lines) => {
    expect(await heard(request(...lines))).toBe(status);
  });

  it.each([
    "",
    "g\r\n",
    "-1\r\n",
    "0x1\r\na\r\n0\r\n\r\n",
    "1\na\r\n0\r\n\r\n",
    "1\r\nab\r\n0\r\n\r\n",
    "1\r\na\n0\r\n\r\n",
    "1\r\na",
    "1\r\na\r\n",
    "0\r\n",
    "1;\0\r\na\r\n0\r\n\r\n",
    `1${" ".repeat(300)}\r\n`,
    "ffffffffffffff\r\n",
  ])("threat_34_chunks_that_two_could_read_differently_are_none: %j", async (chunks) => {
    const head = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    expect(await heard(encoder.encode(head + chunks))).toBe(400);
  });

  it("that is cut short is none, at whichever byte", async () => {
    const bytes = encoder.encode(
      "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    expect(await heard(bytes.slice(0, 0))).toBe("nothing");
    for (let length = 1; length < bytes.length; length++)
      expect(await heard(bytes.slice(0, length)), `${length}`).toBe(400);
  });

  it("reads the same however it comes cut", async () => {
    const methods = fc.constantFrom("GET", "POST", "M-SEARCH");
    const token = fc.stringMatching(/^[a-z-]{1,12}$/).map((name) => `x-${name}`);
    const value = fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/);
    const body = fc.array(fc.stringMatching(/^[ -~]{1,40}$/), { maxLength: 5 });
    const property = fc.asyncProperty(
      methods,
      fc.array(fc.tuple(token, value)),
      body,
      fc.boolean(),
      fc.array(fc.nat()),
      async (method, fields, parts, isChunked, cuts) => {
        const whole = parts.join("");
        const length: [string, string] = isChunked
          ? ["transfer-encoding", "chunked"]
          : ["content-length", `${whole.length}`];
        const all = [["host", "x"], ...fields, length];
        const chunks = [...parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`), "0\r\n\r\n"].join("");
        const lines = [`${method} / HTTP/1.1`, ...all.map(([name, value]) => `${name}: ${value}`)];
        const text = `${lines.join("\r\n")}\r\n\r\n${isChunked ? chunks : whole}`;
        expect(await heard(encoder.encode(text), cuts)).toEqual({
          head: { method, target: "/", fields: all, length: isChunked ? "chunked" : whole.length },
          body: whole,
        });
      },
    );
    await fc.assert(property, { numRuns: 200 });
  });

  it("threat_34_whatever_comes_is_a_request_or_refused", async () => {
    const pieces = fc.constantFrom(
      "GET / HTTP/1.1",
      "POST /a HTTP/1.1",
      "\r\n",
      "\n",
      "\r",
      "host: x",
      "content-length: 3",
      "transfer-encoding: chunked",
      "\r\n\r\n",
      "3\r\nabc\r\n",
      "0\r\n\r\n",
      " ",
      ":",
      "\0",
      "ÿ",
    );
    const soup = fc
      .array(fc.oneof(pieces, fc.string({ maxLength: 8 })), { maxLength: 16 })
      .map((parts) => encoder.encode(parts.join("")));
    const property = fc.asyncProperty(
      fc.oneof(soup, fc.uint8Array({ maxLength: 300 })),
      fc.array(fc.nat()),
      async (bytes, cuts) => {
        const whole = await heard(new Uint8Array(bytes));
        expect(await heard(new Uint8Array(bytes), cuts)).toEqual(whole);
      },
    );
    await fc.assert(property, { numRuns: 500 });
  });
});
