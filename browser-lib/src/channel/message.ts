// One message as it arrives.

import { each } from "../each.ts";
import type { StreamError } from "../error.ts";
import { Fifo } from "../mux/queue.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Who publishes: the proxy's word, but for `meta`, which is the publisher's. */
export interface Sender {
  /** The unique id of this publication. */
  readonly id: string;
  /** What the proxy knows of who published; nothing where it was the proxy's own program. */
  readonly peer: unknown;
  /** What the publisher says of what it publishes. */
  readonly meta: unknown;
  /** Its number in this channel, from 0. */
  readonly number: number;
}

/** A message of which all is here. */
export interface Whole {
  readonly data: Bytes;
  readonly from: Sender;
  /** As {@link Message.number}. */
  readonly number: number;
}

/** What has come of a message and was not taken yet. */
export class Incoming {
  readonly parts = new Fifo<Bytes>();
  readonly from: Sender;
  readonly number: number;
  /** What comes behind the parts. */
  end: "whole" | StreamError | undefined;
  /** Somebody reads it. */
  isWanted = false;
  /** Nobody will: what comes of it is passed over. */
  isDropped = false;

  constructor(from: Sender, number: number) {
    this.from = from;
    this.number = number;
  }

  /** All that is left, in one piece. */
  join(): Bytes {
    return join(this.#take());
  }

  /** Lets go of what is left; so many bytes that was. */
  clear(): number {
    return sizeOf(this.#take());
  }

  #take(): Bytes[] {
    return this.parts.takeBack(this.parts.length);
  }
}

/** What a message's reader asks of the subscription. */
export interface Source {
  /** The next part of a message; nothing behind the last. Rejects if the message was cut. */
  next(incoming: Incoming): Promise<Bytes | undefined>;
  /** Nobody wants the rest. */
  drop(incoming: Incoming): void;
}

/**
 * A message, from the time when its first bytes are here. It is read in one way: as `readable`, or by `bytes()` or `text()`. One whose reading has begun is read to its end or
 * cancelled, for the next message comes behind it.
 */
export class Message {
  readonly #incoming: Incoming;
  readonly #source: Source;
  #readable: ReadableStream<Bytes> | undefined;

  /** Messages come from a subscription. */
  constructor(incoming: Incoming, source: Source) {
    this.#incoming = incoming;
    this.#source = source;
  }

  /** Who sent it: nobody can speak for another. */
  get from(): Sender {
    return this.#incoming.from;
  }

  /** Its place among all messages of that publisher, from 0. What is missing between two was cut, or left out for us. */
  get number(): number {
    return this.#incoming.number;
  }

  /**
   * The bytes as they arrive; each chunk's memory is nobody else's. Closes only behind a whole message: one that was cut errors, with `cancelled` where its publisher
   * took it back, else with what ended the publisher or the subscription.
   */
  get readable(): ReadableStream<Bytes> {
    this.#incoming.isWanted = true;
    this.#readable ??= new ReadableStream<Bytes>(
      {
        pull: async (controller) => {
          const part = await this.#source.next(this.#incoming);
          if (part) controller.enqueue(part);
          else controller.close();
        },
        cancel: () => this.#source.drop(this.#incoming),
      },
      { highWaterMark: 0 },
    );
    return this.#readable;
  }

  /** All of it, once it is whole; rejects as {@link readable} errors. */
  async bytes(): Promise<Bytes> {
    const parts: Bytes[] = [];
    for await (const part of each(this.readable)) parts.push(part);
    return join(parts);
  }

  /** All of it as text (UTF-8). */
  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }
}

function join(parts: readonly Bytes[]): Bytes {
  const [first, ...others] = parts;
  if (!first || others.length === 0) return first ?? new Uint8Array();
  const whole = new Uint8Array(sizeOf(parts));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function sizeOf(parts: readonly Bytes[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
