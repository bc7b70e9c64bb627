// One end of a resumable stream without I/O (RESUME.md, sections 2 to 5): what happened goes in with the time, what to do comes out.

import { Arrivals } from "./arrivals.ts";
import { Budget } from "./budget.ts";
import { Carrier, type Kind } from "./carrier.ts";
import { Client } from "./client.ts";
import type { Action, Terms } from "./course.ts";
import { Decoder } from "./decoder.ts";
import { CARRIER_QUEUE_MAX, EARLY_MAX, type Limits } from "./limits.ts";
import type { Join } from "./newcomer.ts";
import type { Tombstone } from "./outcome.ts";
import { isSame, type Macs } from "./proof.ts";
import { Receiver } from "./receiver.ts";
import { JOIN, PROOF, PROVE, type Reason } from "./record.ts";
import { Sender } from "./sender.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Errors of a proxy carrier's open that mean: again. */
const AGAIN = ["not_found", "timeout", "unresponsive", "busy", "limit", "draining", "internal"];
/**
 * A shell hands in what happened, then does every action that `poll` gives, asks `transmit` for the bytes of each carrier that can take some, takes what
 * is there to be read with `read`, and calls `tick` at `deadline`.
 */
export class Endpoint extends Arrivals {
  /** The client's end of a new stream; asks at once for the birth carrier. `random` gives numbers from 0 to 1. */
  static connect(terms: Terms, openTimeout: number, random: () => number, now: number): Endpoint {
    const endpoint = new Endpoint(terms, "opening", terms.limits.grace);
    endpoint.client = new Client(openTimeout, random, now);
    endpoint.actions.push({ type: "open", birth: true });
    return endpoint;
  }

  /** The server's end of a new stream; `grace` as the reply tells it. Hand in the birth carrier with `born`. */
  static accept(terms: Terms, grace: number, now: number): Endpoint {
    const endpoint = new Endpoint(terms, "live", grace);
    endpoint.absent = now;
    return endpoint;
  }

  /** A server's end that ended before, because a carrier came for it. */
  static revive({ identity, outcome, received, total, base, hold, expires }: Tombstone, limits: Limits): Endpoint {
    const budget = new Budget(0);
    const endpoint = new Endpoint({ identity, limits, budget }, "tombstone", hold - limits.holdExtra);
    endpoint.sender = new Sender(limits, budget, base);
    endpoint.receiver = Receiver.buried(limits, budget, received, total);
    endpoint.outcome = outcome;
    // Only a carrier that is proven starts the hold anew.
    endpoint.absent = endpoint.ended = expires - hold;
    return endpoint;
  }

  /** Takes a copy of as much as may be written now off the front of `bytes`; how much. */
  write(bytes: Uint8Array): number {
    return this.takesBytes ? this.sender.write(bytes) : 0;
  }

  /** How many bytes may be written now; 0 also once the direction or the stream ended. */
  get writable(): number {
    return this.takesBytes ? this.sender.writable : 0;
  }

  /** Bytes that were written and did not go out on the current carrier yet; none while there is no carrier. */
  get ahead(): number {
    return this.active ? this.sender.ahead : 0;
  }

  /** The same, but without a carrier those that are not acknowledged. */
  get unsent(): number {
    return this.active ? this.sender.ahead : Math.max(0, this.sender.written - this.sender.base);
  }

  /** Ends one's own direction behind what was written. */
  finish(): void {
    if (this.takesBytes) this.sender.finished = true;
  }

  /** The next chunk of the peer's direction. Say with `consumed` when the application is through with it. */
  read(): Bytes | undefined {
    return this.receiver.read();
  }

  consumed(bytes: number): void {
    if (this.takesBytes) this.receiver.consumed(bytes);
  }

  get isReadable(): boolean {
    return this.receiver.isReadable;
  }

  /** Every byte of the peer's direction was taken, and it ended cleanly. */
  get isRead(): boolean {
    return this.receiver.isRead;
  }

