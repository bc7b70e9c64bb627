// One file on its way to one receiver, at the sender.

import { type Stream, StreamError } from "browser-stream-server";
import { type Bytes, hex, Total } from "./digest.ts";
import { Exactly, u64 } from "./exactly.ts";
import { Pace } from "./pace.ts";
import { type Offered, pieceAt, pieces } from "./pieces.ts";
import { type Ask, CODES, head, note, PIECE } from "./wire.ts";

export type TransferState = "beginning" | "waiting" | "sending" | "done" | "failed" | "cancelled";

export class Transfer {
  readonly offered: Offered;
  readonly ask: Ask;
  state: TransferState = "beginning";
  /** Bytes that the receiver says it holds. */
  arrived: number;
  error: unknown;
  readonly pace: Pace;
  readonly #stream: Stream;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array | string>;
  readonly #changed: () => void;
  #wakes: (() => void)[] = [];

  constructor(stream: Stream, offered: Offered, ask: Ask, changed: () => void) {
    this.offered = offered;
    this.ask = ask;
    this.arrived = ask.from ?? 0;
    this.pace = new Pace(this.arrived);
    this.#stream = stream;
    this.#writer = stream.writable.getWriter();
    this.#writer.closed.catch(() => {}); // The stream's own `closed` tells.
    this.#changed = changed;
  }

  get isOver(): boolean {
    return ["done", "failed", "cancelled"].includes(this.state);
  }

  /** Sends it when `started` resolves, to the pieces that it gives if it gives any: they go over a channel. Resolves when that is over, however it ended. */
  async run(started: Promise<Shared | undefined>): Promise<void> {
    this.#changed();
    try {
      await this.#check();
      this.#become("waiting");
      const shared = await Promise.race([started, this.#stream.closed.then(() => undefined)]);
      this.#become("sending");
      const sending = shared ? this.#share(shared) : this.#send();
      await Promise.all([sending, this.#hear()]);
      await this.#stream.closed;
      this.#become(this.arrived === this.offered.listed.size ? "done" : "failed");
    } catch (error) {
      if (!(error instanceof StreamError)) this.#give(error);
      this.error = error;
      const code = error instanceof StreamError ? error.number : 0;
      const isCancelled = code === CODES.cancelledByReceiver || code === CODES.cancelledBySender;
      this.#become(isCancelled ? "cancelled" : "failed");
    }
  }

  /** The receiver gets no more of it, and is told. */
  cancel(): void {
    if (!this.isOver) this.#stream.error("The sender cancelled it.", CODES.cancelledBySender);
  }

  /** Resolves when more has arrived, or it is over. */
  moved(): Promise<void> {
    return new Promise((resolve) => this.#wakes.push(resolve));
  }

  #give(error: unknown): void {
    this.#stream.closed.catch(() => {}); // We know.
    if (error instanceof Unshared) return this.#stream.reset("busy");
    const code = error instanceof OtherFile ? CODES.otherFile : CODES.unreadable;
    this.#stream.error(error instanceof Error ? error.message : String(error), code);
  }

  /** What the receiver holds must be of this file. */
  async #check(): Promise<void> {
    const { from = 0, have } = this.ask;
    const { size } = this.offered.listed;
    if (from > size || (from < size && from % PIECE > 0)) throw new OtherFile("What you hold is no part of this file.");
    if (from === 0) return;
    const { digest } = await pieceAt(this.offered, Math.floor((from - 1) / PIECE) * PIECE);
    if (hex(digest) !== have) throw new OtherFile("What you hold is of another file.");
  }

  async #send(): Promise<void> {
    const total = new Total();
    for await (const { bytes, digest } of pieces(this.offered, this.ask.from ?? 0)) {
      total.add(digest);
      await this.#writer.ready;
      for (const part of [head(bytes.length, digest), bytes]) this.#writer.write(part).catch(() => {}); // Ending fails, too.
    }
    await this.#end(await total.digest());
  }

  async #share({ channel, key, ended }: Shared): Promise<void> {
    await this.#writer.write(note({ channel, key }));
    await this.#end(await Promise.race([ended, this.#stream.closed.then(() => new Uint8Array())]));
  }

  async #end(total: Bytes): Promise<void> {
    await this.#writer.write(head(0, total));
    await this.#writer.close();
  }

  /** What the receiver says of how far it is. */
  async #hear(): Promise<void> {
    const numbers = new Exactly(this.#stream.readable);
    for (let number = await numbers.take(8); number; number = await numbers.take(8)) {
      this.arrived = Math.min(u64(number), this.offered.listed.size);
      this.#wake();
    }
  }

  #become(state: TransferState): void {
    this.state = state;
    this.#changed();
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakes.splice(0)) wake();
  }
}

/** A file that goes to several at once. */
export interface Shared {
  readonly channel: string;
  /** 32 bytes in hex, under which its messages are sealed. */
  readonly key: string;
  /** All pieces are out: the digest of their digests. */
  readonly ended: Promise<Bytes>;
}

/** The channel broke: each receiver asks for the rest on a stream of its own. */
export class Unshared extends Error {
  override readonly name = "Unshared";
}

class OtherFile extends Error {}
