// What sender and receiver say to each other: PROTOCOL.md as types, checked where it comes in.

import type { Bytes } from "./digest.ts";

/** Bytes of a piece that this sender sends; a receiver takes others, too. */
export const PIECE = 256 * 1024;

/** Files that are shared at once: so a list is well below what a value may have. */
export const FILES_MAX = 1_000;

/** Why a `get` was reset. */
export const CODES = {
  cancelledByReceiver: 4001,
  cancelledBySender: 4002,
  badPiece: 4003,
  unreadable: 4004,
  otherFile: 4005,
  noSuchFile: 4006,
  cannotWrite: 4007,
} as const;

/** A file of the list. */
export interface Listed {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly modified?: number;
}

export interface List {
  readonly type: "files";
  readonly piece: number;
  readonly waits: boolean;
  readonly files: Listed[];
}

export interface Bye {
  readonly type: "bye";
  readonly reason: string;
}

/** The meta of each stream. */
export interface Ask {
  readonly exchange: 1;
  readonly key: string;
  readonly me: string;
  readonly as: string;
  readonly do: "list" | "get";
  readonly file?: string;
  readonly from?: number;
  readonly have?: string;
  /** The receiver takes pieces over a channel, sealed under a key of its own. */
  readonly sealedChannel?: boolean;
}

const ID = /^[0-9a-f]{16}$/;
const NAME_MAX = 1024;

/** What a receiver asks for, if it can be read. */
export function readAsk(meta: unknown): Ask | undefined {
  const { exchange, key, me, as = "", do: what, file, from = 0, have, sealedChannel } = fields(meta);
  if (exchange !== 1 || typeof key !== "string" || !isId(me) || typeof as !== "string") return undefined;
  const who = { exchange, key, me, as: as.slice(0, 64) } as const;
  if (what === "list") return { ...who, do: what };
  if (what !== "get" || !isId(file) || !isSize(from)) return undefined;
  const held = typeof have === "string" ? { have } : {};
  return { ...who, do: what, file, from, sealedChannel: sealedChannel === true, ...held };
}

/** A value of the list, if it is one that we know. Throws what to tell the user if it is broken. */
export function readSaid(value: unknown): List | Bye | undefined {
  const { type, reason, piece, waits, files } = fields(value);
  if (type === "bye") return { type, reason: typeof reason === "string" ? reason.slice(0, 200) : "" };
  if (type !== "files") return undefined;
  const isPiece = isSize(piece) && piece >= 1 << 16 && piece <= 1 << 20 && (piece & (piece - 1)) === 0;
  if (!isPiece || !Array.isArray(files)) throw new TypeError("The list of files cannot be read.");
  return { type, piece, waits: waits === true, files: files.map(readListed) };
}

function readListed(value: unknown): Listed {
  const { id, name, size, type, modified } = fields(value);
  if (!isId(id) || typeof name !== "string" || !isSize(size)) throw new TypeError("The list of files cannot be read.");
  const listed = { id, name: safe(name), size, type: typeof type === "string" ? type : "" };
  return isSize(modified) ? { ...listed, modified } : listed;
}

/** A name without a path and without what no file system takes. */
function safe(name: string): string {
  const last = name.slice(0, NAME_MAX).split(/[/\\]/).pop() ?? "";
  const plain = wellFormed(last)
    .replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "")
    .replace(/^\.+/, "");
  return plain.trim() || "file";
}

/** Half a character, which some file systems allow, becomes a mark. */
export function wellFormed(name: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(name));
}

/** The u32 and the digest that stand before a piece, or for the end. */
export function head(length: number, digest: Bytes): Bytes {
  const bytes = new Uint8Array(4 + digest.length);
  new DataView(bytes.buffer).setUint32(0, length);
  bytes.set(digest, 4);
  return bytes;
}

/** A note, which is JSON. */
export function note(value: unknown): Bytes {
  const text = new TextEncoder().encode(JSON.stringify(value));
  return head(NOTE + text.length, text);
}

/** From here on a frame's u32 counts the bytes of a note. */
export const NOTE = 2 ** 31;
export const NOTE_MAX = 4096;

function fields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function isId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
