// The handshake: Noise, revision 34, with the patterns NK and IK over X25519, AES-256-GCM and SHA-256.

import { type Bytes, type Cipher, concat, type KeyPair, type Primitives } from "./primitives.ts";

/** Who knows what beforehand: always the server's static key; the client has one of its own in IK. */
export type PatternName = "NK" | "IK";

/** A key that is sent, or two that are agreed on: the client's is named first. */
type Token = "e" | "s" | "ee" | "es" | "se" | "ss";

/** What the two messages bring, before their payload. */
const PATTERNS: Readonly<Record<PatternName, readonly (readonly Token[])[]>> = {
  NK: [
    ["e", "es"],
    ["e", "ee"],
  ],
  IK: [
    ["e", "es", "s", "ss"],
    ["e", "ee", "se"],
  ],
};

const KEY_BYTES = 32;
export const TAG_BYTES = 16;
const EMPTY: Bytes = new Uint8Array(0);

/** What both ends have after it. */
export interface Agreed {
  /** Keys of what the client, and of what the server sends. */
  readonly client: Bytes;
  readonly server: Bytes;
  /** The hash of all that was said. */
  readonly hash: Bytes;
}

export interface HandshakeOptions {
  readonly pattern: PatternName;
  readonly role: "client" | "server";
  readonly prologue: Bytes;
  /** One's own static keys: a server's, or a client's in IK. */
  readonly keys?: KeyPair | undefined;
  /** The server's static key; a server has it in its keys. */
  readonly server: Bytes;
  /** One's own keys of this handshake alone; a test may choose them. */
  readonly fresh?: KeyPair | undefined;
}

/** One end of a handshake: the client writes and reads, the server reads and writes. */
export class Handshake {
  /** The client's static key, once it is known. */
  client: Bytes | undefined;
  readonly #primitives: Primitives;
  readonly #options: HandshakeOptions;
  #hash: Bytes;
  #chain: Bytes;
  #cipher: Cipher | undefined;
  #number = 0;
  #fresh: KeyPair | undefined;
  /** The other side's key of this handshake. */
  #other: Bytes | undefined;
  #messages = 0;

  private constructor(primitives: Primitives, options: HandshakeOptions, name: Bytes) {
    this.#primitives = primitives;
    this.#options = options;
    this.#fresh = options.fresh;
    this.#chain = this.#hash = name;
    if (options.role === "client") this.client = options.keys?.public;
  }

  static async begin(primitives: Primitives, options: HandshakeOptions): Promise<Handshake> {
    // Not longer than a hash: padded with zeros.
    const name = new Uint8Array(KEY_BYTES);
    name.set(new TextEncoder().encode(`Noise_${options.pattern}_25519_AESGCM_SHA256`));
    const handshake = new Handshake(primitives, options, name);
    await handshake.#mixHash(options.prologue);
    await handshake.#mixHash(options.server);
    return handshake;
  }

  /** As it is now, to be gone on with more than once: several answers may come to one message. */
  fork(): Handshake {
    const fork = new Handshake(this.#primitives, this.#options, this.#hash);
    fork.#chain = this.#chain;
    fork.#cipher = this.#cipher;
    fork.#number = this.#number;
    fork.#fresh = this.#fresh;
    fork.#other = this.#other;
    fork.#messages = this.#messages;
    return fork;
  }

  /** The next message, with this payload. */
  async write(payload: Bytes): Promise<Bytes> {
    const parts: Bytes[] = [];
    for (const token of this.#tokens()) {
      if (token === "e") {
        this.#fresh ??= await this.#primitives.generate();
        parts.push(this.#fresh.public);
        await this.#mixHash(this.#fresh.public);
      } else if (token === "s") parts.push(await this.#encrypt(this.client ?? EMPTY));
      else await this.#agree(token);
    }
    parts.push(await this.#encrypt(payload));
    return concat(...parts);
  }

  /** The payload of the other side's message; rejects where that is not what an honest side says. */
  async read(message: Bytes): Promise<Bytes> {
    let rest = message;
    const take = (length: number): Bytes => {
      if (rest.length < length) throw new RangeError("a message of a handshake is too short");
      const part = rest.slice(0, length);
      rest = rest.subarray(length);
      return part;
    };
    for (const token of this.#tokens()) {
      if (token === "e") {
        this.#other = take(KEY_BYTES);
        await this.#mixHash(this.#other);
      } else if (token === "s") this.client = await this.#decrypt(take(KEY_BYTES + TAG_BYTES));
      else await this.#agree(token);
    }
    return this.#decrypt(take(Math.max(TAG_BYTES, rest.length)));
  }

  /** After the second message. */
  async split(): Promise<Agreed> {
    const [client, server] = await expand(this.#primitives, this.#chain, EMPTY);
    return { client, server, hash: this.#hash };
  }

  #tokens(): readonly Token[] {
    return PATTERNS[this.#options.pattern][this.#messages++] ?? [];
  }

  /** Mixes in what two keys agree on. */
  async #agree(token: Token): Promise<void> {
    const { role, keys, server } = this.#options;
    const isClient = role === "client";
    const [mine, theirs] = isClient ? token : [token[1], token[0]];
    const own = mine === "e" ? this.#fresh : keys;
    const other = theirs === "e" ? this.#other : isClient ? server : this.client;
    if (!own || !other) throw new RangeError("a key is missing");
    const shared = await own.agree(other);
    if (shared.every((byte) => byte === 0)) throw new RangeError("a key that agrees on nothing");
    const [chain, key] = await expand(this.#primitives, this.#chain, shared);
    this.#chain = chain;
    this.#cipher = await this.#primitives.cipher(key);
    this.#number = 0;
  }

  async #mixHash(data: Bytes): Promise<void> {
    this.#hash = await this.#primitives.sha256(concat(this.#hash, data));
  }

  async #encrypt(plain: Bytes): Promise<Bytes> {
    const sealed = (await this.#cipher?.encrypt(nonce(this.#number++), plain, this.#hash)) ?? plain;
    await this.#mixHash(sealed);
    return sealed;
  }

  async #decrypt(sealed: Bytes): Promise<Bytes> {
    const plain = (await this.#cipher?.decrypt(nonce(this.#number++), sealed, this.#hash)) ?? sealed;
    await this.#mixHash(sealed);
    return plain;
  }
}

/** Noise's nonce of AES-GCM: four zero bytes and the number, the high byte first. */
export function nonce(number: number | bigint): Bytes {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setBigUint64(4, BigInt(number));
  return bytes;
}

/** Noise's HKDF: two keys. */
async function expand({ hmac }: Primitives, chain: Bytes, input: Bytes): Promise<[Bytes, Bytes]> {
  const key = await hmac(chain, input);
  const first = await hmac(key, Uint8Array.of(1));
  return [first, await hmac(key, concat(first, Uint8Array.of(2)))];
}

/** HKDF-SHA-256 (RFC 5869): 32 bytes. */
export async function derive({ hmac }: Primitives, input: Bytes, salt: Bytes, info: string): Promise<Bytes> {
  return hmac(await hmac(salt, input), concat(new TextEncoder().encode(info), Uint8Array.of(1)));
}
