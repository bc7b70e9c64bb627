// One request for one file, at the receiver: its pieces, each checked, into a sink.

import { type Stream, StreamError } from "browser-stream-server";
import { sealedRecords } from "browser-stream-server/seal";
import { type Bytes, fromHex, hex, sha256, Total } from "./digest.ts";
import { Exactly, fromU64, u32, u64 } from "./exactly.ts";
import { BadPiece, known, NoRoom, refuse } from "./refused.ts";
import type { Sink } from "./sink.ts";
import { CODES, type Listed, NOTE, NOTE_MAX } from "./wire.ts";

const DIGEST = 32;
/** In front of each message of a channel stands where its piece begins. */
const OFFSET = 8;
/** Pieces that are here and not kept yet. */
const UNKEPT_MAX = 4;
/** How often the sender hears how much has arrived. */
const TELL_MS = 250;

export interface GetOptions {
  /** Opens the stream. */
  open(from: number, have: string | undefined): Stream;
  readonly file: Listed;
  readonly piece: number;
  readonly sink: Sink;
  /** Aborts when the user cancels. */
  readonly signal: AbortSignal;
  progressed(): void;
  /** The messages of a channel, whole. */
  subscribe(name: string, signal: AbortSignal): AsyncIterable<Bytes>;
}

/** Gets what the sink does not hold yet. Throws what ended it earlier: a `StreamError`, or what the sink threw. */
export async function get(options: GetOptions): Promise<void> {
  const { sink, signal } = options;
  const have = sink.held > 0 ? hex(await sha256(await sink.last(options.piece))) : undefined;
  signal.throwIfAborted();
  const stream = options.open(sink.held, have);
  const cancel = () => {
    if (signal.reason instanceof StreamError) stream.error("The receiver cancelled it.", CODES.cancelledByReceiver);
    // The sender is gone, as it seems: nobody cancelled.
    else stream.reset();
  };
  signal.addEventListener("abort", cancel);
  try {
    await new Getting(options, stream).run();
    await stream.closed;
  } catch (thrown) {
    const error = known(thrown);
    refuse(stream, error);
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

class Getting {
  readonly #options: GetOptions;
  readonly #bytes: Exactly;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array | string>;
  readonly #total = new Total();
  readonly #overChannel = new AbortController();
  /** Bytes that came, of which some may not be checked and kept yet. */
  #came: number;
  /** One piece after the other is checked and kept, while the next come. */
  #keeping: Promise<void> = Promise.resolve();
  readonly #unkept: Promise<void>[] = [];
  #toldAt = 0;
  /** The sender of a channel goes by what it hears. */
  #tellMs = TELL_MS;

  constructor(options: GetOptions, stream: Stream) {
    this.#options = options;
    this.#came = options.sink.held;
    this.#bytes = new Exactly(stream.readable);
    this.#writer = stream.writable.getWriter();
    this.#writer.closed.catch(() => {}); // The stream's own `closed` tells.
  }

  async run(): Promise<void> {
    let channel: Promise<void> | undefined;
    try {
      for (;;) {
        const length = u32(await Promise.race([this.#bytes.need(4), ...(channel ? [channel.then(never)] : [])]));
        if (length === 0) break;
        if (length < NOTE)
          await this.#piece(await this.#bytes.need(DIGEST), await this.#bytes.need(this.#fits(length)));
        else channel = this.#note(await this.#bytes.need(noteOf(length))) ?? channel;
      }
      const digest = await this.#bytes.need(DIGEST);
      await channel;
      await this.#keeping;
      await this.#end(digest);
    } finally {
      this.#overChannel.abort();
      // What goes on after this begins where the last piece ends.
      await this.#keeping.catch(() => {});
    }
  }

  /** Pieces come over a channel from now on. */
  #note(text: Bytes): Promise<void> | undefined {
    const { channel, key } = JSON.parse(new TextDecoder().decode(text)) as { channel?: string; key?: string };
    if (!channel) return undefined;
    const listening = this.#listen(this.#options.subscribe(channel, this.#overChannel.signal), fromHex(`${key}`));
    listening.catch(() => {}); // Looked at when the next frame comes.
    return listening;
  }

  async #listen(messages: AsyncIterable<Bytes>, key: Bytes): Promise<void> {
    this.#tellMs = 0;
    const sealed = await sealedRecords(key);
    for await (const bytes of messages) {
      // One that was missed, or altered.
      const message = await sealed.open(bytes).catch(() => undefined);
      if (!message) throw new StreamError("lagging");
      // Who subscribed too late, or missed one, has a stream of its own for the rest.
      if (u64(message) !== this.#came) throw new StreamError("lagging");
      this.#fits(message.length - OFFSET - DIGEST);
      await this.#piece(message.slice(OFFSET, OFFSET + DIGEST), message.slice(OFFSET + DIGEST));
    }
  }

  #fits(length: number): number {
    const { file, piece } = this.#options;
    if (length !== Math.min(piece, file.size - this.#came))
      throw new BadPiece("A piece has another length than it should.");
    return length;
  }

  /** Done when there is room for the next. */
  async #piece(digest: Bytes, bytes: Bytes): Promise<void> {
    this.#came += bytes.length;
    const sum = sha256(bytes);
    this.#keeping = this.#keeping.then(async () => this.#keep(digest, await sum, bytes));
    this.#keeping.catch(() => {}); // Looked at when there is no room, and at the end.
    this.#unkept.push(this.#keeping);
    if (this.#unkept.length > UNKEPT_MAX) await this.#unkept.shift();
  }

  async #keep(digest: Bytes, sum: Bytes, bytes: Bytes): Promise<void> {
    const { sink, signal } = this.#options;
    signal.throwIfAborted();
    if (hex(sum) !== hex(digest)) throw new BadPiece("A piece is not what its SHA-256 says.");
    this.#total.add(digest);
    await sink.write(bytes).catch((error: unknown) => {
      throw new NoRoom(String(error));
    });
    this.#options.progressed();
    this.#tell();
  }

  async #end(digest: Bytes): Promise<void> {
    const { file, sink } = this.#options;
    const isWhole = sink.held === file.size && hex(digest) === hex(await this.#total.digest());
    if (!isWhole) throw new BadPiece("The file is not what was sent.");
    await this.#writer.write(fromU64(file.size));
    await this.#writer.close();
  }

  #tell(): void {
    const now = performance.now();
    if (now - this.#toldAt < this.#tellMs) return;
    this.#toldAt = now;
    this.#writer.write(fromU64(this.#options.sink.held)).catch(() => {}); // Reading fails with the same.
  }
}

/** The length of a note. */
function noteOf(length: number): number {
  if (length - NOTE > NOTE_MAX) throw new BadPiece("A note is too long.");
  return length - NOTE;
}

/** A channel that has ended says nothing more: the end comes on the stream. */
function never(): Promise<never> {
  return new Promise(() => {});
}
