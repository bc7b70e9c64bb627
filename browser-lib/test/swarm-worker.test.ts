// The service worker's answers: what of an address is believed, ranges, pages that hand over, and the worker alone.

import { afterEach, describe, expect, it, vi } from "vitest";
import { Hashing, type Manifest, PIECE_BYTES } from "../src/swarm/manifest.ts";
import { answer } from "../src/swarm-worker/answer.ts";
import { type Asked, askedOf } from "../src/swarm-worker/asked.ts";
import type { FromPage, Question, ToPage } from "../src/swarm-worker/messages.ts";
import { partOf } from "../src/swarm-worker/range.ts";

const SCOPE = "https://site.example/shop/";
const ID = "ab".repeat(32);

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("an address", () => {
  it("is a content's below the scope, and nobody else's", () => {
    expect(askedOf(`${SCOPE}swarm/${ID}`, SCOPE)).toMatchObject({
      id: ID,
      origins: [],
      type: "application/octet-stream",
    });
    const others = [
      `${SCOPE}swarm/${ID}/x`,
      `${SCOPE}swarm/AB`,
      `https://site.example/swarm/${ID}`,
      `https://other.example/shop/swarm/${ID}`,
    ];
    for (const url of [...others, SCOPE]) expect(askedOf(url, SCOPE), url).toBeUndefined();
  });

  it("names origins and a manifest, relative ones as of the scope, and no other kinds of address", () => {
    const query = "origin=a.png&origin=https://cdn.example/a.png&origin=javascript:1&origin=data:,x&manifest=a.swm";
    expect(askedOf(`${SCOPE}swarm/${ID}?${query}`, SCOPE)).toMatchObject({
      origins: [`${SCOPE}a.png`, "https://cdn.example/a.png"],
      manifest: `${SCOPE}a.swm`,
    });
  });

  it("threat_25_no_address_makes_a_content_code_of_the_page", () => {
    const typeOf = (type: string) => askedOf(`${SCOPE}swarm/${ID}?type=${encodeURIComponent(type)}`, SCOPE)?.type;
    for (const type of [
      "image/png",
      "image/svg+xml",
      'video/webm; codecs="vp8, opus"',
      "audio/wav",
      "font/woff2",
      "text/plain; charset=utf-8",
    ])
      expect(typeOf(type)).toBe(type);
    const harmful = [
      "text/html",
      "application/xhtml+xml",
      "text/xml",
      "text/javascript",
      "application/wasm",
      "text/css",
      "application/json",
    ];
    for (const type of [...harmful, "image/png\r\nx-evil: 1", "image/png, text/html", "x", ""])
      expect(typeOf(type), type).toBe("application/octet-stream");
  });
});

describe("a range", () => {
  const part = (range: string, more: Record<string, string> = {}) =>
    partOf(new Headers({ range, ...more }), 1000, '"id"');

  it("is what was asked for, held to what there is", () => {
    expect(part("bytes=0-")).toEqual({ first: 0, last: 999 });
    expect(part("bytes=10-19")).toEqual({ first: 10, last: 19 });
    expect(part("bytes=990-5000")).toEqual({ first: 990, last: 999 });
    expect(part("bytes=-10")).toEqual({ first: 990, last: 999 });
    expect(part("bytes=-5000")).toEqual({ first: 0, last: 999 });
  });

  it("that nothing is in cannot be had", () => {
    for (const range of ["bytes=1000-", "bytes=5000-6000", "bytes=-0"]) expect(part(range), range).toBeUndefined();
    expect(partOf(new Headers({ range: "bytes=0-" }), 0, '"id"')).toBeUndefined();
  });

  it("that is nonsense, several, or of another content is none", () => {
    for (const range of ["bytes=-", "bytes=5-4", "bytes=0-1,3-4", "lines=1-2"])
      expect(part(range), range).toBe("whole");
    expect(part("bytes=1-2", { "if-range": '"other"' })).toBe("whole");
    expect(part("bytes=1-2", { "if-range": '"id"' })).toEqual({ first: 1, last: 2 });
  });
});

/** What a page does with a question: each `more` is answered by the next; behind the last it says nothing more. */
type Says = (question: Question) => Iterable<FromPage>;

