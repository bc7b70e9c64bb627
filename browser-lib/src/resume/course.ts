// The course of a stream: which carrier takes its records, when one is dead, and how it ends (RESUME.md, sections 3 to 5).

import type { Budget } from "./budget.ts";
import type { Carrier } from "./carrier.ts";
import type { Client } from "./client.ts";
import type { Limits } from "./limits.ts";
import type { Outcome } from "./outcome.ts";
import type { Identity, MacRequest } from "./proof.ts";
import { Receiver } from "./receiver.ts";
import { DONE, GONE, integers, PING, PONG, type Reason, reset } from "./record.ts";
import { Sender } from "./sender.ts";

/** Where a stream stands. A client begins as opening, a server as live; of one that is freed only what is to be read is left. */
export type State = "opening" | "live" | "closing" | "resetting" | "tombstone" | "freed";

/** What the shell must do. */
export type Action =
  /** Client: open a proxy carrier, then call `birth` or `join`; `unopened` if it cannot be. */
  | { readonly type: "open"; readonly birth: boolean }
  /** Close a carrier, behind what was transmitted or at once; it is forgotten here, so do not report its end. */
  | { readonly type: "close"; readonly carrier: number; readonly how: "finish" | "reset" | "done" }
  /** Compute the macs of a handshake, then call `macs`. */
  | { readonly type: "macs"; readonly request: MacRequest };

/** What both ends are made of. */
export interface Terms {
  readonly identity: Identity;
  readonly limits: Limits;
  readonly budget: Budget;
}

export abstract class Course {
  readonly identity: Identity;
  state: State;
  /** How the stream ended. A client that is through with everything learns "clean" when the server knows as much. */
  outcome: Outcome | undefined;
  /** Carriers that brought what can not be, or lost a record. An honest peer and an honest path break none. */
  breaks = 0;
  /** Times that another carrier became current. */
  moves = 0;
  protected readonly limits: Limits;
  protected sender: Sender;
  protected receiver: Receiver;
  /** In the order in which they were opened. */
  protected readonly carriers: Carrier[] = [];
  /** Which of them takes the records. */
  protected active: Carrier | undefined;
  protected wasActive = false;
  /** Since when no carrier is proven. */
  protected absent: number | undefined;
  /** When the stream ended. */
  protected ended = -Infinity;
  /** Proven carriers that broke since a byte was last received or acknowledged. */
  protected broken = 0;
  protected grace: number;
  protected readonly actions: Action[] = [];
  /** Only a client has it. */
  protected client: Client | undefined;
  /** When the current carrier was last left by choice; and until when a move by choice waits for acknowledgements. */
  #chosen = -Infinity;
  #moving: number | undefined;
  #token = 0;

  protected constructor({ identity, limits, budget }: Terms, state: State, grace: number) {
    this.identity = identity;
    this.limits = limits;
    this.state = state;
    this.grace = grace;
    this.sender = new Sender(limits, budget);
    this.receiver = new Receiver(limits, budget);
  }

  /** Bytes are taken, from the application and from the peer. */
  protected get takesBytes(): boolean {
    return this.state === "opening" || this.state === "live" || this.state === "closing";
  }

  protected get isProven(): boolean {
    return this.carriers.some((carrier) => carrier.isProven);
  }

  /** The stream is not held any more. */
  protected get isLost(): boolean {
    return this.outcome?.type === "lost";
  }

  /** This end reset the stream, and must say so until DONE. */
  protected get isResetHere(): boolean {
    return this.outcome?.type === "reset" && this.outcome.here;
  }

  /** Something waits for the peer: silence means something. */
  protected get isOutstanding(): boolean {
    if (this.state === "live") return !this.sender.isAcknowledged;
    return this.owesDone || (this.state === "tombstone" && this.isResetHere);
  }

  /** The peer owes a client DONE. */
  protected get owesDone(): boolean {
    return this.state === "closing" || this.state === "resetting";
  }

  /** DATA or FIN may leave on the current carrier. */
  protected get wantsData(): boolean {
    return this.state === "live" && this.#moving === undefined && this.sender.wantsTransmit;
  }

  /** What follows from whatever happened: called at the end of every input. */
  protected settle(now: number): void {
    this.complete(now);
    this.#choose(now);
    const hasProxy = this.carriers.some(({ kind, isLeaving }) => kind === "proxy" && !isLeaving);
    this.client?.plan(this.state !== "freed" && !hasProxy, this.limits, now);
  }

