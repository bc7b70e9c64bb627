// What members and the proxy say of a room, as bytes (PROTOCOL.md, section 14).

import { malformed, type Parser } from "../decoder.ts";
import { type JsonObject, parseJson, parseObject } from "../json.ts";
import { integer, integers } from "../resume/record.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export const EVENT = 1;
export const ANSWER = 2;
export const ASKED = 3;
export const MEMBER = 4;
export const JOINED = 5;
export const PROFILE = 6;
export const LIVE = 7;
export const LEAVING = 8;
export const LEFT = 9;
export const LOST = 10;
export const GOT = 11;
export const REFUSED = 12;
export const MOVED = 13;
export const END = 14;

/** The same bytes mean other things from a member and to it. */
const [MEMBER_EMIT, MEMBER_ANSWER, MEMBER_PROFILE, MEMBER_GOT, MEMBER_LEAVE] = [1, 2, 3, 4, 5] as const;

const VOLATILE = 1;
const ASKS = 2;
const TO = 4;
const EXCEPT = 8;
const EVERYWHERE = 16;

/** The most bytes of an event's name, of a text for people, and of what the proxy says as JSON. */
export const NAME_MAX = 128;
export const TEXT_MAX = 1024;
const WHO_MAX = 8 * 1024;
const NAMES_MAX = 64 * 1024;
/** The most members that an event names, and that are told to be asked. */
export const NUMBERS_MAX = 256;
const ASKED_MAX = 64 * 1024;

/** What a member emits. */
export interface Emission {
  readonly isVolatile: boolean;
  readonly isEverywhere: boolean;
  /** Who asks: its number for that, and for how many milliseconds. */
  readonly ask?: { readonly ref: number; readonly timeout: number } | undefined;
  readonly to?: readonly number[] | undefined;
  readonly except: readonly number[];
  readonly name: Uint8Array;
  readonly body: Uint8Array;
}

/** Why somebody goes, or something was refused; 0 is by its own will. */
export interface Ending {
  readonly code: number;
  readonly text: string;
}

/** What the proxy says to a member. Members are their numbers. */
export type Said =
  | {
      readonly type: typeof EVENT;
      readonly from: number;
      readonly isVolatile: boolean;
      /** The number to answer with. */
      readonly ask: number | undefined;
      readonly name: string;
      readonly body: Bytes;
    }
  | ({ readonly type: typeof ANSWER; readonly ref: number; readonly from: number; readonly body: Bytes } & Ending)
  | { readonly type: typeof ASKED; readonly ref: number; readonly numbers: readonly number[] }
  | { readonly type: typeof MEMBER; readonly number: number; readonly live: boolean; readonly who: JsonObject }
  | { readonly type: typeof JOINED; readonly number: number; readonly who: JsonObject }
  | { readonly type: typeof PROFILE; readonly number: number; readonly profile: unknown }
  | { readonly type: typeof LIVE; readonly number: number; readonly live: boolean }
  | ({ readonly type: typeof LEAVING; readonly number: number; readonly rooms: string[] } & Ending)
  | ({ readonly type: typeof LEFT; readonly number: number } & Ending)
  | { readonly type: typeof LOST | typeof GOT; readonly count: number }
  | ({ readonly type: typeof REFUSED | typeof END } & Ending)
  | { readonly type: typeof MOVED; readonly name: string };

/** An event for others. */
export function emit({ isVolatile, isEverywhere, ask, to, except, name, body }: Emission): Uint8Array {
  const kind =
    (isVolatile ? VOLATILE : 0) +
    (ask ? ASKS : 0) +
    (to ? TO : 0) +
    (except.length > 0 ? EXCEPT : 0) +
    (isEverywhere ? EVERYWHERE : 0);
  const head: number[] = [];
  integers(head, MEMBER_EMIT, kind);
  if (ask) for (const value of [ask.ref, ask.timeout]) integer(head, value);
  for (const numbers of [to, except.length > 0 ? except : undefined]) {
    for (const value of numbers ? [numbers.length, ...numbers] : []) integer(head, value);
  }
  integer(head, name.length);
  head.push(...name);
  return sized(head, body);
}

