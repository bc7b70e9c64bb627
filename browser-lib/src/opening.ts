// A stream that the peer opened and that nobody has answered yet.

import type { Cell } from "./cell.ts";
import { StreamError } from "./error.ts";
import type { JsonObject } from "./json.ts";
import type { Newborn } from "./resumable/arrivals.ts";
import { VERSION } from "./resumable/field.ts";
import type { Unsealed } from "./sealed.ts";
import { type PeerInfo, Stream, type StreamOptions } from "./stream.ts";

export class Opening {
  readonly cell: Cell;
  /** Set for a stream that will be resumable. */
  newborn: Newborn | undefined;
  readonly path: string;
  #isAccepted = false;
  /** The client's unique id, minted by the proxy. */
  readonly id: string | undefined;
  readonly meta: unknown;
  /** What the proxy knows of the client. */
  readonly peer: PeerInfo | undefined;
  /** What it says of resumable streams, unread. */
  resume: unknown;
  /** What it says of a sealed stream, unread; and what came of that. */
  readonly seal: unknown;
  sealed: Unsealed | undefined;
  /** The opener only writes: our direction ends behind our answer. */
  readonly isOneWay: boolean;

  private constructor(cell: Cell, path: string, open: JsonObject) {
    this.cell = cell;
    this.path = path;
    this.id = typeof open.id === "string" ? open.id : undefined;
    this.meta = open.meta;
    this.peer = open.peer as PeerInfo | undefined;
    this.resume = open.resume;
    this.seal = open.seal;
    this.isOneWay = open.one_way === true;
  }

  /** Reads the open; one that is malformed is refused `bad_request`, and nobody hears of it. */
  static read(cell: Cell, open: JsonObject | StreamError): Opening | undefined {
    if (open instanceof StreamError) cell.refuse(open);
    else if (typeof open.path === "string" && open.path.startsWith("/")) return new Opening(cell, open.path, open);
    else cell.refuse(new StreamError("bad_request", "an open has a path"));
    return undefined;
  }

  /** Whether there is nothing left to answer: the opener gave up, or the connection is lost. */
  get isOver(): boolean {
    return this.#user.isOver;
  }

  /** Whether it is one more carrier of a stream that is there. */
  get joins(): boolean {
    const { v, join } = Object(this.resume);
    return v === VERSION && join === true;
  }

  /** Whether it is about a direct connection for a stream that is there, in whatever version. */
  get signals(): boolean {
    return Object(this.resume).signal !== undefined;
  }

  /** Resolves or rejects when the stream is over. */
  get closed(): Promise<void> {
    return this.#user.closed;
  }

  /** Takes the stream, with this as the reply. What was sent right behind the open is read first. */
  accept(options?: StreamOptions, reply = {}): Stream {
    this.#isAccepted = true;
    const { id, path, meta, peer, sealed } = this;
    const above = sealed?.ride(this.#user);
    if (this.newborn) this.newborn.accept();
    else {
      this.cell.sendFrame({ ...reply, seal: sealed?.seal.reply });
      this.cell.accepted();
    }
    above?.start();
    const info = { id, path, meta, peer, sealed: sealed?.peer, role: "server" as const };
    const stream = new Stream(above?.cell ?? this.#user, info, options);
    return this.isOneWay ? stream.end() : stream;
  }

  refuse(error: StreamError): void {
    (this.newborn ?? this.cell).refuse(error);
  }

  /** Gives the stream up: refuses it, or resets it if it was accepted. */
  abandon(error: StreamError): void {
    if (this.#isAccepted) this.#user.reset(error);
    else this.refuse(error);
  }

  /** The cell of whoever gets the stream. */
  get #user(): Cell {
    return (this.newborn ?? this).cell;
  }
}
