// Origins: what of HTTP is taken, and what each failure is called.

import { beforeEach, describe, expect, it, vi } from "vitest";
import type { StreamError } from "../../src/index.ts";
import type { Manifest } from "../../src/swarm/manifest.ts";
import { PIECE_BYTES } from "../../src/swarm/manifest.ts";
import { Origin, small } from "../../src/swarm/origin.ts";
import { holdClock } from "../clock.ts";
import { identify, install, pieces, Server } from "./world.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const URL_A = "https://origin.test/content";
const URL_B = "https://other.test/content";
const bytes = pieces(4);
let manifest: Manifest;

holdClock();
beforeEach(async () => {
  install();
  ({ manifest } = await identify(bytes));
});

/** Asks for pieces; which came, and what the origin said at its end. */
async function request(origin: Origin, first: number, count: number, signal = new AbortController().signal) {
  const came: number[] = [];
  const wait = await origin.request(manifest, first, count, signal, async (piece, part) => {
    expect(part.length).toBe(manifest.lengthOf(piece));
    came.push(piece);
  });
  return { came, wait, code: (origin.error as StreamError | undefined)?.code };
}

describe("ranges", () => {
  it("only the pieces that are wanted are asked for", async () => {
    const server = new Server(bytes);
    expect(await request(new Origin([URL_A]), 1, 2)).toEqual({ came: [1, 2], wait: 0, code: undefined });
    expect(server.requests).toEqual([{ first: PIECE_BYTES, last: 3 * PIECE_BYTES - 1 }]);
  });

  it("a server without ranges sends all of it, and all of it is taken", async () => {
    const server = new Server(bytes);
    server.hasRanges = false;
    expect(await request(new Origin([URL_A]), 1, 2)).toEqual({ came: [0, 1, 2, 3], wait: 0, code: undefined });
    expect(server.sent).toBe(bytes.length);
  });

  it("a part whose place cannot be read, as across origins, is taken: the hashes tell", async () => {
    const server = new Server(bytes);
    server.answer = () => new Response(bytes.slice(PIECE_BYTES, 2 * PIECE_BYTES), { status: 206 });
    expect((await request(new Origin([URL_A]), 1, 1)).came).toEqual([1]);
  });
});

const part = (range: string, from = 0) =>
  new Response(bytes.slice(from, from + PIECE_BYTES), { status: 206, headers: { "content-range": range } });

describe("failures for good", () => {
  it.each([
    ["a part of another place", "tampered", () => part(`bytes 0-${PIECE_BYTES - 1}/${bytes.length}`)],
    ["a part of another size", "tampered", () => part(`bytes ${PIECE_BYTES}-${2 * PIECE_BYTES - 1}/7`)],
    ["a part that says nothing of use", "tampered", () => part("pieces 1-2/3")],
    ["a content that is shorter", "tampered", () => new Response(null, { status: 416 })],
    ["a content that is longer", "tampered", () => new Response(new Uint8Array(bytes.length + 1))],
    ["nothing at that address", "not_found", () => new Response(null, { status: 404 })],
    ["nothing at that address any more", "not_found", () => new Response(null, { status: 410 })],
    ["nothing for us", "forbidden", () => new Response(null, { status: 403 })],
  ])("%s is %s, and that server is not asked again", async (_, code, answer) => {
    const server = new Server(bytes);
    server.answer = answer;
    const origin = new Origin([URL_A]);
    expect(await request(origin, 1, 1)).toMatchObject({ wait: undefined, code });
    expect(origin.isThere).toBe(false);
  });
});

describe("failures that pass", () => {
  it.each([
    ["a server that is busy", "busy", () => new Response(null, { status: 503 })],
    [
      "a server that cannot be reached, or does not let the page read",
      "unresponsive",
      () => Promise.reject(new TypeError("Failed to fetch")),
    ],
    ["an answer that ends early", "lost", () => new Response(bytes.slice(0, 100))],
  ])("%s is %s, and is asked again ever later, five times", async (_, code, answer) => {
    const server = new Server(bytes);
    server.answer = answer;
    const origin = new Origin([URL_A]);
    const waits: unknown[] = [];
    for (let attempt = 0; attempt < 5; attempt++) {
      const told = await request(origin, 0, 4);
      expect(told.code).toBe(code);
      waits.push(told.wait);
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, undefined]);
  });

  it("a server that sends nothing is given up after ten seconds, as timeout", async () => {
    const server = new Server(bytes);
    server.answer = () => new Response(new ReadableStream({ pull: () => new Promise(() => {}) }));
    const asked = request(new Origin([URL_A]), 0, 4);
    await vi.advanceTimersByTimeAsync(9_999);
    await vi.advanceTimersByTimeAsync(1);
    expect(await asked).toMatchObject({ wait: 500, code: "timeout" });
  });
});

it("of several servers the next one is asked where one fails", async () => {
  const [first, second] = [new Server(bytes), new Server(bytes, URL_B)];
  first.answer = () => new Response(null, { status: 404 });
  const origin = new Origin([URL_A, URL_B]);
  expect(await request(origin, 0, 2)).toMatchObject({ came: [], wait: 0 });
  expect(await request(origin, 0, 2)).toMatchObject({ came: [0, 1], wait: 0 });
  expect(second.requests).toHaveLength(1);
  expect(origin.add([URL_A])).toBe(false);
});

it("a request that is given up is no failure", async () => {
  const server = new Server(bytes);
  const abort = new AbortController();
  server.answer = () => {
    abort.abort();
    return Promise.reject(new DOMException("aborted", "AbortError"));
  };
  expect(await request(new Origin([URL_A]), 0, 1, abort.signal)).toEqual({ came: [], wait: 0, code: undefined });
});

it("a small thing that is too long is refused", async () => {
  new Server(bytes);
  const { signal } = new AbortController();
  await expect(small(URL_A, 100, signal)).rejects.toMatchObject({ code: "tampered" });
  const other = new Server(new Uint8Array(100) as Bytes);
  expect(await small(URL_A, 100, signal)).toEqual(other.bytes);
});
