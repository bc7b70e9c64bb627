// An answer on its way to a visitor.

import type { Chunk } from "../chunk.ts";

/** Where an answer goes. */
export type Writer = WritableStreamDefaultWriter<Chunk>;

/** What the proxy, or we, say of the connection. */
const OURS = /^(connection|keep-alive|proxy-connection|trailer|transfer-encoding|upgrade)$/;
/** Statuses whose answers have no body. */
const BODILESS = new Set([204, 205, 304]);
/** Cookies that a page's own class of answers does not take. */
const cookies = new WeakMap<Response, string[]>();

/**
 * Has `response` set a cookie, as the header `Set-Cookie` has it: in a page `new Response` leaves that header out. Gives the response back.
 */
export function setCookie(response: Response, cookie: string): Response {
  if (/[^\t\x20-\x7e\x80-\xff]/.test(cookie)) throw new TypeError("a cookie is one line of ASCII: encode what is not");
  cookies.set(response, [...(cookies.get(response) ?? []), cookie]);
  return response;
}

/** Sends an answer to a request of that method; how many bytes of body. Throws where the answer cannot be, its body fails, or nobody takes it. */
export async function send(writer: Writer, response: Response, method: string): Promise<number> {
  const { status } = response;
  if (status < 200 || status > 599) throw new RangeError(`an answer has a status from 200 to 599, not ${status}`);
  const isBodiless = BODILESS.has(status);
  const isHead = method === "HEAD";
  const said = response.headers.get("content-length");
  // What could be read as two lengths must never leave.
  const length = said !== null && /^\d{1,15}$/.test(said) ? Number(said) : undefined;
  const body = isHead || isBodiless ? null : response.body;
  const lines = [`HTTP/1.1 ${status} ${statusText(response)}`, "connection: close"];
  for (const [name, value] of response.headers)
    if (!OURS.test(name) && !/^(content-length|set-cookie)$/.test(name)) lines.push(`${name}: ${value}`);
  for (const cookie of [...(response.headers.getSetCookie?.() ?? []), ...(cookies.get(response) ?? [])])
    lines.push(`set-cookie: ${cookie}`);
  if (length !== undefined && !isBodiless) lines.push(`content-length: ${length}`);
  else if (body) lines.push("transfer-encoding: chunked");
  else if (!isHead && !isBodiless) lines.push("content-length: 0");
  await writer.write(bytesOf(`${lines.join("\r\n")}\r\n\r\n`));
  if (body) return length === undefined ? await chunks(writer, body) : await counted(writer, body, length);
  await response.body?.cancel();
  if (length && !isHead && !isBodiless)
    throw new RangeError(`an answer without a body says that it has ${length} bytes`);
  return 0;
}

/** A body whose end it tells itself. */
async function chunks(writer: Writer, body: ReadableStream<Uint8Array>): Promise<number> {
  let sent = 0;
  await each(body, async (bytes) => {
    await writer.ready;
    // The line end of the chunk before goes with the size of the next: two writes for each.
    void writer.write(`${sent > 0 ? "\r\n" : ""}${bytes.length.toString(16)}\r\n`).catch(() => {});
    sent += bytes.length;
    await writer.write(bytes);
  });
  await writer.write(`${sent > 0 ? "\r\n" : ""}0\r\n\r\n`);
  return sent;
}

/** A body of so many bytes, no more and no fewer. */
async function counted(writer: Writer, body: ReadableStream<Uint8Array>, length: number): Promise<number> {
  let sent = 0;
  await each(body, async (bytes) => {
    sent += bytes.length;
    if (sent > length) throw new RangeError(`an answer that says it has ${length} bytes has more`);
    await writer.ready;
    await writer.write(bytes);
  });
  if (sent < length) throw new RangeError(`an answer that says it has ${length} bytes has ${sent}`);
  return sent;
}

/** Reads a body to its end; where that fails for us, whoever makes it is told. */
async function each(body: ReadableStream<Uint8Array>, take: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  const reader = body.getReader();
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      if (!(value instanceof Uint8Array)) throw new TypeError("a body gives bytes: Uint8Array");
      if (value.length > 0) await take(value);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  }
}

/** For people; what is none of HTTP's is left out. */
function statusText({ statusText }: Response): string {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(statusText) ? statusText : "";
}

/** A byte for each character, as headers have them. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
