// The end of a channel that reads.

import { malformed } from "../decoder.ts";
import { StreamError } from "../error.ts";
import { Emitter } from "../events.ts";
import { Fifo } from "../mux/queue.ts";
import { demand } from "../options.ts";
import { settler } from "../settler.ts";
import type { Stream } from "../stream.ts";
import { Incoming, Message, type Sender, type Source, type Whole } from "./message.ts";
import { CUT, END, type Ending, Hearing, JOINED, LAST, LEFT, PART, type Said, SKIPPED } from "./records.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export interface SubscriptionEvents {
  /** Somebody publishes: before any of its messages. */
  joined: [from: Sender];
  /** A publisher ended: without an error where it said so itself. */
  left: [from: Sender, error: StreamError | undefined];
  /** So many more whole messages of that publisher were left out for us, since we were behind (`drop`). */
  skipped: [messages: number, from: Sender];
  /** It failed, as `closed` rejects. */
  error: [error: StreamError];
  /** It is over. */
  close: [];
}

/** A publisher, and the message of its that is coming in. */
interface Publisher {
  readonly from: Sender;
  /** The number of its next message. */
  next: number;
  incoming?: Incoming | undefined;
}

/** The most that is kept of messages which come in beside the one that is read. */
const HELD_MAX = 64 * 1024 * 1024;

/**
 * What is published on a channel, for one reader: `for await (const message of subscription)` gives messages as they begin, `whole()` those that are complete.
 *
 * It ends when the channel does, cleanly only where the last publisher said so ({@link reason}). Anything else throws a {@link StreamError}: the publisher's code, `lost` where its page or
 * a connection went, `lagging` where we were cut off for being too slow, `not_found` where nobody published. It does not survive our connection: subscribe again.
 * Credit returns, and so more comes, only as messages are read.
 */
export class Subscription extends Emitter<SubscriptionEvents> implements AsyncIterable<Message> {
  readonly #stream: Stream;
  readonly #reader: ReadableStreamDefaultReader<Bytes>;
  readonly #hearing = new Hearing();
  readonly #publishers = new Map<number, Publisher>();
  /** Messages that nobody has got yet: they began, or, where whole ones are wanted, are complete. */
  readonly #arrivals = new Fifo<Incoming>();
  readonly #source: Source = { next: (incoming) => this.#part(incoming), drop: (incoming) => this.#drop(incoming) };
  readonly #opened = settler();
  readonly #closed = settler();
  #reading: Promise<void> | undefined;
  #wake = (): void => {};
  /** Bytes of messages that are here and were not taken. */
  #held = 0;
  #over: StreamError | "ended" | undefined;
  /** No more comes than what is here. */
  #isCut = false;
  #hasJoined = false;
  #iterates = false;
  #wantsWhole = false;
  #skipped = 0;
  #reason: string | undefined;
  #meta: unknown;

