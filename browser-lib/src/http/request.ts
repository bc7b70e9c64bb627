// A request as handlers know it: the platform's own class, with the headers that it would leave out of a page's.

import { BadRequest } from "./bad.ts";
import { type Head, values } from "./head.ts";

/** The proxy's own word about who comes; whoever comes as a client of the mux has none. */
const FORWARDED = /^(forwarded|x-forwarded-.*|x-real-ip)$/;

/** The request that this head begins. `isTrusted`: the proxy itself made the head. Throws `BadRequest` where no such request can be. */
export function requestOf(
  head: Head,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
  isTrusted: boolean,
): Request {
  const fields = isTrusted ? head.fields : head.fields.filter(([name]) => !FORWARDED.test(name));
  const [scheme = "http"] = values(fields, "x-forwarded-proto");
  const [host = ""] = values(fields, "host");
  const hasBody = head.length !== 0 && !/^(GET|HEAD)$/.test(head.method);
  let request: Request;
  try {
    const target = head.target === "*" ? "/" : head.target;
    const init: RequestInit & { duplex: "half" } = { method: head.method, signal, duplex: "half" };
    request = new Request(
      new URL(`${scheme === "https" ? scheme : "http"}://${host}${target}`),
      hasBody && takesStreams() ? { ...init, body } : init,
    );
  } catch (error) {
    throw new BadRequest(String(error));
  }
  const headers = new Headers(fields as [string, string][]);
  // A page's own requests may not say `Cookie`, `Origin` or `Host`; this one is a visitor's.
  Object.defineProperty(request, "headers", { value: headers });
  if (hasBody && !takesStreams()) bodyOf(request, body, headers);
  return request;
}

let streams: boolean | undefined;

/** Whether this platform's requests take streams; where they do not, they take one for text. */
function takesStreams(): boolean {
  if (streams !== undefined) return streams;
  let isAsked = false;
  const init = {
    method: "POST",
    body: new ReadableStream(),
    get duplex() {
      isAsked = true;
      return "half";
    },
  };
  streams = !new Request("http://localhost/", init as RequestInit).headers.has("content-type") && isAsked;
  return streams;
}

/** Gives a request the body that its class could not take: that of an answer, which can be a stream everywhere. */
function bodyOf(request: Request, stream: ReadableStream<Uint8Array<ArrayBuffer>>, headers: Headers): void {
  const type = headers.get("content-type");
  const holder = new Response(stream, type === null ? {} : { headers: { "content-type": type } });
  Object.defineProperty(request, "body", { get: () => holder.body });
  Object.defineProperty(request, "bodyUsed", { get: () => holder.bodyUsed });
  for (const read of ["arrayBuffer", "blob", "bytes", "formData", "json", "text"] as const)
    Object.defineProperty(request, read, { value: () => holder[read]() });
}
