// The code of an exchange: what a link carries, and what the sender's name at the proxy comes from (PROTOCOL.md).

import { hex, sha256 } from "./digest.ts";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH = 12;
/** A public key as a sealed server writes it; what no key has may follow, as the end of a sentence. */
const KEY = /^[\w-]{43}(?![\w-])/;
const DOMAIN = "browser-stream-server file-exchange 1 ";

/** What somebody was sent: the code, and in a link the sender's key. */
export interface Invitation {
  readonly code: string;
  readonly key: string | undefined;
}

/** Where the sender is found, and what a receiver shows it. */
export interface Place {
  readonly name: string;
  readonly key: string;
}

/** A new one: 60 random bits, as "h4k2-9xqd-7mwz". */
export function makeCode(): string {
  const random = crypto.getRandomValues(new Uint8Array(LENGTH));
  return grouped(Array.from(random, (byte) => ALPHABET[byte % ALPHABET.length]).join(""));
}

/** The code that somebody typed, pasted or was sent, a whole link too; nothing if it is none, or its key is not whole. */
export function readInvitation(text: string): Invitation | undefined {
  const [typed = "", behind] = parts(text);
  const code = readCode(typed);
  const key = KEY.exec(behind ?? "")?.[0];
  return code && (key || behind === undefined) ? { code, key } : undefined;
}

/** What is wrong with what somebody typed or was sent, in words for them. */
export function problemOf(text: string): string {
  if (hasCode(text))
    return "This link is not whole: the key behind the full stop is cut or altered. Copy all of it again.";
  return "This is no code: it has 12 letters and digits, as h4k2-9xqd-7mwz, and a link ends with one and a key.";
}

/** There is a whole code in it, whatever stands behind that. */
export function hasCode(text: string): boolean {
  return readCode(parts(text)[0] ?? "") !== undefined;
}

function parts(text: string): string[] {
  return text
    .slice(text.lastIndexOf("#") + 1)
    .trim()
    .split(".");
}

function readCode(typed: string): string | undefined {
  const plain = typed
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "")
    .replace(/o/g, "0")
    .replace(/[il]/g, "1");
  const isCode = plain.length === LENGTH && [...plain].every((character) => ALPHABET.includes(character));
  return isCode ? grouped(plain) : undefined;
}

export async function placeOf(code: string): Promise<Place> {
  const digest = await sha256(new TextEncoder().encode(DOMAIN + code.replaceAll("-", "")));
  return { name: `files-${hex(digest.subarray(0, 16))}`, key: hex(digest.subarray(16)) };
}

export function linkTo(code: string, key: string): string {
  return new URL(`#${code}.${key}`, location.href).href;
}

function grouped(plain: string): string {
  return plain.replace(/.{4}(?=.)/g, "$&-");
}
