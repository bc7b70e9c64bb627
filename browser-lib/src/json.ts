// A peer's JSON: not too deep, no key twice. Fields are read by name and never merged into anything.

import { StreamError } from "./error.ts";

/** A JSON object as it came; a field is whatever the peer put there. */
export type JsonObject = { readonly [field: string]: unknown };

/** Levels of objects and arrays that pass. */
const DEPTH_MAX = 16;

/** Strings with the colon that makes them keys, and brackets: all that matters in text that is known to be JSON. */
const TOKEN = /"(?:[^"\\]|\\.)*"(\s*:)?|[[\]{}]/g;

/** Reads one JSON object; anything else is `bad_request`. */
export function parseObject(body: Uint8Array): JsonObject {
  const value = parseJson(body);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new StreamError("bad_request", "not a JSON object");
  }
  return value as JsonObject;
}

/** Reads any JSON; anything else is `bad_request`. */
export function parseJson(body: Uint8Array): unknown {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
    value = JSON.parse(text);
  } catch {
    throw new StreamError("bad_request", "not JSON");
  }
  check(text);
  return value;
}

function check(text: string): void {
  const keys: Set<unknown>[] = [];
  for (const [token, colon] of text.matchAll(TOKEN)) {
    if (token === "{" || token === "[") {
      if (keys.push(new Set()) > DEPTH_MAX) throw new StreamError("bad_request", "JSON nested too deep");
    } else if (token === "}" || token === "]") keys.pop();
    else if (colon) {
      const key: unknown = JSON.parse(token.slice(0, -colon.length));
      const level = keys.at(-1);
      // Two keys alike: two parsers may disagree on which one counts.
      if (level?.has(key)) throw new StreamError("bad_request", "a key stands twice");
      level?.add(key);
    }
  }
}
