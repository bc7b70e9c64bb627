// The primitives of the platform: WebCrypto.

import { fromBase64 } from "./base64.ts";
import { nodeCipher } from "./node.ts";
import { type Bytes, type Cipher, concat, type KeyPair, type Primitives } from "./primitives.ts";

const X25519 = { name: "X25519" };
const HMAC = { name: "HMAC", hash: "SHA-256" };
const KEY_BYTES = 32;
/** What stands before the private bytes in PKCS #8. */
const PKCS8 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20);

class WebPair implements KeyPair {
  readonly public: Bytes;
  readonly #key: CryptoKey;

  constructor(publicKey: Bytes, key: CryptoKey) {
    this.public = publicKey;
    this.#key = key;
  }

  async agree(other: Bytes): Promise<Bytes> {
    const { subtle } = crypto;
    const key = await subtle.importKey("raw", other, X25519, false, []);
    return new Uint8Array(await subtle.deriveBits({ ...X25519, public: key }, this.#key, 8 * KEY_BYTES));
  }

  async secret(): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.exportKey("pkcs8", this.#key)).slice(PKCS8.length);
  }
}

class WebCipher implements Cipher {
  readonly #key: CryptoKey;

  constructor(key: CryptoKey) {
    this.#key = key;
  }

  async encrypt(nonce: Bytes, plain: Bytes, known?: Bytes): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.encrypt(algorithm(nonce, known), this.#key, plain));
  }

  async decrypt(nonce: Bytes, sealed: Bytes, known?: Bytes): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm(nonce, known), this.#key, sealed));
  }
}

export const web: Primitives = {
  async generate(kept = false) {
    const { publicKey, privateKey } = (await crypto.subtle.generateKey(X25519, kept, ["deriveBits"])) as CryptoKeyPair;
    return new WebPair(new Uint8Array(await crypto.subtle.exportKey("raw", publicKey)), privateKey);
  },

  async pair(secret) {
    const { subtle } = crypto;
    const key = await subtle.importKey("pkcs8", concat(PKCS8, secret), X25519, true, ["deriveBits"]);
    const { x } = await subtle.exportKey("jwk", key);
    return new WebPair(fromBase64(x, KEY_BYTES) as Bytes, key);
  },

  async sha256(message) {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", message));
  },

  async hmac(key, message) {
    const imported = await crypto.subtle.importKey("raw", key, HMAC, false, ["sign"]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
  },

  async cipher(key) {
    return nodeCipher(key) ?? webCipher(key);
  },
};

/** WebCrypto's, also in Node. */
export async function webCipher(key: Bytes): Promise<Cipher> {
  return new WebCipher(await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]));
}

function algorithm(iv: Bytes, additionalData: Bytes = new Uint8Array(0)) {
  return { name: "AES-GCM", iv, additionalData };
}
