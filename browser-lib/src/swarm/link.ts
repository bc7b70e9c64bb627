// Our stream to one holder: all contents that are fetched from it are asked for here.

import { StreamError } from "../error.ts";
import { fromHex } from "../hex.ts";
import { later } from "../later.ts";
import { Fifo } from "../mux/queue.ts";
import { settler } from "../settler.ts";
import type { Stream } from "../stream.ts";
import type { Bitmap } from "./bitmap.ts";
import { PIECE_BYTES } from "./manifest.ts";
import {
  type Answer,
  Answers,
  ASK,
  breach,
  CANCEL,
  DROP,
  GOT,
  HAVE,
  LIMIT,
  MANIFEST,
  MANIFEST_IS,
  NONE,
  PIECE,
  record,
  want,
} from "./records.ts";
import { STALL_MS } from "./schedule.ts";
import { Trust } from "./trust.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a fetch hears from a holder. */
export interface Taker {
  /** Something came, be it for another content. */
  heard(): void;
  have(bitmap: Bitmap): void;
  got(piece: number): void;
  /** It has nothing of this content. */
  none(): void;
  manifest(bytes: Bytes): void;
  piece(piece: number, bytes: Bytes): void;
  refused(piece: number, isFull: boolean): void;
  /** Nothing comes any more. */
  over(): void;
}

/** Who does not answer within this time is no holder. Milliseconds. */
export const CONNECT_MS = 3_000;
/** A link that nobody needs is kept for so long. Milliseconds. */
const IDLE_MS = 30_000;
/** The holder allows 64 unanswered, and a piece that was cancelled while it was sent counts there. */
const UNANSWERED_MAX = 60;

/** One content on a link. */
export class Wanting {
  readonly id: string;
  taker: Taker;
  readonly ref: number;
  readonly #link: Link;
  /** What was asked, and whether the holder knows, or whether that waits. */
  readonly asked = new Map<number, boolean>();

  constructor(link: Link, id: string, ref: number, taker: Taker) {
    this.#link = link;
    this.id = id;
    this.ref = ref;
    this.taker = taker;
  }

  askManifest(): void {
    this.#link.say(record(MANIFEST, this.ref));
  }

  ask(piece: number): void {
    this.asked.set(piece, false);
    this.#link.ask(this, piece);
  }

  cancel(piece: number): void {
    const isSent = this.asked.get(piece);
    this.asked.delete(piece);
    if (isSent) this.#link.cancel(this, piece);
  }

  /** The fetch needs the holder no more. */
  drop(): void {
    this.#link.drop(this);
  }

  /** How many asks the holder has not answered. */
  get unanswered(): number {
    return [...this.asked.values()].filter((isSent) => isSent).length;
  }
}

export class Link {
  readonly name: string;
  readonly trust = new Trust();
  /** When we began to connect. */
  readonly since = performance.now();
  /** Resolves when the holder accepted us; rejects with why there is no link. */
  readonly up: Promise<void>;
  readonly #up = settler();
  readonly #stream: Stream;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers = new Answers();
  readonly #wanting = new Map<number, Wanting>();
  /** Asks that were sent and not answered, and those that wait for that. */
  #unanswered = 0;
  readonly #waiting = new Fifo<readonly [Wanting, number]>();
  #refs = 0;
  /** Bytes that may come although nobody wants them any more: they were under way when they were cancelled. */
  #excused = 0;
  #idle: ReturnType<typeof later> | undefined;
  #error: StreamError | undefined;
  #isUp = false;
  readonly #over: (error: StreamError, wasUp: boolean, owed: boolean) => void;

  /** `over` hears why it ended, whether it was up, and whether something was owed to us. */
  constructor(name: string, stream: Stream, over: (error: StreamError, wasUp: boolean, owed: boolean) => void) {
    this.name = name;
    this.#stream = stream;
    this.#over = over;
    this.up = this.#up.promise;
    this.#writer = stream.writable.getWriter();
    this.#writer.closed.catch(ignore);
    void this.#run();
  }

  /** The holder accepted us. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Whether there is none any more. */
  get isOver(): boolean {
    return this.#error !== undefined;
  }

  /** What carries it. */
  get carrier(): "proxy" | "direct" {
    return this.#stream.carrier;
  }

