// One end of a stream, to which a test says what a peer would, and its records as bytes.

import { Budget } from "../../src/resume/budget.ts";
import type { Kind } from "../../src/resume/carrier.ts";
import type { Action } from "../../src/resume/course.ts";
import { Decoder, type Payload } from "../../src/resume/decoder.ts";
import { Endpoint } from "../../src/resume/endpoint.ts";
import { LIMITS, type Limits } from "../../src/resume/limits.ts";
import { Newcomer, Unproven } from "../../src/resume/newcomer.ts";
import type { Identity } from "../../src/resume/proof.ts";
import { ACK, DATA, type Fact, FIN, integers, JOIN, PING, PONG, PROOF, PROVE, reset } from "../../src/resume/record.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export const IDENTITY: Identity = { id: filled(16, 7), secret: filled(32, 9), name: "NAME" };
/** What stands for the macs: no test needs true ones to see who asks for which. */
export const MACS = { server: filled(32, 1), client: filled(32, 2) };
export const WHY = { code: "busy", message: "why" };

export function filled(length: number, byte: number): Bytes {
  return new Uint8Array(length).fill(byte);
}

/** One record of integers. */
function record(type: number, ...values: number[]): number[] {
  const out: number[] = [];
  integers(out, type, ...values);
  return out;
}

export const data = (offset: number, length: number) => [...record(DATA, offset, length), ...filled(length, 7)];
export const fin = (total: number) => record(FIN, total);
export const ack = (received: number, room: number) => record(ACK, received, room);
export const ping = (token: number) => record(PING, token);
export const pong = (token: number) => record(PONG, token);
export const done = [5];
export const gone = [6];
export const join = [JOIN, ...IDENTITY.id, ...filled(16, 3)];
export const prove = (mac: Bytes) => [PROVE, ...filled(16, 4), ...mac];
export const proof = (mac: Bytes) => [PROOF, ...mac];
export function resetting(): number[] {
  const out: number[] = [];
  reset(out, WHY);
  return out;
}

/** Everything that lies in these bytes. */
export function read(decoder: Decoder, bytes: Bytes): (Fact | Payload)[] {
  const all = [];
  decoder.rest = bytes;
  for (let next = decoder.next(); next; next = decoder.next()) all.push(next);
  return all;
}

export class End {
  now = 0;
  readonly budget: Budget;
  readonly unproven = new Unproven();
  readonly endpoint: Endpoint;
  readonly #decoders = new Map<number, Decoder>();

  constructor(side: "client" | "server", limits: Limits = LIMITS, budget = new Budget()) {
    this.budget = budget;
    const terms = { identity: IDENTITY, limits, budget };
    this.endpoint =
      side === "client" ? Endpoint.connect(terms, 17_000, () => 1, 0) : Endpoint.accept(terms, limits.grace, 0);
  }

  /** One whose stream is open, on carrier 1. */
  static opened(side: "client" | "server", limits?: Limits, budget?: Budget): End {
    const end = new End(side, limits, budget);
    if (side === "client") {
      end.endpoint.birth(1, 0);
      end.endpoint.replied(1, 120_000, 0);
    } else end.endpoint.born(1, 0, 0);
    end.actions();
    return end;
  }

  /** The peer says that on a carrier. */
  hears(id: number, ...records: readonly number[][]): this {
    this.endpoint.arrived(id, Uint8Array.from(records.flat()), this.now);
    return this;
  }

  /** What leaves on a carrier, but payload. */
  says(id: number, room = Number.POSITIVE_INFINITY): Fact[] {
    const decoder = this.#decoders.get(id) ?? new Decoder();
    this.#decoders.set(id, decoder);
    const all = this.endpoint.transmit(id, room, this.now).flatMap((bytes) => read(decoder, bytes));
    return all.filter((one): one is Fact => one.type !== 0);
  }

  /** The types of those. */
  types(id: number): number[] {
    return this.says(id).map(({ type }) => type);
  }

  actions(): Action[] {
    const all = [];
    for (let next = this.endpoint.poll(); next; next = this.endpoint.poll()) all.push(next);
    return all;
  }

  write(length: number): number {
    return this.endpoint.write(filled(length, 7));
  }

  /** Client: a carrier that said JOIN. */
  joins(id: number, kind: Kind = "proxy"): this {
    this.endpoint.join(id, kind, filled(16, 3), this.now);
    return this;
  }

  /** Server: a carrier on which JOIN came. */
  joined(id: number, kind: Kind = "proxy"): this {
    const newcomer = new Newcomer(this.unproven.admit(LIMITS, () => {}) ?? fail(), LIMITS, this.now);
    const said = newcomer.received(Uint8Array.from(join)) ?? fail();
    this.endpoint.joined(id, kind, said, filled(16, 4), this.now);
    return this;
  }

  /** A further carrier that is proven, and said no more than the handshake asked for. */
  proven(id: number, kind: Kind = "proxy"): this {
    if (this.endpoint.isReplied) {
      this.joins(id, kind).says(id);
      this.hears(id, prove(MACS.server)).endpoint.macs(id, MACS, this.now);
      return this;
    }
    this.joined(id, kind).endpoint.macs(id, MACS, this.now);
    this.says(id);
    return this.hears(id, proof(MACS.client));
  }

  /** Lets time pass, as far as a shell that is never late lets it. */
  advance(ms: number): this {
    const until = this.now + ms;
    for (let at = this.endpoint.deadline(); at !== undefined && at <= until; at = this.endpoint.deadline()) {
      this.now = Math.max(this.now, at);
      this.endpoint.tick(this.now);
    }
    this.now = until;
    return this;
  }

  has(id: number): boolean {
    return this.endpoint.ids.includes(id);
  }
}

function fail(): never {
  throw new Error("too many unproven carriers, or no JOIN");
}