  /** Subscriptions come from a channel. */
  constructor(stream: Stream, signal: AbortSignal | undefined) {
    super();
    this.#stream = stream;
    this.#reader = stream.readable.getReader();
    const abort = () => this.#leave(new StreamError("cancelled"));
    signal?.addEventListener("abort", abort);
    const forget = () => signal?.removeEventListener("abort", abort);
    this.#closed.promise.then(
      () => this.emit("close"),
      (error) => {
        this.emit("error", error);
        this.emit("close");
      },
    );
    this.#closed.promise.then(forget, forget);
    stream.closed.catch((error) => {
      this.#isCut = true;
      this.#closed.reject(explained(error));
      this.#wake();
    });
    if (signal?.aborted) abort();
    void this.#begin();
  }

  /** The unique id that the proxy gave us, the publisher's `reader.id`; known once `opened` resolved. */
  get id(): string | undefined {
    return this.#stream.id;
  }

  /** Resolves when the proxy has put us among the readers and said who publishes; rejects with why it did not. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Resolves at the channel's clean end, once all before it was read, and behind `cancel()`; rejects with what ended it otherwise. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** What the first publisher said of what it publishes; known once `opened` resolved. */
  get meta(): unknown {
    return this.#meta;
  }

  /** Who publishes now, as far as it was read. */
  get publishers(): Sender[] {
    return Array.from(this.#publishers.values(), ({ from }) => from);
  }

  /** Whole messages that were left out for us, since we were behind (`drop`). */
  get skipped(): number {
    return this.#skipped;
  }

  /** What the publisher that ended last gave as its reason, after a clean end; it may be empty. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Leaves the channel, and ends the iterations; messages that are being read error `cancelled`. */
  cancel(): void {
    this.#leave("ended");
  }

  /**
   * The messages, each as soon as it begins. Going on to the next without having begun to read one drops that one; leaving the loop leaves the channel. Where several publish, what comes
   * meanwhile of others is kept, up to 64 MiB: read them side by side, or use `whole()`.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, undefined> {
    for await (const incoming of this.#iterate(false)) {
      yield new Message(incoming, this.#source);
      if (!incoming.isWanted) this.#drop(incoming);
    }
  }

  /** Only messages that are complete, in the order in which they were; of those that were cut there is no trace but a gap in `number`. */
  async *whole(): AsyncGenerator<Whole, void, undefined> {
    for await (const incoming of this.#iterate(true)) {
      const data = incoming.join();
      this.#held -= data.length;
      yield { data, from: incoming.from, number: incoming.number };
    }
  }

  async *#iterate(wantsWhole: boolean): AsyncGenerator<Incoming, void, undefined> {
    demand(!this.#iterates, "somebody else reads this subscription");
    this.#iterates = true;
    this.#wantsWhole = wantsWhole;
    try {
      for (let next = await this.#arrival(); next; next = await this.#arrival()) yield next;
    } finally {
      this.cancel();
    }
  }

  /** Reads as far as who publishes: that comes first. */
  async #begin(): Promise<void> {
    try {
      await this.#stream.opened;
    } catch (error) {
      this.#end(StreamError.from(error));
    }
    while (!this.#hasJoined && !this.#over) await this.#more();
    this.#opened.resolve();
  }

  async #arrival(): Promise<Incoming | undefined> {
    while (true) {
      const incoming = this.#arrivals.shift();
      if (incoming?.end instanceof StreamError) this.#drop(incoming);
      else if (incoming) return incoming;
      else if (this.#over === "ended") return undefined;
      else if (this.#over) throw this.#over;
      else if (this.#held > 0 && !this.#wantsWhole && !this.#isCut) await this.#taken();
      else await this.#more();
    }
  }

  async #part(incoming: Incoming): Promise<Bytes | undefined> {
    while (true) {
      const part = incoming.parts.shift();
      if (part) {
        this.#held -= part.length;
        this.#wake();
        return part;
      }
      if (incoming.isDropped)
        throw new StreamError("cancelled", "nobody had begun to read this message, and it was passed over");
      if (incoming.end === "whole") return undefined;
      if (incoming.end) throw incoming.end;
      await this.#more();
    }
  }

  /** Waits until some of a message that is being read was taken: the next one is not to push it aside. */
  #taken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #drop(incoming: Incoming): void {
    incoming.isDropped = true;
    this.#held -= incoming.clear();
    this.#wake();
  }

  /** Takes the next record, or waits for more to come. */
  #more(): Promise<void> | undefined {
    try {
      const said = this.#hearing.next();
      if (said) {
        this.#take(said);
        return undefined;
      }
    } catch (error) {
      this.#leave(StreamError.from(error));
      return undefined;
    }
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    try {
      const { done, value } = await this.#reader.read();
      if (done) this.#leave(new StreamError("lost", "the channel ended without a word"));
      else this.#hearing.push(value);
    } catch (error) {
      this.#end(explained(error));
    }
  }

  #take(said: Said): void {
    if (this.#over) return;
    if (said.type === END) {
      this.#reason = said.code === 0 ? said.text : undefined;
      this.#end(said.code === 0 ? "ended" : ended(said));
      this.#stream.end();
      return;
    }
    if (said.type === JOINED) return this.#join(said.publisher, said.first, said.who);
    const publisher = this.#publishers.get(said.publisher);
    if (!publisher) throw malformed(`something of a publisher ${said.publisher} that there is not`);
    switch (said.type) {
      case PART:
      case LAST:
        return this.#grow(publisher, said.bytes, said.type === LAST);
      case CUT:
        if (!publisher.incoming) publisher.next++;
        return this.#cut(publisher, new StreamError("cancelled", "its publisher took the message back"));
      case SKIPPED:
        publisher.next += said.messages;
        this.#skipped += said.messages;
        this.emit("skipped", said.messages, publisher.from);
        return;
      case LEFT: {
        const error = ended(said);
        this.#cut(publisher, error);
        this.#publishers.delete(said.publisher);
        this.emit("left", publisher.from, said.code === 0 ? undefined : error);
      }
    }
  }

  #join(number: number, first: number, who: { id?: unknown; peer?: unknown; meta?: unknown }): void {
    const from: Sender = { id: String(who.id), peer: who.peer, meta: who.meta, number };
    if (!this.#hasJoined) this.#meta = who.meta;
    this.#hasJoined = true;
    this.#publishers.set(number, { from, next: first });
    this.emit("joined", from);
  }

  #grow(publisher: Publisher, bytes: Bytes, isLast: boolean): void {
    let { incoming } = publisher;
    if (!incoming) {
      incoming = publisher.incoming = new Incoming(publisher.from, publisher.next++);
      if (!this.#wantsWhole) this.#arrivals.push(incoming);
    }
    if (bytes.length > 0 && !incoming.isDropped) {
      this.#held += bytes.length;
      if (this.#held > HELD_MAX) {
        throw new StreamError("limit", `more than ${HELD_MAX} bytes of messages that nobody reads`);
      }
      // A copy: others lie in the same memory, and this one's reader may give it away.
      incoming.parts.push(bytes.slice());
    }
    if (!isLast) return;
    incoming.end = "whole";
    publisher.incoming = undefined;
    if (this.#wantsWhole) this.#arrivals.push(incoming);
  }

  /** It is over for us; the proxy is told, unless it knows. */
  #leave(over: StreamError | "ended"): void {
    if (this.#over) return;
    this.#end(over);
    this.#stream.reset();
  }

  #end(over: StreamError | "ended"): void {
    if (this.#over) return;
    this.#over = over;
    const error = over === "ended" ? new StreamError("cancelled") : over;
    for (const publisher of this.#publishers.values()) this.#cut(publisher, error);
    if (over === "ended") this.#closed.resolve();
    else this.#closed.reject(over);
    if (over === "ended") this.#opened.resolve();
    else this.#opened.reject(over);
    this.#wake();
  }

  /** The message under way will never be whole. */
  #cut(publisher: Publisher, error: StreamError): void {
    const { incoming } = publisher;
    publisher.incoming = undefined;
    if (!incoming) return;
    incoming.end = error;
    if (this.#wantsWhole) this.#drop(incoming);
  }
}

/** Why a publisher, or the channel, ended. */
function ended({ code, text }: Ending): StreamError {
  const error = new StreamError(code, text);
  return text || error.code !== "lost" ? error : new StreamError(code, "the publisher went away");
}

/** The error that our stream ended with, in words where it has only a code. */
function explained(thrown: unknown): StreamError {
  const error = StreamError.from(thrown);
  if (error.code !== "lagging" || error.detail) return error;
  return new StreamError("lagging", "we took too little for too long, and the channel went on without us");
}
