// The client's side: says the first message of the handshake with the open, and takes nothing but the meant server's answer.

import { Cell, type Sink } from "../cell.ts";
import { StreamError } from "../error.ts";
import { BODY_MAX } from "../framing.ts";
import { randomBytes } from "../hex.ts";
import type { JsonObject } from "../json.ts";
import { codeNumber } from "../mux/codes.ts";
import { refusal, resetRefused } from "../reply.ts";
import { begin } from "../resumable/opener.ts";
import type { Identity } from "../resume/proof.ts";
import type { Wanted } from "../sealed.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { Handshake } from "./noise.ts";
import { changed, pins, remember } from "./pins.ts";
import { type Bytes, primitives } from "./primitives.ts";
import { type Directions, Sealing } from "./sealing.ts";
import { directions, prologue, secretOf, signals, VERSION } from "./stream.ts";

const BAD_REQUEST = codeNumber("bad_request");
const CANCELLED = codeNumber("cancelled");
const NEED = ["seal"];
const LOOKS =
  "what follows the # is not a whole key: copy the whole address, NAME#key, and nothing behind it; no name has a #";
const DAMAGED = "what is remembered as its key is none";
/** A stream without one. */
const NO_ID = new Uint8Array(16);

/**
 * Connects; rejects with why it did not. The library calls it where a stream is to be sealed.
 *
 * @internal
 */
export async function connect(wanted: Wanted): Promise<void> {
  const { cell, key, inside, request, sealed } = wanted;
  const { pins: known = pins } = sealed;
  const server = `${inside.target} ${request.path}`;
  const pinned = key ?? (await known.get(server));
  const meant = pinned ?? (await ask(wanted));
  // When the server has shown that the key is its own.
  const proven = pinned === undefined || pinned === null ? () => remember(known, server, meant) : undefined;
  if (!cell.isOver) await new Connecting(wanted, meant, proven).begin();
}

/** Asks the server for its key. A connection that breaks meanwhile is followed by another. */
async function ask({ inside, request, cell }: Wanted): Promise<string> {
  const { path, fields, patience } = request;
  while (true) {
    let reply: JsonObject = {};
    const { session } = inside;
    const next = inside.after(session);
    const open = { path, patience, fields: { ...fields, need: NEED, seal: { v: VERSION } } };
    const replied = (said: JsonObject) => {
      reply = said;
    };
    const stream = session.open({ ...open, replied });
    cell.closed.catch(() => stream.reset());
    try {
      await stream.opened;
      stream.reset();
      return read(reply).key ?? deny();
    } catch (thrown) {
      const error = StreamError.from(thrown);
      if (!session.leavesOver(error) || cell.isOver) throw error;
      await next;
    }
  }
}

/** What a reply says: a message or a key, never both. */
function read({ seal }: JsonObject): { message?: Bytes | undefined; key?: string | undefined } {
  const { v, message, key } = Object(seal);
  if (v !== VERSION || (message !== undefined && key !== undefined)) return {};
  return { message: fromBase64(message), key: fromBase64(key, 32) && key };
}

function deny(): never {
  throw new StreamError("tampered", "the answer is not that of a sealed server");
}

class Connecting {
  readonly #wanted: Wanted;
  readonly #server: string;
  /** To be awaited once the key has proven to be the server's. */
  readonly #proven: (() => Promise<void>) | undefined;
  readonly #identity: Identity;
  #handshake: Handshake | undefined;
  #sealing: Sealing | undefined;
  #below: Cell | undefined;

  constructor(wanted: Wanted, server: string, proven?: () => Promise<void>) {
    this.#wanted = wanted;
    this.#server = server;
    this.#proven = proven;
    const id = wanted.resumes ? randomBytes(16) : NO_ID;
    // The secret is known when the server has answered.
    this.#identity = { id, secret: new Uint8Array(0), name: wanted.name };
  }