  /** Everything is here and there. */
  protected complete(now: number): void {
    if (this.state !== "live" || !this.sender.isFinAcknowledged || this.receiver.total === undefined) return;
    if (this.client) {
      this.state = "closing";
      return;
    }
    this.end({ type: "clean" }, "tombstone", now);
    if (this.active) Object.assign(this.active.owe(), { ack: true, done: true });
  }

  /** The outcome, unless there is one, and the state that follows from it. */
  protected end(outcome: Outcome, state: State, now: number): void {
    if (!this.outcome) {
      this.outcome = outcome;
      this.ended = now;
    }
    if (this.state === "freed") return;
    this.state = state;
    this.sender.clear();
    this.receiver.stop();
    if (state === "freed") this.#closeAll(now);
  }

  /** The peer does not hold the stream, or nobody is left to talk to. */
  protected lose(now: number): void {
    this.end(this.#lost, this.client ? "freed" : "tombstone", now);
    this.#closeAll(now);
  }

  /** Ends both directions at once; what is unread or unsent is dropped. The peer is told until it has said that it knows. */
  reset(reason: Reason, now: number): void {
    if (!this.outcome) {
      this.receiver.clear();
      this.end({ type: "reset", reason, here: true }, this.client ? "resetting" : "tombstone", now);
      if (this.active) this.active.owe().reset = true;
    }
    this.settle(now);
  }

  /** The carrier belongs to the peer: from here on its records are taken. */
  protected prove(carrier: Carrier, now: number): void {
    carrier.stage = "proven";
    carrier.deadline = undefined;
    carrier.pass?.free();
    this.absent = undefined;
    if (this.client) this.client.lastTry = undefined;
    // Of too many the one longest unheard goes, never the one that was proven just now.
    const others = this.carriers.filter((other) => other.isProven && other !== carrier);
    const [oldest] = others.sort((one, other) => one.heard - other.heard);
    if (oldest && others.length >= this.limits.carriersMax) this.remove(oldest, "reset", now);
  }

  /** The current facts: ACK, and RESET or DONE where due. */
  protected sayFacts(carrier: Carrier): void {
    const due = carrier.owe();
    due.ack = true;
    if (this.isResetHere) due.reset = true;
    else if (this.outcome?.type === "clean" || this.outcome?.type === "reset") due.done = true;
  }

  /** Says the facts again, and asks whether they arrived. */
  protected probe(carrier: Carrier, now: number): void {
    this.sayFacts(carrier);
    carrier.asks(++this.#token, now);
  }

  /** The carrier brought what can not be, or lost what was said on it. */
  protected breakOff(carrier: Carrier, now: number): void {
    const { isProven } = carrier;
    this.remove(carrier, "reset", now);
    this.breaks++;
    if (isProven && ++this.broken >= this.limits.brokenMax) {
      this.reset({ code: "bad_request", message: "one carrier after another broke" }, now);
    }
  }

  /** Forgets a carrier, and has it closed. */
  protected remove(carrier: Carrier, how: "finish" | "reset" | "done" | undefined, now: number): void {
    this.carriers.splice(this.carriers.indexOf(carrier), 1);
    carrier.pass?.free();
    if (how) this.actions.push({ type: "close", carrier: carrier.id, how });
    if (carrier.isProven) this.#left(carrier, now);
  }

  /** The carrier says its last records, then it is finished. */
  protected leave(carrier: Carrier, now: number): void {
    carrier.stage = "leaving";
    carrier.deadline = carrier.probe = undefined;
    carrier.pass?.free();
    delete carrier.owe().ping;
    this.#left(carrier, now);
  }

  /** Says nothing but GONE on a carrier. */
  protected sayGone(carrier: Carrier, now: number): void {
    carrier.due = { gone: true };
    this.leave(carrier, now);
  }

  /** All that leaves but DATA and FIN, in the order that lets the peer judge the carrier: facts, then PING and PONG. */
  protected say(carrier: Carrier): number[] {
    const due = carrier.due ?? {};
    carrier.due = undefined;
    const out = [...(due.handshake ?? [])];
    const isActive = this.active === carrier;
    if (due.ack || (isActive && this.receiver.isDue)) this.receiver.tell(isActive, out);
    if (due.reset && this.outcome?.type === "reset") reset(out, this.outcome.reason);
    if (due.done) out.push(DONE);
    if (due.gone) out.push(GONE);
    const { probe } = carrier;
    if (due.ping && probe) {
      probe.mark = carrier.sent;
      probe.done = this.state !== "live" && this.isOutstanding;
      integers(out, PING, probe.token);
    }
    if (due.pong !== undefined) integers(out, PONG, due.pong);
    return out;
  }

  /** When the open, the grace or the hold is over. */
  protected get endDeadline(): number | undefined {
    if (!this.client) return this.holdDeadline;
    if (this.state === "freed") return undefined;
    if (!this.client.isReplied) return this.client.openDeadline;
    return this.absent === undefined ? undefined : (this.client.lastTry ?? this.absent + this.grace);
  }

  protected get holdDeadline(): number | undefined {
    if (this.client || this.absent === undefined || this.state === "freed") return undefined;
    return Math.max(this.ended, this.absent) + this.hold;
  }

  /** How long a server remembers. */
  protected get hold(): number {
    return this.grace + this.limits.holdExtra;
  }

  protected timeOut(now: number): void {
    const { client, limits } = this;
    // An outcome that the hold brings is itself remembered for one.
    if (!client) return this.end(this.#lost, this.outcome ? "freed" : "tombstone", now);
    if (!client.isReplied) {
      // Why there was no connection to open it over, the shell knows.
      const message = client.births > 0 ? "the open was not answered in time" : "";
      const reason = client.refusal ?? { code: "timeout", message };
      return this.end({ type: "refused", reason }, "freed", now);
    }
    const hasSlept = this.absent !== undefined && now > this.absent + this.grace + limits.sleep;
    if (!hasSlept || client.lastTry !== undefined) return this.end(this.#lost, "freed", now);
    client.lastTry = now + limits.handshakeProxy;
    this.reopenAtOnce(now);
  }

  protected reopenAtOnce(now: number): void {
    if (this.client?.reopen !== undefined) this.client.reopen = now;
    this.reopen(now);
  }

  /** Asks for a proxy carrier, if one is due. */
  protected reopen(now: number): void {
    if (this.client?.isDue(now)) this.actions.push({ type: "open", birth: !this.client.isReplied });
  }

  /** When a move by choice is due. */
  protected get choiceDeadline(): number | undefined {
    const best = this.#best;
    if (!best || !this.active || best === this.active) return undefined;
    return this.#moving ?? this.#chosen + this.limits.choice;
  }

  /** A carrier is best that is direct, then one that is newer. */
  get #best(): Carrier | undefined {
    const isProven = (carrier: Carrier) => carrier.isProven;
    return (
      this.carriers.findLast(({ kind, isProven }) => isProven && kind === "direct") ?? this.carriers.findLast(isProven)
    );
  }

  /** Takes the best carrier: at once if there is none, by choice at most once a second, and then perhaps after a short wait for what is on its way. */
  #choose(now: number): void {
    const best = this.#best;
    if (!best || best === this.active) {
      if (best) this.#moving = undefined;
      return;
    }
    if (!this.active) return this.#take(best);
    if (now < this.#chosen + this.limits.choice) return;
    this.#moving ??= now + this.limits.choiceWait;
    if (now < this.#moving && this.sender.isWaiting) return;
    this.#chosen = now;
    this.#take(best);
  }

  /** Says on the carrier what is true now; of its own direction everything that is not acknowledged. */
  #take(carrier: Carrier): void {
    this.#moving = undefined;
    this.active = carrier;
    this.sender.take();
    if (this.wasActive) this.moves++;
    if (this.wasActive || this.receiver.position > 0 || this.outcome) this.sayFacts(carrier);
    this.wasActive = true;
  }

  #left(carrier: Carrier, now: number): void {
    if (this.active === carrier) this.active = this.#moving = undefined;
    if (!this.isProven) this.absent = now;
  }

  get #lost(): Outcome {
    return { type: "lost", received: this.receiver.received, base: this.sender.base };
  }

  /** Closes all carriers but those that say their last word. */
  #closeAll(now: number): void {
    for (const carrier of this.carriers.filter(({ isLeaving }) => !isLeaving)) this.remove(carrier, "reset", now);
  }
}
