// A file as an answer: whole, or the range that is asked for.

export interface FileOptions {
  /** Its media type; the file's own unless stated. */
  type?: string | undefined;
  /** Further headers; by an `etag` among them a visitor's copy is known, where a `Blob` has no time to know it by. */
  headers?: HeadersInit | undefined;
}

const DATE = /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/;

/**
 * Answers a GET or HEAD with a file: 206 with the range that is asked for, so that films can be sought in; 304 where the visitor has it already; 416 for a range
 * beyond its end; 405 for another method. What changed is known by its size and time, that of a `Blob` by an `etag` among the headers.
 */
export function fileResponse(
  request: Request,
  file: Blob,
  { type = file.type, headers: more }: FileOptions = {},
): Response {
  if (!/^(GET|HEAD)$/.test(request.method))
    return new Response("a file can be read\n", { status: 405, headers: { allow: "GET, HEAD" } });
  const modified = file instanceof File ? Math.floor(file.lastModified / 1000) * 1000 : undefined;
  const headers = new Headers(more);
  const etag =
    headers.get("etag") ??
    (modified === undefined ? undefined : `"${file.size.toString(16)}-${modified.toString(16)}"`);
  headers.set("accept-ranges", "bytes");
  headers.set("content-type", type || "application/octet-stream");
  if (etag !== undefined) headers.set("etag", etag);
  if (modified !== undefined) headers.set("last-modified", new Date(modified).toUTCString());
  if (isKnown(request.headers, etag, modified)) return new Response(null, { status: 304, headers });
  const range = isSame(request.headers.get("if-range"), etag, modified)
    ? rangeOf(request.headers.get("range"), file.size)
    : undefined;
  if (range === "none") {
    headers.set("content-range", `bytes */${file.size}`);
    return new Response(null, { status: 416, headers });
  }
  const [from, to] = range ?? [0, file.size];
  if (range) headers.set("content-range", `bytes ${from}-${to - 1}/${file.size}`);
  headers.set("content-length", String(to - from));
  const body = request.method === "HEAD" ? null : file.slice(from, to).stream();
  return new Response(body, { status: range ? 206 : 200, headers });
}

/** From where to where is asked for: `undefined` is all of it, as for what is no single range; `"none"` cannot be had (RFC 9110 section 14). */
function rangeOf(asked: string | null, size: number): [from: number, to: number] | "none" | undefined {
  const [, first = "", last = ""] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(asked ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  if (first === "") return Number(last) > 0 && size > 0 ? [Math.max(0, size - Number(last)), size] : "none";
  if (last !== "" && Number(last) < Number(first)) return undefined;
  if (Number(first) >= size) return "none";
  return [Number(first), last === "" ? size : Math.min(size, Number(last) + 1)];
}

/** Whether the visitor has just this. */
function isKnown(headers: Headers, etag: string | undefined, modified: number | undefined): boolean {
  const known = headers.get("if-none-match");
  const opaque = (tag = "") => tag.trim().replace(/^W\//, "");
  if (known !== null)
    return etag !== undefined && known.split(",").some((one) => opaque(one) === opaque(etag) || one.trim() === "*");
  const since = headers.get("if-modified-since");
  return modified !== undefined && since !== null && DATE.test(since) && modified <= Date.parse(since);
}

/** Whether what the visitor has a part of is this still, byte for byte. */
function isSame(held: string | null, etag: string | undefined, modified: number | undefined): boolean {
  const isTagged = held === etag && !held?.startsWith("W/");
  return held === null || isTagged || (DATE.test(held) && Date.parse(held) === modified);
}