  /** The peer holds every byte of one's own direction, and knows that it ended. */
  get isWritten(): boolean {
    return this.sender.isFinAcknowledged;
  }

  /** Client: the server took the stream up; until then no carrier can be joined. */
  get isReplied(): boolean {
    return this.client?.isReplied === true;
  }

  /** Bytes of the peer's direction that were received. */
  get received(): number {
    return this.receiver.received;
  }

  /** The position up to which the peer acknowledged one's own. */
  get base(): number {
    return this.sender.base;
  }

  /** Bytes that were sent more than once. */
  get resent(): number {
    return this.sender.resent;
  }

  /** The carriers that live, and the one of them that takes the records. */
  get ids(): number[] {
    return this.carriers.map(({ id }) => id);
  }

  get current(): number | undefined {
    return this.active?.id;
  }

  /** A carrier was asked for a sign of life, and nothing came on it since: what is below it may be dead, too. */
  get isAsking(): boolean {
    return this.carriers.some((carrier) => carrier.deadAt(this.limits) !== undefined);
  }

  /** The next thing to do, oldest first. */
  poll(): Action | undefined {
    return this.actions.shift();
  }

  /** Nothing will happen any more: a client that is freed and has said its last word, or a server that forgot. */
  get isOver(): boolean {
    return this.state === "freed" && this.carriers.length === 0 && this.actions.length === 0;
  }

  /** A server's ended stream that no carrier holds on to: what to remember in its place. Take what is there to be read first. */
  tombstone(): Tombstone | undefined {
    let outcome = this.outcome;
    if (this.state !== "tombstone" || this.carriers.length > 0 || !outcome) return undefined;
    // A peer's text is not kept for it.
    if (outcome.type === "reset" && !outcome.here) outcome = { ...outcome, reason: { code: "", message: "" } };
    const { position: received, total } = this.receiver;
    const hold = this.hold;
    const expires = this.holdDeadline ?? this.ended + hold;
    return { identity: this.identity, outcome, received, total, base: this.base, hold, expires };
  }

  /** Client: the birth open leaves on this carrier. The early bytes that stand right behind it, as many as the open says. */
  birth(id: number, now: number): Bytes[] {
    const client = this.client;
    if (!client || client.isReplied) return [];
    if (this.state === "freed") {
      this.#close(id);
      return [];
    }
    client.bears(now);
    const early = this.takesBytes ? this.sender.early(EARLY_MAX) : [];
    const carrier = this.#add(new Carrier(id, "proxy", "birth", new Decoder(), now));
    carrier.early = early.reduce((sum, { length }) => sum + length, 0);
    this.settle(now);
    return early;
  }

  /** Client: the reply to the birth open takes the stream up, with the smaller grace. What came behind it goes to `arrived`. */
  replied(id: number, grace: number, now: number): void {
    const carrier = this.#find(id);
    if (!this.client || carrier?.stage !== "birth") return;
    this.grace = Math.min(grace, this.grace);
    this.client.isReplied = true;
    this.client.tries = 0;
    if (this.state === "opening") this.state = "live";
    carrier.hears(now);
    this.prove(carrier, now);
    if (!this.active) {
      this.active = carrier;
      this.wasActive = true;
      this.sender.next = carrier.sent = carrier.early;
      if (this.state === "resetting") carrier.owe().reset = true;
    }
    this.settle(now);
  }

  /** Client: the reply to the birth open does not know `resume`. What goes on raw behind the early bytes of that carrier. */
  intoRaw(id: number): { unsent: Bytes[]; finished: boolean } | undefined {
    const carrier = this.#find(id);
    if (carrier?.stage !== "birth") return undefined;
    this.receiver.stop();
    return { unsent: this.sender.rest(carrier.early), finished: this.sender.finished };
  }

