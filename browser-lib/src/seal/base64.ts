// Bytes as base64url without padding.

type Bytes = Uint8Array<ArrayBuffer>;

const PLAIN: Readonly<Record<string, string>> = { "-": "+", _: "/" };
const URL_SAFE: Readonly<Record<string, string>> = { "+": "-", "/": "_", "=": "" };

export function toBase64(bytes: Bytes): string {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(text).replace(/[+/=]/g, (c) => URL_SAFE[c] ?? "");
}

/** The bytes, if that is what the text says, in the one way in which they are written; of this length, where one is given. */
export function fromBase64(text: unknown, length?: number): Bytes | undefined {
  if (typeof text !== "string" || !/^[\w-]*$/.test(text) || text.length % 4 === 1) return undefined;
  const plain = atob(text.replace(/[-_]/g, (c) => PLAIN[c] ?? ""));
  const bytes = Uint8Array.from(plain, (c) => c.charCodeAt(0));
  if (toBase64(bytes) !== text || (length !== undefined && bytes.length !== length)) return undefined;
  return bytes;
}