/** Pages as the worker sees them. One that is frozen has `undefined`. */
function pages(...all: (Says | undefined)[]) {
  const clients = all.map((says, at) => ({
    id: `page ${at}`,
    postMessage(question: Question, [port]: [MessagePort]) {
      if (!says) return;
      asked.push({ page: at, question });
      const words = says(question)[Symbol.iterator]();
      port.onmessage = ({ data }: MessageEvent<ToPage>) => {
        if (data === "leave") return port.close();
        const { value } = words.next();
        if (value) port.postMessage(value);
      };
      port.postMessage({ is: "here" });
    },
  }));
  const asked: { page: number; question: Question }[] = [];
  const there = new Set(clients);
  vi.stubGlobal("clients", {
    matchAll: async () => [...there],
    get: async (id: string) => [...there].find((client) => client.id === id),
  });
  return { asked, close: (at: number) => there.delete(clients[at] as (typeof clients)[number]) };
}

const SIZE = 2 * PIECE_BYTES + 100;
const BYTES = Uint8Array.from({ length: SIZE }, (_, at) => (at * 7 + (at >> 8)) & 0xff);

async function content(): Promise<{ manifest: Manifest; asked: Asked; opened: FromPage }> {
  const hashing = new Hashing();
  for (let at = 0; at < SIZE; at += PIECE_BYTES) await hashing.push(BYTES.slice(at, at + PIECE_BYTES));
  const manifest = hashing.manifest();
  const id = await manifest.id();
  const asked = { id, origins: ["https://site.example/a.bin"], manifest: undefined, type: "video/webm" };
  return { manifest, asked, opened: { is: "opened", manifest: manifest.bytes } };
}

/** A request, with no more than the worker looks at: Node's has no `destination`. */
function request(headers: Record<string, string> = {}, method = "GET", destination = ""): Request {
  const abort = new AbortController();
  return { method, headers: new Headers(headers), destination, signal: abort.signal } as Request;
}

/** An origin that is asked through `fetch`. */
function origin(serve: (range: [number, number] | undefined) => Response) {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (_url: string, { headers }: { headers?: Record<string, string> }) => {
    asked.push(headers?.range ?? "all");
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers?.range ?? "") ?? [];
    return serve(from === undefined ? undefined : [Number(from), Number(to)]);
  });
  return asked;
}
const ranged = (range: [number, number] | undefined) =>
  range ? new Response(BYTES.slice(range[0], range[1] + 1), { status: 206 }) : new Response(BYTES);

const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());
/** Half a million numbers are not compared one by one. */
const isSame = async (response: Response, bytes: Uint8Array) => Buffer.compare(await bytesOf(response), bytes) === 0;

