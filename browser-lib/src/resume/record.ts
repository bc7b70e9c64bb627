// Records: facts about a stream that stay true for ever, and how they look as bytes (RESUME.md, section 1).

type Bytes = Uint8Array<ArrayBuffer>;

export const DATA = 1;
export const FIN = 2;
export const ACK = 3;
export const RESET = 4;
export const DONE = 5;
export const GONE = 6;
export const PING = 7;
export const PONG = 8;
export const JOIN = 9;
export const PROVE = 10;
export const PROOF = 11;

/** Why a stream was reset or refused: a stable code of at most 64 bytes and a message of at most 1,024. */
export interface Reason {
  readonly code: string;
  readonly message: string;
}

/** One record; of DATA its head, whose payload follows as it arrives. */
export type Fact =
  | { readonly type: typeof DATA; readonly offset: number; readonly length: number }
  | { readonly type: typeof FIN; readonly total: number }
  | { readonly type: typeof ACK; readonly received: number; readonly room: number }
  | { readonly type: typeof RESET; readonly reason: Reason }
  | { readonly type: typeof DONE | typeof GONE }
  | { readonly type: typeof PING | typeof PONG; readonly token: number }
  | { readonly type: typeof JOIN; readonly stream: Bytes; readonly nonce: Bytes }
  | { readonly type: typeof PROVE; readonly nonce: Bytes; readonly mac: Bytes }
  | { readonly type: typeof PROOF; readonly mac: Bytes };

export const CODE_MAX = 64;
export const MESSAGE_MAX = 1024;

/** Appends a record that is made of integers: all but RESET and those of the handshake. */
export function integers(out: number[], type: number, ...values: number[]): void {
  out.push(type);
  for (const value of values) integer(out, value);
}

/** Appends RESET. */
export function reset(out: number[], { code, message }: Reason): void {
  out.push(RESET);
  for (const [text, max] of [
    [code, CODE_MAX],
    [message, MESSAGE_MAX],
  ] as const) {
    const bytes = cut(new TextEncoder().encode(text), max);
    integer(out, bytes.length);
    out.push(...bytes);
  }
}

/** A text of that many bytes at most, cut between two characters; what is no UTF-8 reads as U+FFFD. */
export function text(bytes: Uint8Array, max: number): string {
  // A mark of the byte order is a character like any other.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return decoder.decode(cut(new TextEncoder().encode(decoder.decode(bytes)), max));
}

function cut(bytes: Uint8Array, max: number): Uint8Array {
  let end = Math.min(bytes.length, max);
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

/** Appends an integer as LEB128: seven bits a byte, low first. */
export function integer(out: number[], value: number): void {
  let rest = value;
  // Above 2^31 shifts are of no use.
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80);
  out.push(rest);
}
