// The keys of a server, or of a client.

import { fromBase64, toBase64 } from "./base64.ts";
import { type Bytes, type KeyPair, primitives } from "./primitives.ts";

/** What stands before the private bytes, so that nobody takes them for the public key. */
const SECRET = "bss-seal-secret-";

/** A key pair (X25519) that a server is known by, or a client shows. */
export class SealKeys {
  /** A new pair. */
  static async generate(): Promise<SealKeys> {
    return new SealKeys(await (await primitives()).generate(true));
  }

  /** The pair that `export` gave, here or in `bss keygen`. Rejects with a `TypeError` for any other text. */
  static async import(text: string): Promise<SealKeys> {
    const trimmed = text.trim();
    const secret = trimmed.startsWith(SECRET) ? fromBase64(trimmed.slice(SECRET.length), 32) : undefined;
    if (!secret) throw new TypeError(`no exported keys: they are ${SECRET} and 43 characters`);
    return new SealKeys(await (await primitives()).pair(secret));
  }

  /** For the library. */
  readonly pair: KeyPair;

  private constructor(pair: KeyPair) {
    this.pair = pair;
  }

  /** The public key: 43 characters of base64url. Everybody may know it. */
  get publicKey(): string {
    return toBase64(this.pair.public);
  }

  /** `NAME#key`: who connects to it gets to nobody but whoever has these keys. */
  address(name: string): string {
    return `${name}#${this.publicKey}`;
  }

  /** The pair as text, to be kept: a secret. Who has it can pass for its owner. */
  async export(): Promise<string> {
    return SECRET + toBase64(await this.pair.secret());
  }
}

/** The 32 bytes of a public key as it is written; throws `TypeError` for any other text. */
export function publicKey(text: string): Bytes {
  const key = fromBase64(text, 32);
  if (!key) throw new TypeError("a public key is 43 characters of base64url");
  return key;
}
