// SHA-256: the browser's, or where a page has none (plain http beyond this machine) the library's own.

import { sha256 as plain } from "../../browser-lib/src/resume/sha256.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

export async function sha256(bytes: Bytes): Promise<Bytes> {
  const { subtle } = crypto;
  return subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes)) : plain(bytes);
}

/** The digest of digests that come one after the other. */
export class Total {
  readonly #digests: Bytes[] = [];

  add(digest: Bytes): void {
    this.#digests.push(digest);
  }

  /** Of all that were added. */
  async digest(): Promise<Bytes> {
    return await sha256(new Uint8Array(await new Blob(this.#digests).arrayBuffer()));
  }
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function randomHex(bytes: number): string {
  return hex(crypto.getRandomValues(new Uint8Array(bytes)));
}
