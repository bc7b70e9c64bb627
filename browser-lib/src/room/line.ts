// One stream of a seat, from its open to its end; the next one goes on where it stood.

import { Decoder, malformed } from "../decoder.ts";
import { StreamError } from "../error.ts";
import type { JsonObject } from "../json.ts";
import type { Session } from "../session.ts";
import { settler } from "../settler.ts";
import type { Stream } from "../stream.ts";
import { type Said, said } from "./records.ts";

/** What the proxy replies to who joins. */
export interface Terms {
  /** The member's, for as long as it is one. */
  readonly id: string;
  /** Proves whose seat it is. */
  readonly secret: string;
  /** It is the seat that was shown. */
  readonly isResumed: boolean;
  /** So many counted records of ours are there. */
  readonly got: number;
  /** So many of the proxy's cannot be had any more. */
  readonly lost: number;
  /** So many members follow as the room is; 0: what we know of it is right. */
  readonly members: number;
  readonly eventBytesMax: number;
}

export class Line {
  readonly stream: Stream;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  #reply: JsonObject = {};
  /** What it begins behind: the room is known, and what waited was sent. */
  isReady = false;
  /** Resolves when it is, or is over before. */
  readonly begun = settler();
  /** Our last word is said. */
  isClosing = false;

  /** Opens it. Throws `bad_request` where the open is too long. */
  constructor(session: Session, path: string, room: object) {
    const replied = (reply: JsonObject) => {
      this.#reply = reply;
    };
    this.stream = session.open({ path, fields: { room }, patience: Number.POSITIVE_INFINITY, replied });
    this.#writer = this.stream.writable.getWriter();
    this.#writer.closed.catch(ignore);
    this.#reader = this.stream.readable.getReader();
    this.#reader.closed.catch(ignore);
  }

  /** Whether a write would wait. */
  get isFull(): boolean {
    return (this.#writer.desiredSize ?? 0) <= 0;
  }

  /** What the proxy replied; rejects with what it refused us with, and `bad_request` for what is no reply. */
  async terms(): Promise<Terms> {
    await this.stream.opened;
    const { id, room } = this.#reply;
    const { secret, resumed, got, lost, members, event_bytes_max: max } = Object(room) as JsonObject;
    if (typeof id !== "string" || typeof secret !== "string" || id === "") throw malformed("a reply without a seat");
    return {
      id,
      secret,
      isResumed: resumed === true,
      got: count(got),
      lost: count(lost),
      members: count(members),
      eventBytesMax: count(max ?? EVENT_BYTES_MAX),
    };
  }

  /** What the proxy says, one by one, to its finish. Throws `bad_request` for what is no record, and with what ended the stream. */
  async *records(bodyMax: number): AsyncGenerator<Said, void, undefined> {
    const decoder = new Decoder((from) => said(from, bodyMax));
    for (let next = await this.#reader.read(); !next.done; next = await this.#reader.read()) {
      decoder.push(next.value);
      for (let record = decoder.next(); record; record = decoder.next()) yield record;
    }
  }

  write(record: Uint8Array): void {
    this.#writer.write(record).catch(ignore);
  }

  /** Finishes behind what was written. */
  close(): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.#writer.close().catch(ignore);
  }
}

/** Until the proxy says otherwise. */
export const EVENT_BYTES_MAX = 1024 * 1024;

function count(value: unknown): number {
  if (Number.isSafeInteger(value) && Number(value) >= 0) return Number(value);
  throw malformed("a reply with a count that is none");
}

/** The stream's end tells. */
function ignore(): void {}

/** What ends a line whose stream ended without a word. */
export function silent(): StreamError {
  return new StreamError("lost", "the room ended without a word");
}