/** What we answer: 0 and a value, or a code and a text. */
export function answer(ask: number, code: number, body: Uint8Array): Uint8Array {
  const head: number[] = [];
  integers(head, MEMBER_ANSWER, ask, code);
  return sized(head, body);
}

/** What we say of ourselves from now on. */
export function profile(json: Uint8Array): Uint8Array {
  return sized([MEMBER_PROFILE], json);
}

/** So many counted records are here. */
export function got(count: number): Uint8Array {
  const out: number[] = [];
  integers(out, MEMBER_GOT, count);
  return Uint8Array.from(out);
}

/** We go: from this room, or the whole peer from all. */
export function leave(isWholePeer: boolean, text: string): Uint8Array {
  return sized([MEMBER_LEAVE, isWholePeer ? 1 : 0], new TextEncoder().encode(text));
}

/** Whether it has a number in its seat's row. */
export function isCounted(said: Said): boolean {
  if (said.type === EVENT) return !said.isVolatile;
  return ![MEMBER, LOST, GOT, MOVED, END].includes(said.type);
}

/** Reads one record of the proxy's whose event has at most so many bytes. */
export function said(from: Parser, bodyMax: number): Said {
  const type = from.byte();
  switch (type) {
    case EVENT:
      return event(from, bodyMax);
    case ANSWER:
      return answered(from, bodyMax);
    case ASKED: {
      const [ref, count] = [from.integer(), from.small(0, ASKED_MAX)];
      return { type, ref, numbers: Array.from({ length: count }, () => from.small()) };
    }
    case MEMBER:
      return { type, number: from.small(1), live: from.small(0, 1) === 1, who: parseObject(blob(from, WHO_MAX)) };
    case JOINED:
      return { type, number: from.small(1), who: parseObject(blob(from, WHO_MAX)) };
    case PROFILE:
      return { type, number: from.small(1), profile: parseJson(blob(from, WHO_MAX)) };
    case LIVE:
      return { type, number: from.small(1), live: from.small(0, 1) === 1 };
    case LEAVING:
      return { type, number: from.small(1), ...ending(from), rooms: names(parseJson(blob(from, NAMES_MAX))) };
    case LEFT:
      return { type, number: from.small(1), ...ending(from) };
    case LOST:
    case GOT:
      return { type, count: from.integer() };
    case REFUSED:
    case END:
      return { type, ...ending(from) };
    case MOVED: {
      const [name] = names([parseObject(blob(from, WHO_MAX)).name]);
      return { type, name: name ?? "" };
    }
    default:
      throw malformed(`a record of the type ${type}`);
  }
}

function event(from: Parser, bodyMax: number): Said {
  const [number, kind] = [from.small(), from.small(0, VOLATILE | ASKS)];
  if (kind === (VOLATILE | ASKS)) throw malformed("a volatile event that asks");
  const ask = kind & ASKS ? from.integer() : undefined;
  const name = decoder.decode(from.bytes(from.small(1, NAME_MAX)));
  // A copy: others lie in the same memory, and who gets this may give it away.
  const body = blob(from, bodyMax).slice();
  return { type: EVENT, from: number, isVolatile: (kind & VOLATILE) !== 0, ask, name, body };
}

function answered(from: Parser, bodyMax: number): Said {
  const [ref, number, code] = [from.integer(), from.small(), from.small()];
  if (code !== 0) return { type: ANSWER, ref, from: number, code, text: from.text(TEXT_MAX), body: new Uint8Array() };
  return { type: ANSWER, ref, from: number, code, text: "", body: blob(from, bodyMax).slice() };
}

function ending(from: Parser): Ending {
  return { code: from.small(), text: from.text(TEXT_MAX) };
}

function blob(from: Parser, max: number): Bytes {
  return from.bytes(from.small(0, max));
}

function names(value: unknown): string[] {
  if (Array.isArray(value) && value.every((name) => typeof name === "string")) return value;
  throw malformed("what are no names");
}

function sized(head: number[], body: Uint8Array): Uint8Array {
  integer(head, body.length);
  const out = new Uint8Array(head.length + body.length);
  out.set(head);
  out.set(body, head.length);
  return out;
}
