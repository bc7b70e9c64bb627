// What the handshake and the records are made of: X25519, SHA-256, HMAC and AES-256-GCM, from the platform or from a library.

import { web } from "./web.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** An X25519 key pair. */
export interface KeyPair {
  readonly public: Bytes;
  /** What both ends compute; rejects for a public key that gives nothing but zeros. */
  agree(other: Bytes): Promise<Bytes>;
  /** The 32 private bytes, of a pair that is kept. */
  secret(): Promise<Bytes>;
}

/** AES-256-GCM under one key. The bytes that it is given may be changed as soon as a call returned. */
export interface Cipher {
  encrypt(nonce: Bytes, plain: Bytes, known?: Bytes): Promise<Bytes>;
  /** Rejects where the tag does not fit. */
  decrypt(nonce: Bytes, sealed: Bytes, known?: Bytes): Promise<Bytes>;
}

export interface Primitives {
  /** A new pair; the private half of one that is not `kept` never leaves the platform, if that can hold it back. */
  generate(kept?: boolean): Promise<KeyPair>;
  /** The pair of 32 private bytes. */
  pair(secret: Bytes): Promise<KeyPair>;
  sha256(message: Bytes): Promise<Bytes>;
  hmac(key: Bytes, message: Bytes): Promise<Bytes>;
  cipher(key: Bytes): Promise<Cipher>;
}

let chosen: Promise<Primitives> | undefined;

/** The platform's; where it has none, as on a page from plain http, or no X25519, those of the noble libraries, which are loaded then. */
export function primitives(): Promise<Primitives> {
  chosen ??= choose();
  chosen.catch(() => {
    chosen = undefined;
  });
  return chosen;
}

async function choose(): Promise<Primitives> {
  try {
    await web.generate();
    return web;
  } catch {
    // No `crypto.subtle`, or no X25519 in it.
    return (await import("./noble.ts")).noble;
  }
}

export function concat(...parts: Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
