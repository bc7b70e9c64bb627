import { describe, expect, it } from "vitest";
import {
  CAME,
  CUT,
  cut,
  END,
  end,
  GONE,
  Hearing,
  JOINED,
  LAST,
  LEFT,
  type News,
  newsDecoder,
  OVER,
  PROGRESS,
  part,
  READERS,
  type Said,
  SKIPPED,
} from "../src/channel/records.ts";
import type { Decoder } from "../src/decoder.ts";
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
  published: Vector[];
  delivered: Vector[];
  news: Vector[];
  refused: { direction: string; name: string; hex: string }[];
}

const { published, delivered, news, refused } = vectors<Vectors>("channel");

/** A record that a publisher sends, its payload aside. */
function encode({ type, ...record }: Vector["record"]): Uint8Array {
  switch (type) {
    case "bytes": {
      const bytes = fromHex((record.bytes as string) ?? "");
      return Uint8Array.of(...part((record.length as number) ?? bytes.length, record.last === true), ...bytes);
    }
    case "cut":
      return cut();
    default:
      return end(record.code as number, record.text as string);
  }
}

/** What a subscriber heard, as the vectors say it; `who` is an object there. */
function told(said: Said): object {
  switch (said.type) {
    case CUT:
      return { type: "cut", publisher: said.publisher };
    case JOINED:
      return { ...said, type: "joined" };
    case SKIPPED:
      return { ...said, type: "skipped" };
    case LEFT:
      return { ...said, type: "left" };
    case END:
      return { ...said, type: "end" };
    default:
      return { type: "bytes", publisher: said.publisher, bytes: toHex(said.bytes), last: said.type === LAST };
  }
}

/** What a publisher heard, likewise. */
function toldNews(said: News): object {
  switch (said.type) {
    case READERS:
      return { ...said, type: "readers" };
    case CAME:
      return { ...said, type: "came", id: said.id.replaceAll("-", "") };
    case GONE:
      return { ...said, type: "left" };
    case PROGRESS:
      return { ...said, type: "progress" };
    case OVER:
      return { ...said, type: "end" };
  }
}

/** All that comes out of bytes that come in chunks of a length. */
function decode<R>(decoder: Pick<Decoder<R>, "push" | "next">, bytes: Uint8Array<ArrayBuffer>, length: number): R[] {
  const all: R[] = [];
  for (let at = 0; at < bytes.length; at += length) {
    decoder.push(bytes.subarray(at, at + length));
    for (let next = decoder.next(); next; next = decoder.next()) all.push(next);
  }
  return all;
}

/** The vector's record with the parts of its payload put together, and JSON as what it says. */
function expected({ record, zeros }: Vector): object {
  if (record.type === "joined") return { ...record, who: JSON.parse(record.who as string) };
  const { length, ...rest } = record;
  return zeros === undefined ? rest : { ...rest, bytes: "00".repeat(zeros) };
}

function joined(records: readonly object[]): object {
  const parts = records as { type: string; bytes: string }[];
  const last = parts.at(-1) ?? {};
  return parts[0]?.type === "bytes" ? { ...last, bytes: parts.map(({ bytes }) => bytes).join("") } : last;
}

describe("the records of a channel", () => {
  it.each(published.filter(({ decode_only }) => !decode_only))("are said: $name", ({ hex, record }) => {
    expect(toHex(encode(record))).toBe(hex);
  });

  for (const length of [1, 3, 1 << 20]) {
    it.each(delivered)(`are heard by a subscriber, ${length} bytes at a time: $name`, (vector) => {
      const bytes = Uint8Array.of(...fromHex(vector.hex), ...new Uint8Array(vector.zeros ?? 0));
      expect(joined(decode(new Hearing(), bytes, length).map(told))).toEqual(expected(vector));
    });

    it.each(news)(`are heard by a publisher, ${length} bytes at a time: $name`, (vector) => {
      expect(decode(newsDecoder(), fromHex(vector.hex), length).map(toldNews)).toEqual([vector.record]);
    });
  }

  it.each(refused.filter(({ direction }) => direction !== "published"))(
    "what is none is refused: $direction, $name ($hex)",
    ({ direction, hex }) => {
      const decoder: Pick<Decoder<unknown>, "push" | "next"> = direction === "news" ? newsDecoder() : new Hearing();
      expect(() => decode(decoder, fromHex(hex), 1)).toThrow("bad_request");
    },
  );
});
