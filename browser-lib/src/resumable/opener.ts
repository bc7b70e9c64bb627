// The client's side: opens a resumable stream's first carrier, and each later one.

import { Cell } from "../cell.ts";
import type { StreamError } from "../error.ts";
import { BODY_MAX, frame } from "../framing.ts";
import { randomBytes } from "../hex.ts";
import type { JsonObject } from "../json.ts";
import { later } from "../later.ts";
import type { OpenRequest } from "../open-request.ts";
import { refusal, resetRefused } from "../reply.ts";
import type { Kind } from "../resume/carrier.ts";
import { Endpoint } from "../resume/endpoint.ts";
import { EARLY_MAX } from "../resume/limits.ts";
import type { Identity } from "../resume/proof.ts";
import { type Session, WRITE_TURNS } from "../session.ts";
import { Stream } from "../stream.ts";
import { Carrier } from "./carrier.ts";
import type { Ice } from "./direct.ts";
import { birth, JOIN, readTaken } from "./field.ts";
import { now, Resumable } from "./resumable.ts";
import type { Resumables } from "./resumables.ts";

/** The most that an open may take: shorter than a lease, so that nobody else has the name by then. */
const OPEN_MAX_MS = 30_000;

/** How long it takes until what could not be loaded is asked for again. */
const LOAD_AGAIN_MS = 30_000;

/** What a client says whenever it opens a carrier. */
export class Opener {
  readonly info: { id: string | undefined; readonly path: string; readonly meta: unknown };
  readonly #all: Resumables;
  readonly #fields: object | undefined;
  /** How to connect directly, where that is wanted and can be. */
  readonly #ice: Ice | undefined;

  constructor(all: Resumables, { path, meta, fields }: OpenRequest, ice: Ice | undefined) {
    this.#all = all;
    this.#fields = fields;
    this.#ice = ice;
    this.info = { id: undefined, path, meta };
  }

  /** The open with this in it. */
  says(resume: object): object {
    const { path, meta } = this.info;
    return { path, meta, ...this.#fields, resume };
  }

  /** Of the open that begins the stream. */
  birth(identity: Identity, early: number): object {
    const said = this.says(birth(identity, early, this.#all.limits.grace, this.#ice !== undefined));
    return { ...said, ...identity.seal?.client?.fields };
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
    if (!isBirth) return void this.join(stream, session, "proxy", this.says(JOIN));
    const carrier = this.#carrier(stream, session, "proxy");
    const early = endpoint.birth(carrier.id, now());
    const length = early.reduce((sum, { length }) => sum + length, 0);
    session.start(carrier.cell, this.birth(endpoint.identity, length));
    for (const bytes of early) carrier.send(bytes);
    stream.poke();
  }

  /** Opens a carrier that joins; what it rides on. */
  join(stream: Resumable, session: Session, kind: Kind, open: object): Cell {
    const { id, cell } = this.#carrier(stream, session, kind);
    stream.endpoint.join(id, kind, randomBytes(16), now());
    session.start(cell, open);
    stream.poke();
    return cell;
  }

  /** Has the stream carried directly, too; where what does that cannot be loaded, the console says so, and it is tried again. */
  #carry(stream: Resumable, instance: string, ice: Ice): void {
    this.#all.direct().then(
      (direct) => direct.carry(stream, this, instance, ice),
      (error) => {
        console.error(error);
        later(() => stream.cell.isOver || this.#carry(stream, instance, ice), LOAD_AGAIN_MS);
      },
    );
  }

  #carrier(stream: Resumable, session: Session, kind: Kind): Carrier {
    const cell: Cell = new Cell(session, BODY_MAX, (reply) => this.#answered(stream, carrier, reply, session));
    const carrier = stream.adopt(new Carrier(cell, stream, kind));
    return carrier;
  }

  /** The answer to the open of a carrier came, or there will be none. */
  #answered(stream: Resumable, carrier: Carrier, reply: JsonObject | StreamError, session: Session): void {
    const { endpoint } = stream;
    const { cell } = carrier;
    const said = reply as JsonObject;
    const sealed = endpoint.isReplied ? undefined : endpoint.identity.seal?.client;
    const error = cell.isOver ? (reply as StreamError) : (refusal(reply) ?? sealed?.refusal(said));
    if (error) {
      stream.carriers.delete(carrier);
      carrier.owner = undefined;
      resetRefused(cell, error, reply);
      const { isRefused } = session;
      if (error.code === "lost" || isRefused || carrier.kind === "direct")
        endpoint.closed(carrier.id, now(), isRefused || !session.stats().received);
      else endpoint.refused(carrier.id, { code: error.code, message: error.detail }, now());
    } else if (sealed) sealed.answered(cell, said, () => this.#accepted(stream, carrier, said));
    else if (!endpoint.isReplied) this.#accepted(stream, carrier, said);
    stream.poke();
  }

  /** The server took the stream; whether that is news, and the carrier still there. */
  #accepted(stream: Resumable, carrier: Carrier, { id, instance, resume }: JsonObject): boolean {
    const { endpoint } = stream;
    if (endpoint.isReplied || !stream.carriers.has(carrier)) return false;
    if (typeof id === "string") this.info.id = id;
    const taken = readTaken(resume);
    carrier.cell.accepted();
    stream.cell.accepted();
    if (taken) endpoint.replied(carrier.id, taken.grace, now());
    else stream.becomePlain(carrier);
    if (taken?.direct && this.#ice) this.#carry(stream, `${instance}`, this.#ice);
    stream.poke();
    return true;
  }
}

/** Opens a stream that is resumable if the server can; what goes wrong shows on the stream. Throws `bad_request` if what it says is too long. */
export function open(all: Resumables, name: string, request: OpenRequest, ice?: Ice): Stream {
  const { encoding, signal, allowHalfOpen, priority } = request;
  const { cell, info } = begin(all, { id: randomBytes(16), secret: randomBytes(32), name }, request, ice);
  return new Stream(cell, info, { encoding, signal, allowHalfOpen, priority });
}

/** The same without who reads and writes it. */
export function begin(all: Resumables, identity: Identity, request: OpenRequest, ice?: Ice) {
  const { patience = OPEN_MAX_MS } = request;
  const { limits, budget } = all;
  const opener = new Opener(all, request, ice);
  // With the longest field: no later open is longer.
  frame(opener.birth(identity, EARLY_MAX));
  const timeout = Math.min(patience, OPEN_MAX_MS);
  const endpoint = Endpoint.connect({ identity, limits, budget }, timeout, Math.random, now());
  return { cell: new Resumable(all, endpoint, opener).cell, info: opener.info };
}
