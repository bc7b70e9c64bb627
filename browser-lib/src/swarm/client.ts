// Somebody who fetches from us: what it wants to know, and the pieces that it asked for, one after the other.

import { StreamError } from "../error.ts";
import { toHex } from "../hex.ts";
import type { Stream } from "../stream.ts";
import {
  ASK,
  breach,
  CANCEL,
  DROP,
  GOT,
  have,
  LIMIT,
  MANIFEST,
  MANIFEST_IS,
  NONE,
  NOT_FOUND,
  PIECE,
  REFUSED,
  record,
  WANT,
  type Wish,
  wishDecoder,
} from "./records.ts";
import type { Content } from "./shelf.ts";
import { SLICE, type Uplink } from "./uplink.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Pieces that one may have asked for and not got; contents that it may ask about at a time. */
const UNANSWERED_MAX = 64;
const REFS_MAX = 4096;

/** What is given to those who fetch. */
export interface Supply {
  readonly uplink: Uplink;
  find(id: string): Content | undefined;
  /** A piece, verified. */
  read(content: Content, piece: number): Promise<Bytes | undefined>;
  /** A piece of that content left, for the peer with this session. */
  served(content: Content, piece: number, carrier: "proxy" | "direct", peer: string | undefined): void;
}

interface Asked {
  readonly ref: number;
  readonly piece: number;
  readonly bytes: number;
}

export class Client {
  readonly #stream: Stream;
  readonly #supply: Supply;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  /** Contents that it asked about; of those that we do not have it was told so. */
  readonly #refs = new Map<number, string>();
  readonly #queue: Asked[] = [];
  #isSending = false;
  /** What is to be said behind the piece that is being sent. */
  #behind: Uint8Array[] | undefined;
  /** Contents of which it was refused a piece for want of room. */
  readonly #refused = new Set<number>();
  readonly #again = (): void => this.#inviteAgain();

  constructor(stream: Stream, supply: Supply) {
    this.#stream = stream;
    this.#supply = supply;
    this.#writer = stream.writable.getWriter();
    this.#writer.closed.catch(ignore);
  }

  /** Hears it to its end. */
  async run(): Promise<void> {
    const wishes = wishDecoder();
    try {
      for await (const chunk of this.#stream) {
        wishes.push(chunk);
        for (let wish = wishes.next(); wish; wish = wishes.next()) this.#hear(wish);
      }
      this.#stream.end();
    } catch (thrown) {
      const { code } = StreamError.from(thrown);
      this.#stream.reset(code === "bad_request" || code === "limit" ? code : undefined);
    } finally {
      this.#forget(() => true);
      this.#supply.uplink.forget(this.#again);
    }
  }

  /** We have one more piece of a content. */
  came({ id }: Content, piece: number): void {
    for (const [ref, wanted] of this.#refs) if (wanted === id) this.#say(record(GOT, ref, piece));
  }

  /** We have less of a content, or nothing any more. */
  went(content: Content, isGone: boolean): void {
    for (const [ref, wanted] of [...this.#refs]) {
      if (wanted !== content.id) continue;
      if (!isGone) this.#say(have(ref, content.has));
      else this.#none(ref);
    }
  }

  #hear(wish: Wish): void {
    const id = this.#refs.get(wish.ref);
    const content = id === undefined ? undefined : this.#supply.find(id);
    switch (wish.type) {
      case WANT:
        if (id !== undefined) throw breach("a ref that is in use");
        if (this.#refs.size >= REFS_MAX) throw new StreamError("limit");
        return this.#want(wish.ref, toHex(wish.id));
      case DROP:
        this.#refs.delete(wish.ref);
        return this.#forget(({ ref }) => ref === wish.ref);
      case MANIFEST:
        if (!content) return this.#none(wish.ref);
        this.#say(record(MANIFEST_IS, wish.ref, content.manifest.bytes.length));
        return this.#say(content.manifest.bytes);
      case ASK:
        return this.#ask(wish.ref, wish.index, content);
      case CANCEL:
        return this.#forget(({ ref, piece }) => ref === wish.ref && piece === wish.index);
    }
  }

  #want(ref: number, id: string): void {
    const content = this.#supply.find(id);
    if (!content || content.has.count < Math.min(1, content.manifest.pieces)) return this.#say(record(NONE, ref));
    this.#refs.set(ref, id);
    this.#say(have(ref, content.has));
  }

  #none(ref: number): void {
    if (!this.#refs.delete(ref)) return;
    this.#forget((asked) => asked.ref === ref);
    this.#say(record(NONE, ref));
  }

  #ask(ref: number, piece: number, content: Content | undefined): void {
    if (!content?.has.has(piece)) return this.#say(record(REFUSED, ref, piece, NOT_FOUND));
    if (this.#queue.length >= UNANSWERED_MAX) throw new StreamError("limit");
    const bytes = content.manifest.lengthOf(piece);
    if (!this.#supply.uplink.promise(bytes)) {
      this.#refused.add(ref);
      this.#supply.uplink.hasRoom(this.#again);
      return this.#say(record(REFUSED, ref, piece, LIMIT));
    }
    this.#queue.push({ ref, piece, bytes });
    if (!this.#isSending) void this.#send();
  }

  /** There is room again: what we have, said once more, makes it ask. */
  #inviteAgain(): void {
    for (const ref of this.#refused) {
      const content = this.#supply.find(this.#refs.get(ref) ?? "");
      if (content) this.#say(have(ref, content.has));
    }
    this.#refused.clear();
  }

  /** What was asked so is not wanted any more. */
  #forget(isUnwanted: (asked: Asked) => boolean): void {
    // The first one is being sent.
    for (let at = this.#queue.length - 1; at >= (this.#isSending ? 1 : 0); at--) {
      const asked = this.#queue[at];
      if (!asked || !isUnwanted(asked)) continue;
      this.#queue.splice(at, 1);
      this.#supply.uplink.settle(asked.bytes);
    }
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    for (let asked = this.#queue[0]; asked; asked = this.#queue[0]) {
      await this.#sendPiece(asked).catch(ignore);
      this.#queue.shift();
      this.#supply.uplink.settle(asked.bytes);
    }
    this.#isSending = false;
  }

  async #sendPiece({ ref, piece }: Asked): Promise<void> {
    const content = this.#supply.find(this.#refs.get(ref) ?? "");
    const bytes = content && (await this.#supply.read(content, piece));
    if (!content || !bytes) {
      // Nobody waits for a content of which it was told that it is gone.
      return this.#refs.has(ref) ? this.#say(record(REFUSED, ref, piece, NOT_FOUND)) : undefined;
    }
    this.#say(record(PIECE, ref, piece, bytes.length));
    const behind: Uint8Array[] = [];
    this.#behind = behind;
    for (let at = 0; at < bytes.length; at += SLICE) {
      const slice = bytes.subarray(at, at + SLICE);
      const turn = this.#supply.uplink.take(slice.length);
      if (turn) await turn;
      await this.#writer.write(slice);
    }
    this.#supply.served(content, piece, this.#stream.carrier, this.#stream.peer?.session);
    this.#behind = undefined;
    for (const said of behind) this.#say(said);
  }

  #say(bytes: Uint8Array): void {
    if (this.#behind) this.#behind.push(bytes);
    else this.#writer.write(bytes).catch(ignore);
  }
}

function ignore(): void {}