  async begin(): Promise<void> {
    const { cell, sealed, resumes } = this.#wanted;
    const known = await primitives();
    const server = fromBase64(this.#server, 32);
    if (!server)
      throw new StreamError("bad_request", `${this.#wanted.key === undefined ? DAMAGED : LOOKS}: ${this.#server}`);
    const { id, name } = this.#identity;
    const keys = sealed.keys?.pair;
    const pattern = keys ? "IK" : "NK";
    this.#handshake = await Handshake.begin(known, {
      ...{ pattern, role: "client", server, keys, prologue: prologue(id, name) },
    });
    const said = sealed.meta === undefined ? "" : JSON.stringify(sealed.meta);
    const first = await this.#handshake.write(new TextEncoder().encode(said)).catch(() => undefined);
    if (!first) throw new StreamError("bad_request", "nothing can be sealed to that key");
    const fields = { need: NEED, seal: { v: VERSION, pattern, message: toBase64(first) } };
    if (cell.isOver) return;
    if (resumes) this.#beginResumable(fields, signals(known));
    else this.#beginPlain(fields);
  }

  #beginResumable(fields: object, signals: NonNullable<Identity["seal"]>["signals"]): void {
    const { inside, request, ice } = this.#wanted;
    this.#identity.seal = {
      signals,
      client: {
        fields,
        refusal: (reply) => this.#refusal(reply),
        answered: (carrier, reply, accept) => this.#answered(carrier, reply, accept),
      },
    };
    this.#ride(begin(inside.resumables, this.#identity, request, ice).cell);
  }

  /** The stream is lost with its connection. */
  #beginPlain(fields: object): void {
    const { inside, request, cell } = this.#wanted;
    const { path, meta, patience = Infinity } = request;
    const below: Cell = new Cell(inside.session, BODY_MAX, (reply) => {
      const error = refusal(reply) ?? this.#refusal(reply as JsonObject);
      if (error) return resetRefused(below, error, reply);
      void this.#answered(below, reply as JsonObject, () => {
        below.accepted();
        return true;
      });
    });
    this.#ride(below);
    inside.session.start(below, { path, meta, ...request.fields, ...fields });
    if (patience === Infinity) return;
    const timer = setTimeout(() => cell.reset(new StreamError("timeout", inside.session.why)), patience);
    const stop = () => clearTimeout(timer);
    cell.opened.then(stop, stop);
  }

  /** What was written meanwhile goes on on the stream below. */
  #ride(below: Cell): void {
    const { cell, waiting } = this.#wanted;
    this.#below = below;
    this.#sealing = new Sealing(cell, below);
    if (waiting.chunk) this.#sealing.send(0, waiting.chunk);
    if (waiting.isFinished) this.#sealing.finish();
    if (waiting.behind !== undefined) this.#sealing.resetBehind(0, waiting.behind);
  }

  /** Why a reply can be none to our message. */
  #refusal(reply: JsonObject): StreamError | undefined {
    const { message, key } = read(reply);
    if (key && key !== this.#server) return changed(key, this.#server, this.#wanted.key === undefined);
    if (message) return undefined;
    return new StreamError("tampered", key ? "the open was altered on its way" : "the answer is not sealed");
  }

  /** Goes on with `accept` if the reply is the server's; what comes on the carrier meanwhile waits. */
  async #answered(carrier: Cell, reply: JsonObject, accept: () => boolean): Promise<void> {
    const { sink } = carrier;
    const held = new Held(sink);
    carrier.sink = held;
    try {
      const { keys, secret } = await this.#agree(reply).catch(() => {
        throw new StreamError("tampered", "the answer is not the server's");
      });
      let refusal: StreamError | undefined;
      await this.#proven?.().catch((error) => {
        refusal = StreamError.from(error);
      });
      carrier.sink = sink;
      if (accept()) {
        this.#identity.secret = secret;
        // It is the server's stream by now: that is told.
        if (refusal) this.#below?.reset(refusal, CANCELLED);
        else this.#opened(reply, keys);
      }
      held.replay(carrier.sink);
    } catch (error) {
      carrier.sink = sink;
      this.#below?.reset(StreamError.from(error), BAD_REQUEST);
    }
  }

  /** What both ends have after the reply; rejects where that is not the server's. */
  async #agree(reply: JsonObject): Promise<{ keys: Directions; secret: Bytes }> {
    const known = await primitives();
    const handshake = (this.#handshake as Handshake).fork();
    await handshake.read(read(reply).message as Bytes);
    const agreed = await handshake.split();
    const [keys, secret] = await Promise.all([directions(known, agreed, "client"), secretOf(known, agreed)]);
    return { keys, secret };
  }

  #opened(reply: JsonObject, keys: Directions): void {
    const { info, cell } = this.#wanted;
    if (cell.isOver) return;
    if (typeof reply.id === "string") info.id = reply.id;
    info.sealed = { meta: undefined, key: this.#server };
    this.#sealing?.start(keys);
  }
}

/** Keeps what happens to a cell for whoever takes it then. */
class Held implements Sink {
  readonly isBusy = false;
  readonly #sink: Sink | undefined;
  readonly #events: ((sink: Sink) => void)[] = [];

  constructor(sink: Sink | undefined) {
    this.#sink = sink;
  }

  replay(sink: Sink | undefined): void {
    if (sink) for (const event of this.#events) event(sink);
  }

  data(bytes: Bytes): void {
    // A copy: the rest of its message may be somebody's by then.
    const copy = bytes.slice();
    this.#events.push((sink) => {
      sink.data(copy);
      sink.settle();
    });
  }

  settle(): void {}

  finished(): void {
    this.#events.push((sink) => sink.finished());
  }

  sent(queued: number, finished: boolean): void {
    this.#sink?.sent(queued, finished);
  }

  fail(error: StreamError, keep: boolean): void {
    this.#events.push((sink) => sink.fail(error, keep));
  }

  ended(clean: boolean): void {
    this.#events.push((sink) => sink.ended(clean));
  }
}
