// The client's side: opens a resumable stream's first carrier, and each later one.

import { Cell } from "../cell.ts";
import type { StreamError } from "../error.ts";
import { BODY_MAX, frame } from "../framing.ts";
import { randomBytes } from "../hex.ts";
import type { JsonObject } from "../json.ts";
import { refusal, resetRefused } from "../reply.ts";
import { Endpoint } from "../resume/endpoint.ts";
import { EARLY_MAX } from "../resume/limits.ts";
import { type OpenRequest, WRITE_TURNS } from "../session.ts";
import { Stream } from "../stream.ts";
import { Carrier } from "./carrier.ts";
import { birth, JOIN, readTaken } from "./field.ts";
import { now, Resumable } from "./resumable.ts";
import type { Resumables } from "./resumables.ts";

/** The most that an open may take: shorter than a lease, so that nobody else has the name by then. */
const OPEN_MAX_MS = 30_000;

/** What a client says whenever it opens a carrier. */
export class Opener {
  readonly info: { id: string | undefined; readonly path: string; readonly meta: unknown };
  readonly #all: Resumables;
  readonly #fields: object | undefined;

  constructor(all: Resumables, { path, meta, fields }: OpenRequest) {
    this.#all = all;
    this.#fields = fields;
    this.info = { id: undefined, path, meta };
  }

  /** The open with this in it. */
  says(resume: object): object {
    const { path, meta } = this.info;
    return { path, meta, ...this.#fields, resume };
  }

  async open(stream: Resumable, isBirth: boolean): Promise<void> {
    const { cell, endpoint } = stream;
    // What was just written is still on its way through its WritableStream; behind the open it need not wait for the reply.
    for (let quiet = isBirth ? 0 : WRITE_TURNS; quiet < WRITE_TURNS; quiet++) {
      await null;
      if (cell.isBusy) quiet = 0;
    }
    if (endpoint.state === "freed") return;
    const { session } = this.#all;
    if (!session.isOpen) {
      endpoint.unopened(now());
      return stream.poke();
    }
    const below: Cell = new Cell(session, BODY_MAX, (reply) => this.#answered(stream, carrier, reply));
    const carrier = stream.adopt(new Carrier(below, stream));
    if (isBirth) {
      const early = endpoint.birth(carrier.id, now());
      const length = early.reduce((sum, { length }) => sum + length, 0);
      session.start(below, this.says(birth(endpoint.identity, length, this.#all.limits.grace)));
      for (const bytes of early) carrier.send(bytes);
    } else {
      endpoint.join(carrier.id, "proxy", randomBytes(16), now());
      session.start(below, this.says(JOIN));
    }
    stream.poke();
  }

  /** The answer to the open of a carrier came, or there will be none. */
  #answered(stream: Resumable, carrier: Carrier, reply: JsonObject | StreamError): void {
    const { endpoint } = stream;
    const { cell } = carrier;
    const error = cell.isOver ? (reply as StreamError) : refusal(reply);
    if (error) {
      stream.carriers.delete(carrier);
      carrier.owner = undefined;
      resetRefused(cell, error, reply);
      if (error.code === "lost") endpoint.closed(carrier.id, now());
      else endpoint.refused(carrier.id, { code: error.code, message: error.detail }, now());
    } else if (!endpoint.isReplied) {
      const { id, resume } = reply as JsonObject;
      if (typeof id === "string") this.info.id = id;
      const grace = readTaken(resume);
      cell.accepted();
      stream.cell.accepted();
      if (grace === undefined) return stream.becomePlain(carrier);
      endpoint.replied(carrier.id, grace, now());
    }
    stream.poke();
  }
}

/** Opens a stream that is resumable if the server can; what goes wrong shows on the stream. Throws `bad_request` if what it says is too long. */
export function open(all: Resumables, name: string, request: OpenRequest): Stream {
  const { patience = OPEN_MAX_MS, encoding, signal, allowHalfOpen, priority } = request;
  const { limits, budget } = all;
  const identity = { id: randomBytes(16), secret: randomBytes(32), name };
  const opener = new Opener(all, request);
  // With the longest field: no later open is longer.
  frame(opener.says(birth(identity, EARLY_MAX, limits.grace)));
  const timeout = Math.min(patience, OPEN_MAX_MS);
  const endpoint = Endpoint.connect({ identity, limits, budget }, timeout, Math.random, now());
  return new Stream(new Resumable(all, endpoint, opener).cell, opener.info, {
    encoding,
    signal,
    allowHalfOpen,
    priority,
  });
}
