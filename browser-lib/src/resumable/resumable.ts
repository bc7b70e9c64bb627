// One resumable stream: moves bytes between its user, its endpoint and its carriers, and keeps its clock.

import { Cell, type Host, type Resumption } from "../cell.ts";
import { COPY_MAX } from "../chunk.ts";
import { StreamError } from "../error.ts";
import { randomBytes } from "../hex.ts";
import { later, type Timer } from "../later.ts";
import { codeText, isApplicationCode } from "../mux/codes.ts";
import { Fifo } from "../mux/queue.ts";
import type { Kind } from "../resume/carrier.ts";
import type { Action } from "../resume/course.ts";
import type { Endpoint } from "../resume/endpoint.ts";
import { CARRIER_QUEUE_MAX } from "../resume/limits.ts";
import type { Join } from "../resume/newcomer.ts";
import { prove } from "../resume/proof.ts";
import type { Session } from "../session.ts";
import { type Carrier, count, type Owner } from "./carrier.ts";
import type { Ice } from "./direct.ts";
import { taken } from "./field.ts";
import type { Opener } from "./opener.ts";
import type { Resumables } from "./resumables.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Behind so much nothing more is said on a carrier: a peer that asks and never reads costs no more. */
const SAID_MAX = CARRIER_QUEUE_MAX + 4096;
/** Bytes that are written ahead of what goes out while a carrier lives: more would only leave the processor's cache before they are sent. */
const AHEAD_MAX = 256 * 1024;
/** What a peer may reset with, besides codes of the application's own: the others are not for it to say. */
const RESETS = ["cancelled", "gone", "busy", "limit", "bad_request", "internal"];

/** A timer that is so late says nothing of the time that passed. */
const LATE_MS = 500;

/** The next microtask. */
const turn = Promise.resolve();

/** The user's cell rides on it as on a session. */
export class Resumable implements Host, Owner {
  readonly cell: Cell;
  readonly endpoint: Endpoint;
  readonly carriers = new Set<Carrier>();
  /** The kind of the one that takes the records, or took them last. */
  carrier: Kind = "proxy";
  readonly carried = { proxy: count(), direct: count() };
  /** Server: how to connect directly, where both ends can do with it. */
  readonly ice: Ice | undefined;
  readonly #all: Resumables;
  /** Only a client has one. */
  readonly #opener: Opener | undefined;
  /** What the user wrote and the endpoint has no room for. */
  readonly #unsent = new Fifo<Uint8Array>();
  #queued = 0;
  #written = 0;
  #isFinished = false;
  /** The user neither reads nor writes any more: with this number the stream is reset when what was written arrived. */
  #unheard: number | undefined;
  #lastId = 0;
  #isPoked = false;
  #isOver = false;
  #timer: Timer | undefined;
  #alarm = Infinity;
  /** Carriers were asked again, because the clock was late to judge them. */
  #askedAgain = false;

  constructor(all: Resumables, endpoint: Endpoint, opener?: Opener, cell?: Cell, ice?: Ice) {
    this.#all = all;
    this.ice = ice;
    this.endpoint = endpoint;
    this.#opener = opener;
    this.cell = cell ?? new Cell(this);
    this.cell.host = this;
    all.add(this);
    this.poke();
  }

