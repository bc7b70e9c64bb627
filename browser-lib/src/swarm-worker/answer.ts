// The answer to a request: what HTTP says of ranges, and what keeps bytes of strangers from being more than bytes.

import { StreamError } from "../error.ts";
import { type Asked, isCode } from "./asked.ts";
import { Content } from "./content.ts";
import { type Part, partOf } from "./range.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Where it is a page of its own, it is one of no origin in which nothing runs. */
const POLICY =
  "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'";

/** `over` is called when nothing more of it is needed. */
export async function answer(asked: Asked, request: Request, over: () => void): Promise<Response> {
  const { method, headers, destination } = request;
  const abort = new AbortController();
  const end = () => [abort.abort(), over()];
  request.signal.addEventListener("abort", end);
  const etag = `"${asked.id}"`;
  try {
    if (method !== "GET" && method !== "HEAD") return done(text(405, "It is read with GET.", { allow: "GET, HEAD" }));
    if (isCode(destination)) return done(text(403, "Content of a swarm is no code of this page."));
    const says = saying(asked, etag);
    if (knows(headers, etag)) return done(new Response(null, { status: 304, headers: says }));
    const content = await Content.open(asked, abort.signal);
    const { size } = content.manifest;
    const part = partOf(headers, size, etag);
    if (!part) return done(text(416, "It has no such bytes.", { "content-range": `bytes */${size}` }));
    const { first, last } = part === "whole" ? { first: 0, last: size - 1 } : part;
    says.set("content-length", `${last + 1 - first}`);
    if (part !== "whole") says.set("content-range", `bytes ${first}-${last}/${size}`);
    const status = part === "whole" ? 200 : 206;
    if (method === "HEAD") return done(new Response(null, { status, headers: says }));
    return new Response(streamed(content, { first, last }, abort.signal, end), { status, headers: says });
  } catch (thrown) {
    const { code, message } = StreamError.from(thrown);
    return done(text(code === "not_found" ? 404 : 502, message));
  }

  function done(response: Response): Response {
    over();
    return response;
  }
}

function saying({ type }: Asked, etag: string): Headers {
  return new Headers({
    "accept-ranges": "bytes",
    // An id has one content for ever.
    "cache-control": "max-age=31536000, immutable",
    "content-security-policy": POLICY,
    "content-type": type,
    "cross-origin-resource-policy": "same-origin",
    etag,
    "x-content-type-options": "nosniff",
  });
}

/** A stream that is read no faster than the browser takes it, and ends with the request. */
function streamed(content: Content, part: Part, signal: AbortSignal, end: () => void): ReadableStream<Bytes> {
  const bytes = content.bytes(part, signal);
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await bytes.next();
          if (!done) return controller.enqueue(value);
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        end();
      },
      async cancel() {
        end();
        await bytes.return();
      },
    },
    { highWaterMark: 0 },
  );
}

function knows(headers: Headers, etag: string): boolean {
  const known = (headers.get("if-none-match") ?? "").split(",").map((one) => one.trim().replace(/^W\//, ""));
  return known.includes(etag) || known.includes("*");
}

function text(status: number, words: string, more: Record<string, string> = {}): Response {
  const headers = {
    "cache-control": "no-store",
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
  };
  return new Response(`${words}\n`, { status, headers: { ...headers, ...more } });
}