describe("an answer", () => {
  it("says what it is, and what keeps it from being more", async () => {
    const { asked, opened } = await content();
    pages(({ swarm }) => (swarm === "open" ? [opened] : [{ is: "bytes", bytes: BYTES }, { is: "end" }]));
    const over = vi.fn();
    const response = await answer(asked, request(), over);
    expect(response.status).toBe(200);
    const says = Object.fromEntries(response.headers);
    expect(says).toMatchObject({
      "content-type": "video/webm",
      "content-length": `${SIZE}`,
      etag: `"${asked.id}"`,
      "accept-ranges": "bytes",
    });
    expect(says).toMatchObject({ "x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin" });
    expect(says["content-security-policy"]).toContain("sandbox; default-src 'none'");
    expect(over).not.toHaveBeenCalled();
    expect(await isSame(response, BYTES)).toBe(true);
    expect(over, "nobody needs the worker any more").toHaveBeenCalled();
  });

  it("is 206 with the range, 416 beyond it, 304 for who has it, and HEAD without bytes", async () => {
    const { asked, opened } = await content();
    pages((question) =>
      question.swarm === "open"
        ? [opened]
        : [{ is: "bytes", bytes: BYTES.slice(question.first, question.last + 1) }, { is: "end" }],
    );
    const part = await answer(asked, request({ range: "bytes=262140-262150" }), () => {});
    expect([part.status, part.headers.get("content-range"), part.headers.get("content-length")]).toEqual([
      206,
      `bytes 262140-262150/${SIZE}`,
      "11",
    ]);
    expect(await bytesOf(part)).toEqual(BYTES.slice(262_140, 262_151));
    const beyond = await answer(asked, request({ range: `bytes=${SIZE}-` }), () => {});
    expect([beyond.status, beyond.headers.get("content-range")]).toEqual([416, `bytes */${SIZE}`]);
    expect((await answer(asked, request({ "if-none-match": `"x", W/"${asked.id}"` }), () => {})).status).toBe(304);
    const head = await answer(asked, request({}, "HEAD"), () => {});
    expect([head.status, head.headers.get("content-length"), head.body]).toEqual([200, `${SIZE}`, null]);
    expect((await answer(asked, request({}, "POST"), () => {})).status).toBe(405);
  });

  it("threat_25_a_script_is_never_taken_from_a_swarm", async () => {
    const { asked } = await content();
    const { asked: told } = pages(() => []);
    for (const destination of ["script", "style", "worker", "serviceworker", "sharedworker", "xslt"]) {
      expect((await answer(asked, request({}, "GET", destination), () => {})).status, destination).toBe(403);
    }
    expect(told).toEqual([]);
  });

  it("threat_25_a_page_that_goes_in_the_middle_hands_over_to_another_where_it_was", async () => {
    const { asked, opened } = await content();
    const goes: Says = ({ swarm }) =>
      swarm === "open"
        ? [opened]
        : [
            { is: "bytes", bytes: BYTES.slice(0, PIECE_BYTES) },
            { is: "failed", code: "gone", message: "" },
          ];
    const stays: Says = (question) =>
      question.swarm === "open" ? [] : [{ is: "bytes", bytes: BYTES.slice(question.first) }, { is: "end" }];
    const { asked: told } = pages(goes, stays);
    const fetched = origin(ranged);
    const response = await answer(asked, request(), () => {});
    expect(await isSame(response, BYTES)).toBe(true);
    expect(
      told
        .filter(({ question }) => question.swarm === "read")
        .map(({ page, question }) => [page, "first" in question && question.first]),
    ).toContainEqual([1, PIECE_BYTES]);
    expect(fetched, "nobody asked the origin").toEqual([]);
  });

  it("threat_25_where_no_page_is_left_the_worker_goes_on_from_the_origin_and_checks_each_piece", async () => {
    const { asked, opened } = await content();
    pages(({ swarm }) =>
      swarm === "open"
        ? [opened]
        : [
            { is: "bytes", bytes: BYTES.slice(0, 10) },
            { is: "failed", code: "gone", message: "" },
          ],
    );
    const fetched = origin(ranged);
    expect(await isSame(await answer(asked, request(), () => {}), BYTES)).toBe(true);
    expect(fetched, "from the piece in which it was").toEqual([`bytes=0-${SIZE - 1}`]);
    origin((range) =>
      range
        ? new Response(BYTES.map((byte) => byte ^ 1).slice(range[0], range[1] + 1), { status: 206 })
        : new Response(BYTES),
    );
    const wrong = await answer(asked, request(), () => {});
    await expect(bytesOf(wrong), "wrong bytes are none").rejects.toThrow("something else");
  });

  it("of a worker without pages is checked as a whole before anything of it is shown", async () => {
    const { asked } = await content();
    pages();
    vi.stubGlobal("fetch", undefined);
    const other = { ...asked, id: ID };
    origin(ranged);
    const refused = await answer(other, request(), () => {});
    expect([refused.status, await refused.text()]).toEqual([502, expect.stringContaining("something else")]);
    const none = await answer({ ...other, origins: [] }, request(), () => {});
    expect(none.status).toBe(404);
  });

  it("takes a manifest from where the address says, if it is that content's, and an origin without ranges", async () => {
    const { asked, manifest } = await content();
    pages();
    const place = "https://site.example/a.swm";
    vi.stubGlobal("fetch", async (url: string) => new Response(url === place ? manifest.bytes : BYTES));
    const response = await answer({ ...asked, manifest: place }, request({ range: "bytes=-50" }), () => {});
    expect(response.status).toBe(206);
    expect(await bytesOf(response)).toEqual(BYTES.slice(-50));
  });

  it("ends with who reads it: the page is told", async () => {
    const { asked, opened } = await content();
    let left = 0;
    const clients = [
      {
        id: "page",
        postMessage: (question: Question, [port]: [MessagePort]) => {
          port.onmessage = ({ data }: MessageEvent<ToPage>) => {
            if (data === "more")
              port.postMessage(question.swarm === "open" ? opened : { is: "bytes", bytes: BYTES.slice(0, 10) });
            else if (question.swarm === "read") left++;
          };
          port.postMessage({ is: "here" });
        },
      },
    ];
    vi.stubGlobal("clients", { matchAll: async () => clients, get: async () => clients[0] });
    const over = vi.fn();
    const response = await answer(asked, request(), over);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    expect(over).toHaveBeenCalled();
    await vi.waitFor(() => expect(left).toBe(1));
  });
});
