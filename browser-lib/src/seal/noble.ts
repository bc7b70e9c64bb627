// The primitives where the platform has none: those of the audited noble libraries. A part of its own, which is loaded when it is needed.

import { gcm } from "@noble/ciphers/aes.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import type { Bytes, Cipher, KeyPair, Primitives } from "./primitives.ts";

class NoblePair implements KeyPair {
  readonly public: Bytes;
  readonly #secret: Bytes;

  constructor(secret: Bytes) {
    this.public = own(x25519.getPublicKey(secret));
    this.#secret = secret;
  }

  async agree(other: Bytes): Promise<Bytes> {
    return own(x25519.getSharedSecret(this.#secret, other));
  }

  async secret(): Promise<Bytes> {
    return this.#secret.slice();
  }
}

class NobleCipher implements Cipher {
  readonly #key: Bytes;

  constructor(key: Bytes) {
    this.#key = key;
  }

  async encrypt(nonce: Bytes, plain: Bytes, known?: Bytes): Promise<Bytes> {
    return own(gcm(this.#key, nonce, known).encrypt(plain));
  }

  async decrypt(nonce: Bytes, sealed: Bytes, known?: Bytes): Promise<Bytes> {
    return own(gcm(this.#key, nonce, known).decrypt(sealed));
  }
}

export const noble: Primitives = {
  async generate() {
    return new NoblePair(crypto.getRandomValues(new Uint8Array(32)));
  },

  async pair(secret) {
    return new NoblePair(secret.slice());
  },

  async sha256(message) {
    return own(sha256(message));
  },

  async hmac(key, message) {
    return own(hmac(sha256, key, message));
  },

  async cipher(key) {
    return new NobleCipher(key.slice());
  },
};

/** Its results lie in buffers of their own. */
function own(bytes: Uint8Array): Bytes {
  return bytes as Bytes;
}
