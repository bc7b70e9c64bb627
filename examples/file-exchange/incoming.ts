// One file at the receiver: asked for, coming, kept, saved; or not, and why.

import { StreamError } from "browser-stream-server";
import { type Exchange, Gone } from "./exchange.ts";
import { get } from "./get.ts";
import { Pace } from "./pace.ts";
import { BadPiece } from "./refused.ts";
import { type Sink, sinkFor } from "./sink.ts";
import { CODES, type Listed } from "./wire.ts";

export type IncomingState = "offered" | "waiting" | "coming" | "away" | "saving" | "done" | "failed" | "cancelled";

/** So often a piece that is not right is asked for again. */
const AGAIN_MAX = 1;
const AGAIN_MS = 500;

/** The sender is not there, or no longer in a state to answer. */
const AWAY = ["lost", "gone", "unresponsive", "timeout", "not_found", "draining", "busy", "cancelled"];

export class Incoming {
  readonly file: Listed;
  state: IncomingState = "offered";
  error: unknown;
  pace = new Pace();
  /** Whether the sender has it on the list now. */
  isListed = true;
  readonly #exchange: Exchange;
  readonly #changed: () => void;
  #sink: Sink | undefined;
  /** Aborts when the user cancels, and when the sender is known to be gone. */
  #abort = new AbortController();
  #gone = new AbortController();
  /** Pieces may come over a channel with others', as long as that goes well. */
  #mayShare = true;

  constructor(file: Listed, exchange: Exchange, changed: () => void) {
    this.file = file;
    this.#exchange = exchange;
    this.#changed = changed;
  }

  /** Bytes that are here, each of them checked. */
  get held(): number {
    return this.#sink?.held ?? 0;
  }

  /** Whether they are here again after a reload. */
  get continues(): boolean {
    return this.#sink?.continues ?? false;
  }

  get isRunning(): boolean {
    return this.state === "coming" || this.state === "away" || this.state === "saving";
  }

  /** It broke off because the sender went, or had it no more. */
  get isBroken(): boolean {
    return this.state === "failed" && (this.error instanceof Gone || codeOf(this.error) === CODES.noSuchFile);
  }

  /** It stands in line. */
  want(): void {
    this.#abort = new AbortController();
    this.#gone = new AbortController();
    this.#become("waiting");
  }

  /** Gives it up; nothing of it is kept. */
  cancel(): void {
    this.#abort.abort(new StreamError("cancelled"));
    if (this.state === "waiting" || this.state === "failed") void this.#drop("cancelled");
  }

  /** The sender is gone, and not only its connection: what is on its way will not come. */
  senderGone(reason: string): void {
    this.#gone.abort(new Gone(reason));
  }

  /** Gets what is missing and saves it. Resolves when that is over, however it ended. */
  async run(): Promise<void> {
    this.#become("coming");
    try {
      await this.#receive(this.#abort.signal);
      this.#become("saving");
      await this.#sink?.finish();
      this.#sink = undefined;
      this.#become("done");
    } catch (error) {
      this.error = error;
      if (this.#abort.signal.aborted) await this.#drop("cancelled");
      else {
        // What went straight into a download cannot be gone on with; what the sender took back shall not be.
        const isTakenBack = codeOf(error) === CODES.cancelledBySender || this.#exchange.presence === "over";
        if (isTakenBack || (!this.continues && !(error instanceof Gone))) await this.#begin();
        this.#become("failed");
      }
    }
    this.#exchange.schedule();
  }

  async #receive(signal: AbortSignal): Promise<void> {
    for (let again = 0; ; ) {
      this.#sink ??= await sinkFor(this.#exchange.name, this.file, this.#exchange.piece);
      const sink = this.#sink;
      this.pace = new Pace(sink.held);
      this.#changed();
      if (sink.held === this.file.size && this.#exchange.presence !== "here") return;
      try {
        return await this.#get(sink, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#mayShare = false;
        if (error instanceof StreamError && error.code === "lagging") continue;
        if (codeOf(error) === CODES.otherFile && sink.held > 0) await this.#begin();
        else if (error instanceof BadPiece && again++ < AGAIN_MAX) continue;
        else if (error instanceof StreamError && AWAY.includes(error.code)) await this.#sender(signal);
        else throw error;
      }
    }
  }

  #get(sink: Sink, signal: AbortSignal): Promise<void> {
    const { piece } = this.#exchange;
    return get({
      file: this.file,
      piece,
      sink,
      signal: AbortSignal.any([signal, this.#gone.signal]),
      open: (from, have) => this.#exchange.get(this.file, from, have, this.#mayShare && from === 0),
      subscribe: (name, signal) => this.#exchange.subscribe(name, signal),
      progressed: () => {
        if (this.state !== "coming") this.#become("coming");
      },
    });
  }

  /** What is here is of no use. */
  async #begin(): Promise<void> {
    await this.#sink?.drop();
    this.#sink = undefined;
  }

  /** Waits for the sender to be back. */
  async #sender(signal: AbortSignal): Promise<void> {
    this.#become("away");
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    await this.#exchange.here(signal);
    this.#become("coming");
  }

  async #drop(state: IncomingState): Promise<void> {
    const sink = this.#sink;
    this.#sink = undefined;
    await sink?.drop();
    this.#become(state);
  }

  #become(state: IncomingState): void {
    this.state = state;
    this.#changed();
  }
}

function codeOf(error: unknown): number {
  return error instanceof StreamError ? Number(error.code) : Number.NaN;
}