  want(id: string, taker: Taker): Wanting {
    clearTimeout(this.#idle);
    const wanting = new Wanting(this, id, this.#refs++, taker);
    this.#wanting.set(wanting.ref, wanting);
    this.say(want(wanting.ref, fromHex(id, 32) as Bytes));
    return wanting;
  }

  say(bytes: Uint8Array): void {
    if (!this.isOver) this.#writer.write(bytes).catch(ignore);
  }

  ask(wanting: Wanting, piece: number): void {
    this.#waiting.push([wanting, piece]);
    this.#pump();
  }

  cancel({ ref }: Wanting, piece: number): void {
    this.say(record(CANCEL, ref, piece));
    this.#excuse(1);
  }

  drop(wanting: Wanting): void {
    if (!this.#wanting.has(wanting.ref)) return;
    if (this.trust.isLate && wanting.asked.size > 0) this.#collect(wanting);
    else this.#let(wanting);
  }

  /** Nobody needs what a late holder owes any more; but whether it gives it shows whether it is one. */
  #collect(wanting: Wanting): void {
    const timer = later(() => this.close(new StreamError("unresponsive", `${this.name} sends nothing`)), STALL_MS);
    const over = () => clearTimeout(timer);
    const paid = () => {
      over();
      this.trust.paid();
      this.#let(wanting);
    };
    const nothing = () => {};
    wanting.taker = {
      heard: nothing,
      have: nothing,
      got: nothing,
      manifest: nothing,
      none: over,
      over,
      piece: paid,
      refused: paid,
    };
  }

  #let(wanting: Wanting): void {
    if (!this.#wanting.delete(wanting.ref)) return;
    this.say(record(DROP, wanting.ref));
    this.#excuse(wanting.unanswered);
    wanting.asked.clear();
    this.#rest();
  }

  /** Gives it up, for this reason. */
  close(error = new StreamError("cancelled")): void {
    this.#end(error);
    this.#stream.reset();
  }

  async #run(): Promise<void> {
    const timer = later(() => this.close(new StreamError("timeout", `${this.name} does not answer`)), CONNECT_MS);
    try {
      await this.#stream.opened;
      clearTimeout(timer);
      this.#isUp = true;
      this.#up.resolve();
      for await (const chunk of this.#stream) {
        this.trust.heardAt = performance.now();
        for (const { taker } of this.#wanting.values()) taker.heard();
        this.#answers.push(chunk);
        for (let answer = this.#answers.next(); answer; answer = this.#answers.next()) this.#take(answer);
        if (this.isOver) return;
      }
      this.#end(new StreamError("gone", `${this.name} ended`));
      this.#stream.reset();
    } catch (thrown) {
      const error = StreamError.from(thrown);
      this.#end(error);
      this.#stream.reset(error.code === "bad_request" ? error.code : undefined);
    } finally {
      clearTimeout(timer);
    }
  }

  #end(error: StreamError): void {
    if (this.isOver) return;
    this.#error = error;
    clearTimeout(this.#idle);
    this.#up.reject(error);
    const all = [...this.#wanting.values()];
    this.#wanting.clear();
    const isOwed = all.some(({ asked }) => asked.size > 0);
    this.#over(error, this.#isUp, isOwed);
    for (const { taker } of all) taker.over();
  }

  #take(answer: Answer): void {
    const wanting = this.#wanting.get(answer.ref);
    if (!wanting) return this.#pass(answer);
    const { taker, asked } = wanting;
    switch (answer.type) {
      case HAVE:
        return taker.have(answer.bitmap);
      case GOT:
        return taker.got(answer.index);
      case NONE:
        this.#wanting.delete(wanting.ref);
        this.#unanswer(wanting.unanswered);
        this.#rest();
        return taker.none();
      case MANIFEST_IS:
        return taker.manifest(answer.bytes);
      case PIECE:
        if (!asked.delete(answer.index)) return this.#pass(answer);
        this.#unanswer(1);
        return taker.piece(answer.index, answer.bytes);
      default:
        if (!asked.delete(answer.index)) return;
        this.#unanswer(1);
        return taker.refused(answer.index, answer.code === LIMIT);
    }
  }

  /** Nobody may need it any more. */
  #rest(): void {
    clearTimeout(this.#idle);
    if (this.#wanting.size === 0 && !this.isOver) this.#idle = later(() => this.close(), IDLE_MS);
  }

  /** What nobody wants any more; a holder that sends what nobody ever asked for is none. */
  #pass(answer: Answer): void {
    if (answer.type !== PIECE) return;
    this.#excused -= answer.bytes.length;
    if (this.#excused < 0) throw breach("pieces that nobody asked for");
  }

  #excuse(pieces: number): void {
    this.#excused += pieces * PIECE_BYTES;
    this.#unanswer(pieces);
  }

  #unanswer(count: number): void {
    this.#unanswered = Math.max(0, this.#unanswered - count);
    this.#pump();
  }

  #pump(): void {
    while (this.#unanswered < UNANSWERED_MAX) {
      const next = this.#waiting.shift();
      if (!next) return;
      const [{ ref, asked }, piece] = next;
      if (asked.get(piece) !== false || !this.#wanting.has(ref)) continue;
      asked.set(piece, true);
      this.#unanswered++;
      this.say(record(ASK, ref, piece));
    }
  }
}

function ignore(): void {}
