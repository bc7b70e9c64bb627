// The head of a request (RFC 9112), strictly: whatever two readers could take differently is none.

import { BadRequest } from "./bad.ts";

/** What a request begins with. */
export interface Head {
  readonly method: string;
  /** Path and query, as they came. */
  readonly target: string;
  /** In the order in which they came, names in lower case. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** How long the body is: so many bytes, or as its chunks say. */
  readonly length: number | "chunked";
}

/** More than the proxy passes, its own lines included. */
export const HEAD_MAX = 64 * 1024;
const FIELDS_MAX = 256;
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const LINE = new RegExp(`^(${TOKEN}) (/[^\\x00-\\x20\\x7f]*|\\*) HTTP/1\\.1$`);
/** No space in front of the colon, and no control character but a tab in a value. */
const FIELD = new RegExp(`^(${TOKEN}):[ \\t]*((?:[^\\x00-\\x08\\x0a-\\x1f\\x7f]*[^\\x00-\\x20\\x7f])?)[ \\t]*$`);

/** Reads a head without the empty line behind it; each character is a byte. Throws `BadRequest`. */
export function parseHead(text: string): Head {
  const [first = "", ...lines] = text.split("\r\n");
  const line = LINE.exec(first);
  if (!line)
    throw new BadRequest(
      "the first line is no METHOD /path HTTP/1.1",
      / HTTP\/\d/.test(first) && !/ HTTP\/1\.1$/.test(first) ? 505 : 400,
    );
  if (lines.length > FIELDS_MAX) throw new BadRequest("too many header lines", 431);
  const fields = lines.map((line): [string, string] => {
    const field = FIELD.exec(line);
    if (!field) throw new BadRequest("a header line is none");
    return [(field[1] as string).toLowerCase(), field[2] as string];
  });
  if (values(fields, "host").length !== 1) throw new BadRequest("a request has one host");
  return { method: line[1] as string, target: utf8(line[2] as string), fields, length: length(fields) };
}

/** All values of a field. */
export function values(fields: Head["fields"], name: string): string[] {
  return fields.filter(([found]) => found === name).map(([, value]) => value);
}

/** How long a body is, where everybody must understand the same. */
function length(fields: Head["fields"]): number | "chunked" {
  const [codings, lengths] = [values(fields, "transfer-encoding"), values(fields, "content-length")];
  if (codings.length + lengths.length > 1) throw new BadRequest("a body has one length");
  if (codings.length > 0) {
    if (codings[0]?.toLowerCase() !== "chunked") throw new BadRequest("no transfer coding but chunked is known", 501);
    return "chunked";
  }
  const [said = "0"] = lengths;
  if (!/^\d{1,15}$/.test(said)) throw new BadRequest("content-length is no number");
  return Number(said);
}

/** What browsers mean by bytes above 127 in a path. */
function utf8(target: string): string {
  return new TextDecoder().decode(Uint8Array.from(target, (character) => character.charCodeAt(0)));
}