  /** Client: a carrier was opened to join. Of proxy carriers the older ones are closed first. */
  join(id: number, kind: Kind, nonce: Bytes, now: number): void {
    const client = this.client;
    if (client && kind === "proxy") client.isAsked = false;
    if (!client?.isReplied || this.state === "freed") return this.#close(id);
    if (kind === "proxy") {
      for (const old of this.carriers.filter((old) => old.kind === kind && !old.isLeaving)) {
        this.remove(old, "reset", now);
      }
    }
    const carrier = this.#add(new Carrier(id, kind, "joined", new Decoder(), now));
    carrier.deadline = now + (kind === "proxy" ? this.limits.handshakeProxy : this.limits.handshakeDirect);
    carrier.nonce = nonce;
    carrier.owe().handshake = [JOIN, ...this.identity.id, ...nonce];
    this.settle(now);
  }

  /** Client: the shell cannot open a proxy carrier at present. `wake` when it can. */
  unopened(now: number): void {
    if (this.client) this.client.isAsked = false;
    this.settle(now);
  }

  /** Client: a carrier's open was answered with an error. */
  refused(id: number, reason: Reason, now: number): void {
    const carrier = this.#find(id);
    const client = this.client;
    if (!carrier || !client) return;
    const isFinal = !AGAIN.includes(reason.code);
    const isBirth = carrier.stage === "birth";
    this.remove(carrier, undefined, now);
    // What a proxy that goes down answers is the first open's answer no more than a repeated one's.
    const isFirst = client.births - client.unheard === 1 && reason.code !== "draining";
    if (isBirth && (isFirst || isFinal)) this.end({ type: "refused", reason }, "freed", now);
    else if (isBirth) client.refusal = reason;
    else if (isFinal && !this.isProven) this.lose(now);
    this.settle(now);
  }

  /** Server: a birth open of this stream came on a carrier, the first or again; its reply was sent, and `early` raw bytes stand behind the open. */
  born(id: number, early: number, now: number): void {
    if (this.state === "freed") return this.#close(id);
    const carrier = this.#add(new Carrier(id, "proxy", "proven", new Decoder(early), now));
    this.prove(carrier, now);
    if (this.isLost) this.sayGone(carrier, now);
    this.settle(now);
  }

  /** Server: a carrier said JOIN of this stream. */
  joined(id: number, kind: Kind, { nonce: client, decoder, deadline, pass }: Join, nonce: Bytes, now: number): void {
    if (this.state === "freed") {
      pass.free();
      return this.#close(id);
    }
    const carrier = this.#add(new Carrier(id, kind, "asked", decoder, now));
    carrier.deadline = deadline;
    carrier.pass = pass;
    carrier.nonce = nonce;
    if (this.isLost) this.sayGone(carrier, now);
    else this.askMacs(carrier, client, nonce);
    this.arrive(carrier, now);
    this.settle(now);
  }

  /** The macs that were asked for; ignored if the carrier is gone. */
  macs(id: number, { server, client }: Macs, now: number): void {
    const carrier = this.#find(id);
    if (carrier?.stage === "asked") {
      carrier.owe().handshake = [PROVE, ...(carrier.nonce ?? []), ...server];
      carrier.owe().ack = true;
      carrier.mac = client;
      carrier.stage = "challenged";
    } else if (carrier?.stage === "checking" && carrier.mac) {
      if (!isSame(carrier.mac, server)) this.breakOff(carrier, now);
      else {
        carrier.owe().handshake = [PROOF, ...client];
        carrier.owe().ack = true;
        this.prove(carrier, now);
        this.settle(now);
        this.arrive(carrier, now);
      }
    }
    this.settle(now);
  }

  /** A carrier brought bytes; those of an unknown one are dropped. Give its credit back at once. */
  arrived(id: number, bytes: Bytes, now: number): void {
    const carrier = this.#find(id);
    if (carrier && !carrier.isLeaving) {
      const { decoder } = carrier;
      decoder.rest = decoder.rest.length > 0 ? Uint8Array.from([...decoder.rest, ...bytes]) : bytes;
      this.arrive(carrier, now);
    }
    this.settle(now);
  }

