// What publishers, subscribers and the proxy say of a channel, as bytes (PROTOCOL.md, section 12).

import { Decoder, malformed, type Parser } from "../decoder.ts";
import { toHex } from "../hex.ts";
import { type JsonObject, parseObject } from "../json.ts";
import { integers } from "../resume/record.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The most bytes of a message in one record. */
export const PART_MAX = 64 * 1024;
/** The most bytes of a text for people. */
export const TEXT_MAX = 1024;
const JOINED_MAX = 9 * 1024;
const ID_BYTES = 16;

export const PART = 1;
export const LAST = 2;
export const CUT = 3;
export const JOINED = 4;
export const SKIPPED = 5;
export const LEFT = 6;
export const END = 7;

/** The same bytes mean other things from a publisher and to it. */
const PUBLISHER_END = 4;

export const READERS = 1;
export const CAME = 2;
export const GONE = 3;
export const PROGRESS = 4;
export const OVER = 5;

/** The end of something: 0 is a clean one. */
export interface Ending {
  readonly code: number;
  readonly text: string;
}

/** What a subscriber hears. `publisher` is its number. */
export type Said =
  /** Bytes of a message, as they come; LAST ends it, perhaps with none. */
  | { readonly type: typeof PART | typeof LAST; readonly publisher: number; readonly bytes: Bytes }
  | { readonly type: typeof CUT; readonly publisher: number }
  | { readonly type: typeof JOINED; readonly publisher: number; readonly first: number; readonly who: JsonObject }
  | { readonly type: typeof SKIPPED; readonly publisher: number; readonly messages: number }
  | ({ readonly type: typeof LEFT; readonly publisher: number } & Ending)
  | ({ readonly type: typeof END } & Ending);

/** What a publisher hears. */
export type News =
  | { readonly type: typeof READERS; readonly count: number }
  | { readonly type: typeof CAME; readonly reader: number; readonly id: string }
  | { readonly type: typeof GONE; readonly reader: number; readonly code: number; readonly taken: number }
  | { readonly type: typeof PROGRESS; readonly slowest: number; readonly delivered: number }
  | ({ readonly type: typeof OVER } & Ending);

/** The head of a PART, or of a LAST, whose bytes follow. */
export function part(length: number, isLast: boolean): Uint8Array {
  const out: number[] = [];
  integers(out, isLast ? LAST : PART, length);
  return Uint8Array.from(out);
}

/** The message under way will never be whole. */
export function cut(): Uint8Array {
  return Uint8Array.of(CUT);
}

/** A publisher's last word. */
export function end(code: number, text: string): Uint8Array {
  const out: number[] = [];
  const bytes = new TextEncoder().encode(text);
  integers(out, PUBLISHER_END, code, bytes.length);
  return Uint8Array.of(...out, ...bytes);
}

/** What the proxy tells a publisher. */
export function newsDecoder(): Decoder<News> {
  return new Decoder((from): News => {
    const type = from.byte();
    switch (type) {
      case READERS:
        return { type, count: from.integer() };
      case CAME:
        return { type, reader: from.small(), id: uuid(from.bytes(ID_BYTES)) };
      case GONE:
        return { type, reader: from.small(), code: from.small(), taken: from.integer() };
      case PROGRESS:
        return { type, slowest: from.integer(), delivered: from.integer() };
      case OVER:
        return { type, ...ending(from) };
      default:
        throw malformed(`a record of the type ${type}`);
    }
  });
}

type Head = Exclude<Said, { bytes: Bytes }> | { type: typeof PART | typeof LAST; publisher: number; length: number };

/** Reads what the proxy tells a subscriber; never holds bytes of messages. */
export class Hearing {
  readonly #heads = new Decoder(head);
  #publisher = 0;
  /** How much of the present record is to come. */
  #left = 0;
  #isLast = false;

  push(chunk: Bytes): void {
    this.#heads.push(chunk);
  }

  /** What comes next, if it is there. Throws `bad_request` for what is no record. */
  next(): Said | undefined {
    if (this.#left === 0) {
      const head = this.#heads.next();
      if (!head || !("length" in head)) return head;
      this.#publisher = head.publisher;
      this.#isLast = head.type === LAST;
      this.#left = head.length;
      if (head.length === 0) return { type: LAST, publisher: head.publisher, bytes: new Uint8Array() };
    }
    const bytes = this.#heads.take(this.#left);
    if (bytes.length === 0) return undefined;
    this.#left -= bytes.length;
    return { type: this.#isLast && this.#left === 0 ? LAST : PART, publisher: this.#publisher, bytes };
  }
}

function head(from: Parser): Head {
  const type = from.byte();
  if (type === END) return { type, ...ending(from) };
  if (type < PART || type > END) throw malformed(`a record of the type ${type}`);
  const publisher = from.small();
  switch (type) {
    case PART:
    case LAST:
      return { type, publisher, length: from.small(type === PART ? 1 : 0, PART_MAX) };
    case JOINED:
      return { type, publisher, first: from.integer(), who: parseObject(from.bytes(from.small(0, JOINED_MAX))) };
    case SKIPPED:
      return { type, publisher, messages: from.integer() };
    case LEFT:
      return { type, publisher, ...ending(from) };
    default:
      return { type: CUT, publisher };
  }
}

function ending(from: Parser): Ending {
  return { code: from.small(), text: from.text(TEXT_MAX) };
}

function uuid(bytes: Bytes): string {
  return toHex(bytes).replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
