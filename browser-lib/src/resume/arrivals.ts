// What comes over a stream's carriers (RESUME.md, sections 2 and 3).

import type { Carrier } from "./carrier.ts";
import { Course } from "./course.ts";
import type { Payload } from "./decoder.ts";
import { isSame } from "./proof.ts";
import { ACK, DATA, DONE, type Fact, FIN, GONE, PING, PONG, PROOF, PROVE, RESET } from "./record.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes that may come behind PROVE while its mac is computed: one ACK. */
const HELD_MAX = 64;

export abstract class Arrivals extends Course {
  /** Takes what lies in the carrier's decoder, as far as the carrier goes. */
  protected arrive(carrier: Carrier, now: number): void {
    const { decoder } = carrier;
    while (this.carriers.includes(carrier) && !carrier.isLeaving) {
      carrier.hears(now);
      if (carrier.stage === "checking") {
        if (decoder.rest.length > HELD_MAX) this.breakOff(carrier, now);
        // A copy: the message that it stands in may be the user's by then.
        else decoder.rest = decoder.rest.slice();
        return;
      }
      let isRight: boolean;
      try {
        const came = decoder.next();
        if (!came) return;
        isRight = carrier.isProven ? this.#proven(carrier, came, now) : this.#unproven(carrier, came, now);
      } catch {
        // What is no record.
        isRight = false;
      }
      // The carrier may have been closed by what it brought.
      if (!isRight && this.carriers.includes(carrier)) return this.breakOff(carrier, now);
    }
  }

  /** Asks the shell for the macs of a carrier's handshake. */
  protected askMacs(carrier: Carrier, client: Bytes, server: Bytes): void {
    this.actions.push({ type: "macs", request: { carrier: carrier.id, identity: this.identity, client, server } });
  }

  /** Whether it can be. */
  #proven(carrier: Carrier, came: Fact | Payload, now: number): boolean {
    // After a clean end nothing new can come, but what came may be said again.
    const repeats = this.takesBytes || this.outcome?.type === "clean";
    switch (came.type) {
      case 0:
        return !this.takesBytes || this.#progressed(this.receiver.payload(came.offset, came.bytes, now));
      case DATA:
        return !this.takesBytes || this.receiver.takes(came.offset, came.length);
      case FIN:
        return !repeats || (this.#progressed(this.receiver.fin(came.total)) && this.#completed(now));
      case ACK:
        return (
          !repeats || (this.#progressed(this.sender.acknowledged(came.received, came.room)) && this.#completed(now))
        );
      case RESET:
        carrier.owe().done = true;
        if (this.client) this.leave(carrier, now);
        this.end({ type: "reset", reason: came.reason, here: false }, this.client ? "freed" : "tombstone", now);
        return true;
      case DONE:
        return this.#done(carrier, now);
      case GONE:
        this.lose(now);
        return true;
      case PING:
        this.sayFacts(carrier);
        carrier.owe().pong = came.token;
        return true;
      case PONG:
        return this.#pong(carrier, came.token);
      default:
        return false;
    }
  }

  /** Records on a carrier that has proven nothing yet: the next step of its handshake, or GONE; anything else closes it and touches nothing else. */
  #unproven(carrier: Carrier, came: Fact | Payload, now: number): boolean {
    const { stage, nonce, mac } = carrier;
    if (came.type === PROVE && stage === "joined" && nonce) {
      carrier.stage = "checking";
      carrier.mac = came.mac;
      this.askMacs(carrier, nonce, came.nonce);
      return true;
    }
    if (came.type === PROOF && stage === "challenged" && mac && isSame(mac, came.mac)) {
      this.prove(carrier, now);
      // The server's carrier is chosen before the client's records are used, as at the client.
      this.settle(now);
      return true;
    }
    if (came.type === GONE && this.client && stage === "joined") {
      if (carrier.kind === "direct" || this.isProven) this.remove(carrier, "reset", now);
      else this.lose(now);
      return true;
    }
    return false;
  }

  /**
   * The server may go on remembering: only the client can come back, so only it must hear DONE. How it closes the carrier that brought it tells the server
   * that it has.
   */
  #done(carrier: Carrier, now: number): boolean {
    if (this.owesDone) {
      this.remove(carrier, "done", now);
      this.end({ type: "clean" }, "freed", now);
    } else if (this.state === "tombstone" && this.isResetHere) {
      this.remove(carrier, "reset", now);
    } else return false;
    return true;
  }

  /** What was said before the newest PING was heard before its PONG was sent, and answered ahead of it: unless a record was lost. */
  #pong(carrier: Carrier, token: number): boolean {
    const { probe } = carrier;
    if (probe?.token !== token || carrier.due?.ping) return true;
    carrier.probe = undefined;
    return !probe.done && !(this.takesBytes && this.sender.base < probe.mark);
  }

  #progressed(isNews: boolean | undefined): boolean {
    if (isNews) {
      this.broken = 0;
      if (this.client) this.client.tries = 0;
    }
    return isNews !== undefined;
  }

  #completed(now: number): true {
    this.complete(now);
    return true;
  }
}
