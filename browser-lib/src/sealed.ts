// What is here of sealed streams before one is wanted; what seals is a part of its own, which is loaded then.

import { Cell, type Host } from "./cell.ts";
import { StreamError } from "./error.ts";
import type { Inside } from "./inside.ts";
import type { OpenRequest } from "./open-request.ts";
import type { Ice } from "./resumable/direct.ts";
import type { Seal } from "./resume/proof.ts";
import type { SealKeys } from "./seal/keys.ts";
import type { Pins } from "./seal/pins.ts";
import { Stream } from "./stream.ts";

/** What a client says sealed, and how it knows the server. */
export interface SealedConnect {
  /** Any JSON for the server alone: its `stream.sealed.meta`. The proxy cannot read it. */
  meta?: unknown;
  /** Ours: the server learns the public one, as `stream.sealed.key`. */
  keys?: SealKeys | undefined;
  /** Where the keys of servers are remembered that were connected to without one; `localStorage` unless stated, where there is that. */
  pins?: Pins | undefined;
}

/** What the ends of a sealed stream know of each other. */
export interface Peer {
  /** On a server: what the client said for it alone. */
  readonly meta: unknown;
  /** The other end's public key: always the server's, and a client's if it has one. */
  readonly key: string | undefined;
}

/** What came of the first message of a sealed stream. */
export interface Unsealed {
  readonly peer: Peer;
  readonly seal: Seal;
  /** What the user's end rides on, above this cell; to be started when that was accepted. */
  ride(below: Cell): { readonly cell: Cell; start(): void };
}

/** A client's wish for a stream. */
export interface Wanted {
  readonly inside: Inside;
  readonly name: string;
  /** The server's key, where its address says it. */
  readonly key: string | undefined;
  readonly sealed: SealedConnect;
  readonly request: OpenRequest;
  readonly resumes: boolean;
  readonly ice: Ice | undefined;
  readonly cell: Cell;
  readonly info: { id: string | undefined; sealed?: Peer };
  /** What was done with the cell meanwhile. */
  readonly waiting: Waiting;
}

/** Has a writer wait until there is what carries the stream: it keeps the one chunk that comes till then, or the finish without one. */
export class Waiting implements Host {
  chunk: Uint8Array | undefined;
  isFinished = false;
  behind: number | undefined;

  send(_: number, bytes: Uint8Array): number {
    this.chunk = bytes;
    return Infinity;
  }

  unsent(): number {
    return 1;
  }

  finish(): void {
    this.isFinished = true;
  }

  resetBehind(_: number, code: number): void {
    this.behind = code;
  }

  prioritize(): void {}
  reset(): void {}
  consumed(): void {}
}

/** The part that seals. */
export function sealing(): Promise<typeof import("./seal/index.ts")> {
  return import("./seal/index.ts");
}

/** The name and the key of an address `NAME#key`; no name has a `#`. A key that is none, as one that was cut, is given as one: nobody takes it. */
export function parse(address: string): [name: string, key: string | undefined] {
  const [, name = address, key] = /^([^#]*)#(.*)$/s.exec(address) ?? [];
  return [name, key];
}

/** Connects; what goes wrong shows on the stream. */
export function connectSealed(wanted: Omit<Wanted, "cell" | "info" | "waiting">): Stream {
  const waiting = new Waiting();
  const cell = new Cell(waiting);
  const { path, meta, ...options } = wanted.request;
  const info = { id: undefined, path, meta };
  sealing()
    .then((part) => part.connect({ ...wanted, cell, info, waiting }))
    .catch((error) => cell.fail(StreamError.from(error), false));
  return new Stream(cell, info, options);
}