  /** A carrier ended, or is known to be dead: its records may be lost from anywhere on. One that went out on a connection without an answer, `unheard`, was no birth. */
  closed(id: number, now: number, unheard = false): void {
    const carrier = this.#find(id);
    if (carrier) this.remove(carrier, undefined, now);
    if (unheard && carrier?.stage === "birth" && this.client) this.client.unheard++;
    this.settle(now);
  }

  /** A carrier may be dead (ICE says `disconnected`): it is asked at once. */
  suspect(id: number, now: number): void {
    const carrier = this.#find(id);
    if (carrier?.isProven) this.probe(carrier, now);
  }

  /** The network or the machine is back, or the session is up: every carrier is asked, and one that is missing is opened, at once. */
  wake(now: number): void {
    for (const carrier of this.carriers) if (carrier.isProven) this.probe(carrier, now);
    if (this.client) this.client.tries = 0;
    this.settle(now);
    this.reopenAtOnce(now);
  }

  /** The program ends, or wants no more of it: the peer is told GONE if it can be, and the stream is lost unless it had ended. */
  giveUp(now: number): void {
    // On all: a direct one of a page that goes may lose its last words.
    for (const carrier of this.state === "freed" ? [] : this.carriers.filter(({ isProven }) => isProven)) {
      // A peer that waits to hear of an end that was whole must not hear of another.
      if (!this.outcome) carrier.owe().gone = true;
      this.leave(carrier, now);
    }
    this.lose(now);
  }

  /** When `tick` must be called; changes with every input. */
  deadline(): number | undefined {
    const limits = this.limits;
    const isOutstanding = this.isOutstanding;
    const all = [this.choiceDeadline, this.endDeadline, this.client?.reopen];
    if (this.active) all.push(this.receiver.deadline);
    for (const carrier of this.carriers) {
      all.push(carrier.deadline, carrier.deadAt(limits), isOutstanding ? carrier.quietAt(limits) : undefined);
    }
    const first = Math.min(...all.map((at) => at ?? Infinity));
    return first < Infinity ? first : undefined;
  }

  /** Does what is due by `now`. */
  tick(now: number): void {
    this.receiver.tick(now);
    const isDue = (at: number | undefined) => at !== undefined && at <= now;
    for (const carrier of [...this.carriers]) {
      if (isDue(carrier.deadline) || isDue(carrier.deadAt(this.limits))) this.remove(carrier, "reset", now);
    }
    for (const carrier of this.carriers) {
      if (this.isOutstanding && isDue(carrier.quietAt(this.limits))) this.probe(carrier, now);
    }
    if (isDue(this.endDeadline)) this.timeOut(now);
    this.settle(now);
    this.reopen(now);
  }

  /** Whether `transmit` would put something out, given room. */
  wantsTransmit(id: number): boolean {
    const carrier = this.#find(id);
    if (!carrier) return false;
    if (carrier.due || carrier.isLeaving) return true;
    return this.active === carrier && (this.receiver.isDue || this.wantsData);
  }

  /**
   * What leaves on a carrier now, to be written back to back: what must be said, then at most `room` bytes of DATA, slices of what is kept. `room` is what the
   * carrier's queue may still take.
   */
  transmit(id: number, room: number, now: number): Bytes[] {
    const carrier = this.#find(id);
    const out: Bytes[] = [];
    if (!carrier) return out;
    const head = this.say(carrier);
    if (this.active === carrier && this.wantsData) {
      this.sender.transmit(Math.min(room, CARRIER_QUEUE_MAX), head, out);
      carrier.sent = Math.max(carrier.sent, this.sender.next);
    }
    if (head.length > 0) out.push(Uint8Array.from(head));
    if (carrier.isLeaving) this.remove(carrier, "finish", now);
    this.settle(now);
    return out;
  }

  #find(id: number): Carrier | undefined {
    return this.carriers.find((carrier) => carrier.id === id);
  }

  #add(carrier: Carrier): Carrier {
    this.carriers.push(carrier);
    return carrier;
  }

  /** Nothing can be done with a carrier. */
  #close(carrier: number): void {
    this.actions.push({ type: "close", carrier, how: "reset" });
  }
}
