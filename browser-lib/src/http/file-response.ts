// A file as an answer: whole, or the range that is asked for.

export interface FileOptions {
  /** Its media type; the file's own unless stated. */
  type?: string | undefined;
  /** Further headers. */
  headers?: HeadersInit | undefined;
}

const DATE = /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/;

/**
 * Answers a GET or HEAD with a file: 206 with the range that is asked for, so that films can be sought in; 304 where the visitor has it already; 416 for a range
 * beyond its end; 405 for another method. What changed is known by its size and time.
 */
export function fileResponse(
  request: Request,
  file: Blob,
  { type = file.type, headers: more }: FileOptions = {},
): Response {
  if (!/^(GET|HEAD)$/.test(request.method))
    return new Response("a file can be read\n", { status: 405, headers: { allow: "GET, HEAD" } });
  const modified = file instanceof File ? Math.floor(file.lastModified / 1000) * 1000 : undefined;
  const etag = `"${file.size.toString(16)}-${(modified ?? 0).toString(16)}"`;
  const headers = new Headers(more);
  headers.set("accept-ranges", "bytes");
  headers.set("content-type", type || "application/octet-stream");
  if (modified !== undefined) {
    headers.set("etag", etag);
    headers.set("last-modified", new Date(modified).toUTCString());
    if (isKnown(request.headers, etag, modified)) return new Response(null, { status: 304, headers });
  }
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
function isKnown(headers: Headers, etag: string, modified: number): boolean {
  const known = headers.get("if-none-match");
  if (known !== null)
    return known.split(",").some((one) => one.trim().replace(/^W\//, "") === etag || one.trim() === "*");
  const since = headers.get("if-modified-since");
  return since !== null && DATE.test(since) && modified <= Date.parse(since);
}

/** Whether what the visitor has a part of is this still. */
function isSame(held: string | null, etag: string, modified: number | undefined): boolean {
  return held === null || held === etag || (DATE.test(held) && Date.parse(held) === modified);
}
