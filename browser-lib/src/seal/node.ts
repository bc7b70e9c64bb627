// AES-256-GCM of Node: its WebCrypto takes ten times as long for a record, most of it to go to a thread and come back.

import { TAG_BYTES } from "./noise.ts";
import { type Bytes, type Cipher, concat } from "./primitives.ts";

/** What of `node:crypto` is used. */
interface Transform {
  setAAD(known: Bytes): unknown;
  setAuthTag(tag: Bytes): unknown;
  getAuthTag(): Bytes;
  update(bytes: Bytes): Bytes;
  final(): Bytes;
}

interface NodeCrypto {
  createCipheriv(name: string, key: Bytes, nonce: Bytes): Transform;
  createDecipheriv(name: string, key: Bytes, nonce: Bytes): Transform;
}

const NAME = "aes-256-gcm";

class NodeCipher implements Cipher {
  readonly #crypto: NodeCrypto;
  readonly #key: Bytes;

  constructor(crypto: NodeCrypto, key: Bytes) {
    this.#crypto = crypto;
    this.#key = key;
  }

  async encrypt(nonce: Bytes, plain: Bytes, known?: Bytes): Promise<Bytes> {
    const cipher = this.#crypto.createCipheriv(NAME, this.#key, nonce);
    if (known) cipher.setAAD(known);
    const sealed = cipher.update(plain);
    cipher.final();
    return concat(sealed, cipher.getAuthTag());
  }

  async decrypt(nonce: Bytes, sealed: Bytes, known?: Bytes): Promise<Bytes> {
    if (sealed.length < TAG_BYTES) throw new RangeError("no tag");
    const cipher = this.#crypto.createDecipheriv(NAME, this.#key, nonce);
    if (known) cipher.setAAD(known);
    cipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const plain = cipher.update(sealed.subarray(0, -TAG_BYTES));
    cipher.final();
    // Of its own buffer: what is read of a stream may be transferred.
    return plain.byteLength === plain.buffer.byteLength ? new Uint8Array(plain.buffer) : new Uint8Array(plain);
  }
}

/** Node's, where this is Node. */
export function nodeCipher(key: Bytes): Cipher | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  const crypto = process?.getBuiltinModule?.("node:crypto") as NodeCrypto | undefined;
  return crypto && new NodeCipher(crypto, key.slice());
}
