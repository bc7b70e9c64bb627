import { describe, expect, it } from "vitest";
import { Decoder } from "../src/decoder.ts";
import {
  ANSWER,
  ASKED,
  answer,
  END,
  EVENT,
  emit,
  GOT,
  got,
  JOINED,
  LEAVING,
  LEFT,
  LIVE,
  LOST,
  leave,
  MEMBER,
  MOVED,
  PROFILE,
  profile,
  REFUSED,
  type Said,
  said,
} from "../src/room/records.ts";
import { fromHex, toHex, vectors } from "./vectors.ts";

interface Vector {
  name: string;
  hex: string;
  /** So many zero bytes are behind it. */
  zeros?: number;
  decode_only?: boolean;
  record: { type: string; [field: string]: unknown };
}

interface Vectors {
  said: Vector[];
  told: Vector[];
  refused: { direction: string; name: string; hex: string }[];
}

const room = vectors<Vectors>("room");
const NAMES: Readonly<Record<number, string>> = {
  [EVENT]: "event",
  [ANSWER]: "answer",
  [ASKED]: "asked",
  [MEMBER]: "member",
  [JOINED]: "joined",
  [PROFILE]: "profile",
  [LIVE]: "live",
  [LEAVING]: "leaving",
  [LEFT]: "left",
  [LOST]: "lost",
  [GOT]: "got",
  [REFUSED]: "refused",
  [MOVED]: "moved",
  [END]: "end",
};

/** What a member says. */
function encode({ type, ...record }: Vector["record"]): Uint8Array {
  const text = (value: unknown) => new TextEncoder().encode(value as string);
  const body = () => fromHex((record.body as string | undefined) ?? "00".repeat(record.length as number));
  const [ref, timeout, to, except = []] = [record.ref, record.timeout, record.to, record.except] as [
    number | undefined,
    number,
    number[] | undefined,
    number[] | undefined,
  ];
  switch (type) {
    case "emit":
      return emit({
        isVolatile: record.volatile === true,
        isEverywhere: record.everywhere === true,
        ask: ref === undefined ? undefined : { ref, timeout },
        to,
        except,
        name: text(record.event),
        body: body(),
      });
    case "answer":
      return answer(record.ask as number, record.code as number, record.code === 0 ? body() : text(record.text));
    case "profile":
      return profile(text(record.profile));
    case "got":
      return got(record.count as number);
    default:
      return leave(record.scope === 1, record.text as string);
  }
}

/** What was heard, as the vectors say it; JSON as what it says. */
function told(heard: Said): object {
  const type = NAMES[heard.type];
  switch (heard.type) {
    case EVENT: {
      const { from, isVolatile, ask, name, body } = heard;
      const rest = { ...(isVolatile && { volatile: true }), ...(ask !== undefined && { ask }) };
      return { type, from, event: name, body: toHex(body), ...rest };
    }
    case ANSWER: {
      const { ref, from, code, text, body } = heard;
      return { type, ref, from, code, ...(code === 0 ? { body: toHex(body) } : { text }) };
    }
    case MEMBER:
      return { type, number: heard.number, live: heard.live, member: heard.who };
    case JOINED:
      return { type, number: heard.number, member: heard.who };
    case MOVED:
      return { type, to: { name: heard.name } };
    default:
      return { ...heard, type };
  }
}

/** All that comes out of bytes that come in chunks of a length. */
function decode(bytes: Uint8Array<ArrayBuffer>, length: number): Said[] {
  const decoder = new Decoder((from) => said(from, 1 << 20));
  const all: Said[] = [];
  for (let at = 0; at < bytes.length; at += length) {
    decoder.push(bytes.subarray(at, at + length));
    for (let next = decoder.next(); next; next = decoder.next()) all.push(next);
  }
  return all;
}

/** The vector's record with JSON as what it says, and a body for its length. */
function expected({ record, zeros }: Vector): object {
  const { length, ...rest } = record;
  const json = Object.entries(rest).map(([field, value]) => {
    const isJson = ["member", "profile", "rooms", "to"].includes(field) && typeof value === "string";
    return [field, isJson ? JSON.parse(value) : value];
  });
  return { ...Object.fromEntries(json), ...(zeros !== undefined && { body: "00".repeat(zeros) }) };
}

describe("the records of a room", () => {
  it.each(room.said.filter(({ decode_only }) => !decode_only))("are said: $name", ({ hex, zeros = 0, record }) => {
    expect(toHex(encode(record))).toBe(hex + "00".repeat(zeros));
  });

  for (const length of [1, 3, 1 << 20]) {
    const short = room.told.filter(({ zeros = 0 }) => length > 3 || zeros === 0);
    it.each(short)(`are heard, ${length} bytes at a time: $name`, (vector) => {
      const bytes = new Uint8Array(Buffer.concat([fromHex(vector.hex), new Uint8Array(vector.zeros ?? 0)]));
      expect(decode(bytes, length).map(told)).toEqual([expected(vector)]);
    });
  }

  it.each(room.refused.filter(({ direction }) => direction === "told"))(
    "what is none is refused: $name ($hex)",
    ({ hex }) => {
      expect(() => decode(fromHex(hex), 1)).toThrow("bad_request");
    },
  );
});
