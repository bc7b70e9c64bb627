// One carrier as an endpoint knows it.

import type { Decoder } from "./decoder.ts";
import type { Limits } from "./limits.ts";
import type { Pass } from "./newcomer.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a carrier runs over: a stream that the proxy splices, or one over the pair's data channel. */
export type Kind = "proxy" | "direct";

/**
 * How far a carrier is. At the client: its birth open waits for the reply; or JOIN went out, or PROVE came and its mac is computed. At the server: JOIN came
 * and the macs are computed, or PROVE went out. Then records are taken and sent; or the last ones leave, and it is finished.
 */
export type Stage = "birth" | "joined" | "checking" | "asked" | "challenged" | "proven" | "leaving";

/** Records that must leave. */
export interface Due {
  /** JOIN, PROVE or PROOF, encoded. */
  handshake?: readonly number[];
  ack?: boolean;
  reset?: boolean;
  done?: boolean;
  gone?: boolean;
  ping?: boolean;
  pong?: number;
}

/** A PING whose PONG has not come. */
interface Probe {
  readonly token: number;
  readonly since: number;
  /** Something came since. */
  isHeard: boolean;
  /** What was sent on the carrier before it: acknowledged before its PONG, or a record was lost. */
  mark: number;
  /** DONE is owed for what was said before it. */
  done: boolean;
}

export class Carrier {
  /** Its shell chose it. */
  readonly id: number;
  readonly kind: Kind;
  stage: Stage;
  readonly decoder: Decoder;
  /** When it last brought something. */
  heard: number;
  /** The highest position that went out on it. */
  sent = 0;
  due: Due | undefined;
  probe: Probe | undefined;
  /** Bytes behind its birth open. */
  early = 0;
  /** The client's nonce; then the mac that PROVE said, or that PROOF must say. */
  nonce: Bytes | undefined;
  mac: Bytes | undefined;
  /** When it must be proven. */
  deadline: number | undefined;
  /** At the server its place among the unproven carriers of its session. */
  pass: Pass | undefined;

  constructor(id: number, kind: Kind, stage: Stage, decoder: Decoder, now: number) {
    this.id = id;
    this.kind = kind;
    this.stage = stage;
    this.decoder = decoder;
    this.heard = now;
  }

  get isProven(): boolean {
    return this.stage === "proven";
  }

  get isLeaving(): boolean {
    return this.stage === "leaving";
  }

  /** What must leave, to be added to. */
  owe(): Due {
    this.due ??= {};
    return this.due;
  }

  hears(now: number): void {
    this.heard = now;
    if (this.probe) this.probe.isHeard = true;
  }

  asks(token: number, now: number): void {
    this.owe().ping = true;
    this.probe = { token, since: now, isHeard: false, mark: 0, done: false };
  }

  /** When a PING that nothing followed makes it dead. */
  deadAt(limits: Limits): number | undefined {
    if (!this.probe || this.probe.isHeard) return undefined;
    return this.probe.since + (this.kind === "proxy" ? limits.deadProxy : limits.deadDirect);
  }

  /** When silence on it, while something is outstanding, asks for a PING; none while one is unanswered. */
  quietAt(limits: Limits): number | undefined {
    if (!this.isProven || (this.probe && !this.probe.isHeard)) return undefined;
    return this.heard + (this.kind === "proxy" ? limits.quietProxy : limits.quietDirect);
  }
}