  get resumption(): Resumption {
    const { moves, resent, received, base } = this.endpoint;
    return { moves, resent, received, acknowledged: Math.min(base, this.#written) };
  }

  /** A large chunk is its writer's until all of it was copied. */
  send(_: number, bytes: Uint8Array): number {
    this.#unsent.push(bytes);
    this.#queued += bytes.length;
    this.#settle();
    this.poke();
    return bytes.length > COPY_MAX && this.#queued > 0 ? Infinity : this.#queued;
  }

  unsent(): number {
    let unsent = this.#queued + this.endpoint.unsent;
    for (const { queued } of this.carriers) unsent += queued;
    return unsent;
  }

  prioritize(_: number, priority: number): void {
    for (const { cell } of this.carriers) cell.priority = priority;
  }

  finish(): void {
    this.#isFinished = true;
    this.#settle();
    this.poke();
  }

  reset(_: number, number: number, message = ""): void {
    if (this.#opener && !this.endpoint.isReplied) {
      // Who waits for a server, or for its verdict, is heard of no more.
      for (const carrier of this.carriers) carrier.close("reset", number);
      this.carriers.clear();
      this.endpoint.giveUp(now());
    } else this.endpoint.reset({ code: codeText(number), message }, now());
    this.poke();
  }

  resetBehind(_: number, number: number): void {
    this.#unheard = number;
    this.poke();
  }

  consumed(_: number, bytes: number): void {
    this.endpoint.consumed(bytes);
    this.poke();
  }

  arrived({ id }: Carrier, bytes: Bytes): void {
    this.endpoint.arrived(id, bytes, now());
    // Now, when the cell can still move neighbours in one message together.
    this.#read();
    this.poke();
  }

  settle(): void {
    this.cell.settle();
  }

  sent(): void {
    this.poke();
  }

  gone(carrier: Carrier): void {
    this.carriers.delete(carrier);
    this.endpoint.closed(carrier.id, now());
    this.poke();
  }

  /** A carrier becomes one of this stream's, with a number that no other had. */
  adopt(carrier: Carrier): Carrier {
    carrier.id = ++this.#lastId;
    carrier.owner = this;
    carrier.counts = this.carried[carrier.kind];
    carrier.cell.priority = this.cell.priority;
    this.carriers.add(carrier);
    return carrier;
  }

  /** A birth open came for it, perhaps again. */
  born(carrier: Carrier, early: number, grace: number): void {
    const { seal } = this.endpoint.identity;
    carrier.cell.sendFrame({ resume: taken(grace, this.ice !== undefined), seal: seal?.reply });
    carrier.cell.accepted();
    this.endpoint.born(this.adopt(carrier).id, early, now());
    carrier.take();
    this.poke();
  }

  /** A carrier said JOIN of it. */
  joined(carrier: Carrier, join: Join): void {
    this.endpoint.joined(this.adopt(carrier).id, carrier.kind, join, randomBytes(16), now());
    this.poke();
  }

  /** A client's stream moves to a new session at once: one that drains is to come to its end. Its server's carriers move with the client's. */
  up(session: Session): void {
    if (this.#opener) {
      for (const carrier of this.carriers) {
        if (carrier.kind === "direct" || carrier.cell.host === session) continue;
        this.gone(carrier);
        carrier.close("reset");
      }
    }
    this.wake();
  }

  wake(): void {
    this.endpoint.wake(now());
    this.poke();
  }

  /** There will be no session any more, or no page: it ends now. */
  giveUp(): void {
    this.endpoint.giveUp(now());
    this.#pump();
  }

  /** The server's reply knows nothing of resumable streams: the cell goes on on the carrier's session, and all that is left here with it. */
  becomePlain(carrier: Carrier): void {
    const { cell } = this;
    const raw = this.endpoint.intoRaw(carrier.id);
    const [session, { id }] = [carrier.cell.host, carrier.cell];
    carrier.owner = undefined;
    if (!raw) return;
    carrier.cell.sink = cell;
    [cell.host, cell.id] = [session, id];
    for (const bytes of raw.unsent) session.send(id, bytes);
    for (let bytes = this.#unsent.shift(); bytes; bytes = this.#unsent.shift()) session.send(id, bytes);
    if (this.#isFinished) session.finish(id);
    if (this.#unheard !== undefined) session.resetBehind(id, this.#unheard);
    this.#end();
  }

  /** Has it look, in the next microtask, for what there is to do. */
  poke(): void {
    if (this.#isPoked) return;
    this.#isPoked = true;
    void turn.then(() => {
      this.#isPoked = false;
      this.#pump();
    });
  }

  /** Moves on what the user wrote and finished, as far as there is room. */
  #settle(): void {
    for (let chunk = this.#unsent.peek(); chunk; chunk = this.#unsent.peek()) {
      const taken = this.endpoint.write(chunk.subarray(0, Math.max(0, AHEAD_MAX - this.endpoint.ahead)));
      this.#queued -= taken;
      this.#written += taken;
      if (taken < chunk.length) {
        this.#unsent.replaceFront(chunk.subarray(taken));
        break;
      }
      this.#unsent.shift();
    }
    if (this.#queued === 0) {
      this.cell.sent(0, false);
      if (this.#isFinished) this.endpoint.finish();
    }
  }

  /** Tells the user of another kind of carrier. */
  #follow(): void {
    const { current } = this.endpoint;
    for (const { id, kind } of this.carriers) {
      if (id !== current || kind === this.carrier) continue;
      this.carrier = kind;
      this.carried[kind].moves++;
      this.cell.moved(kind);
    }
  }

  #read(): void {
    for (let chunk = this.endpoint.read(); chunk; chunk = this.endpoint.read()) this.cell.data(chunk);
  }

  /** Does all that can be done now. */
  #pump(): void {
    if (this.#isOver) return;
    const { endpoint, cell } = this;
    if (this.#queued > 0) this.#settle();
    if (this.#unheard !== undefined && endpoint.isWritten && !endpoint.isRead) {
      endpoint.reset({ code: codeText(this.#unheard), message: "" }, now());
    }
    do this.#write();
    while (this.#act());
    this.#follow();
    this.#read();
    if (endpoint.isRead) cell.finished();
    if (endpoint.isWritten) cell.sent(0, true);
    // What was copied before may have left.
    else if (this.#queued === 0) cell.sent(0, false);
    if (endpoint.outcome) {
      this.#unsent.clear();
      this.#queued = 0;
      if (!cell.isOver) this.#tell();
    }
    this.#keepTime();
    const tombstone = endpoint.tombstone();
    if (tombstone) this.#all.registry.bury(tombstone);
    else if (!endpoint.isOver) return;
    else if (!this.#opener) this.#all.registry.forget(endpoint.identity.id);
    this.#end();
  }

  #write(): void {
    for (const carrier of this.carriers) {
      if (carrier.queued > SAID_MAX || !this.endpoint.wantsTransmit(carrier.id)) continue;
      const room = Math.max(0, CARRIER_QUEUE_MAX - carrier.queued);
      for (const bytes of this.endpoint.transmit(carrier.id, room, now())) carrier.send(bytes);
    }
  }

  /** What the endpoint asks for; whether that was something. */
  #act(): boolean {
    let acted = false;
    for (let action = this.endpoint.poll(); action; action = this.endpoint.poll()) {
      this.#do(action);
      acted = true;
    }
    return acted;
  }

  #do(action: Action): void {
    if (action.type === "open") void this.#opener?.open(this, action.birth);
    else if (action.type === "macs") void this.#prove(action.request);
    else {
      for (const carrier of this.carriers) {
        if (carrier.id !== action.carrier) continue;
        this.carriers.delete(carrier);
        carrier.close(action.how);
      }
    }
  }

  async #prove(request: Parameters<typeof prove>[0]): Promise<void> {
    const macs = await prove(request);
    this.endpoint.macs(request.carrier, macs, now());
    this.poke();
  }

  #tell(): void {
    const { outcome } = this.endpoint;
    if (outcome?.type === "clean") return this.cell.ended(true);
    const { received, acknowledged } = this.resumption;
    const isAsking = this.#opener && !this.endpoint.isReplied;
    const counts = `the other side cannot be reached any more: ${received} bytes had come, ${acknowledged} were acknowledged`;
    let { code, message }: { code: string; message?: string | undefined } =
      outcome?.type === "reset" || outcome?.type === "refused"
        ? outcome.reason
        : { code: this.#all.session.error?.code ?? "lost", message: isAsking ? undefined : counts };
    if (isAsking) message ||= this.#all.session.why;
    const isOwn = /^\d+$/.test(code) && isApplicationCode(Number(code));
    if (outcome?.type === "reset" && !isOwn && !RESETS.includes(code)) [code, message] = ["internal", ""];
    this.cell.fail(new StreamError(code, message), true);
  }

  /** One that moved further away is looked at when it would have been due. */
  #keepTime(): void {
    const deadline = this.endpoint.deadline() ?? Infinity;
    if (deadline < Infinity && deadline >= this.#alarm) return;
    clearTimeout(this.#timer);
    this.#alarm = deadline;
    if (deadline === Infinity) return;
    this.#timer = later(() => this.#tick(), Math.max(0, deadline - now()));
  }

  #tick(): void {
    const isLate = now() - this.#alarm > LATE_MS;
    this.#alarm = Infinity;
    // What came while the page stood still has yet to be heard: once, a verdict that is late is put off for another question.
    this.#askedAgain = isLate && !this.#askedAgain && this.endpoint.isAsking;
    if (this.#askedAgain) for (const { id } of this.carriers) this.endpoint.suspect(id, now());
    this.endpoint.tick(now());
    // A carrier that is dead is replaced on the same connection: that must not be dead as well.
    if (this.endpoint.isAsking) this.#all.ask();
    this.#pump();
  }

  #end(): void {
    this.#isOver = true;
    this.#unsent.clear();
    clearTimeout(this.#timer);
    this.#all.forget(this);
  }
}

export function now(): number {
  return performance.now();
}
