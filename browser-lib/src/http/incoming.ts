// What a visitor sends: the head of its request, then the body, as it comes.

import { BadRequest } from "./bad.ts";
import { Chunked } from "./chunked.ts";
import { HEAD_MAX, type Head, parseHead } from "./head.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Reads one request. */
export class Incoming {
  readonly #reader: ReadableStreamDefaultReader<Bytes>;
  /** Came, and is not used. */
  #rest: Bytes | undefined;

  constructor(readable: ReadableStream<Bytes>) {
    this.#reader = readable.getReader();
  }

  /** The head; `undefined` where nothing came at all. Throws `BadRequest`, and what the stream fails with. */
  async head(): Promise<Head | undefined> {
    let text = "";
    while (true) {
      const bytes = await this.next();
      if (!bytes && text === "") return undefined;
      if (!bytes) throw new BadRequest("the head is cut short");
      // The empty line may have begun before.
      const from = Math.max(0, text.length - 3);
      const before = text.length;
      text += latin1(bytes.subarray(0, HEAD_MAX + 4 - before));
      const end = text.indexOf("\r\n\r\n", from);
      if (end < 0 && text.length >= HEAD_MAX) throw new BadRequest("the head is too long", 431);
      if (end < 0) continue;
      const used = end + 4 - before;
      if (used < bytes.length) this.#rest = bytes.subarray(used);
      return parseHead(text.slice(0, end));
    }
  }

  /** The body behind a head, pulled as it is read; an error where it is cut short. */
  body({ length }: Head): ReadableStream<Bytes> {
    const pull = length === "chunked" ? this.#chunks() : this.#counted(length);
    return new ReadableStream<Bytes>(
      {
        pull: async (controller) => {
          try {
            const data = await pull();
            if (data) controller.enqueue(data);
            else controller.close();
          } catch (error) {
            controller.error(error);
          }
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Bytes that come behind the head, whatever they are; `undefined` at the end. */
  async next(): Promise<Bytes | undefined> {
    const rest = this.#rest;
    this.#rest = undefined;
    return rest ?? (await this.#reader.read()).value;
  }

  #counted(length: number): () => Promise<Bytes | undefined> {
    let left = length;
    return async () => {
      if (left === 0) return undefined;
      const bytes = await this.next();
      if (!bytes) throw new BadRequest("the body is cut short");
      const data = bytes.subarray(0, left);
      left -= data.length;
      return data;
    };
  }

  #chunks(): () => Promise<Bytes | undefined> {
    const chunked = new Chunked();
    const ready: Bytes[] = [];
    return async () => {
      while (ready.length === 0 && !chunked.isDone) {
        const bytes = await this.next();
        if (!bytes) throw new BadRequest("the body is cut short");
        ready.push(...chunked.take(bytes));
      }
      return ready.shift();
    };
  }
}

/** A character for each byte. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  // As many arguments as every engine takes.
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}
