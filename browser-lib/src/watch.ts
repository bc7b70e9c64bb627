// Tells whether somebody serves under a name, and goes on telling over one connection after the other.

import { StreamError } from "./error.ts";
import { Emitter } from "./events.ts";
import { readNotes } from "./framing.ts";
import type { Inside } from "./inside.ts";

/** Somebody serves; somebody did and may come back within the grace; nobody does. */
export type NameState = "up" | "suspended" | "gone";

const STATES: readonly string[] = ["up", "suspended", "gone"] satisfies NameState[];

export interface WatchEvents {
  /** Somebody serves under the name. */
  up: [];
  /** The server's connection is gone; the name is kept for it. */
  suspended: [];
  /** Nobody serves under the name. */
  gone: [];
  /** The watch was refused, or the connection is over for good; an iteration throws it. */
  error: [error: StreamError];
  /** It tells no more. */
  close: [];
}

/** A watch over a name: events, or `for await` for the newest state after each change. While there is no connection it tells nothing. */
export class Watch extends Emitter<WatchEvents> implements AsyncIterable<NameState> {
  readonly #abort = new AbortController();
  #state: NameState | undefined;
  #error: StreamError | undefined;
  #wake = (): void => {};
  #change = this.#changing();

  /** Watches come from a client. */
  constructor(inside: Inside, path: string, signal: AbortSignal | undefined) {
    super();
    const close = () => this.close();
    if (signal?.aborted) close();
    signal?.addEventListener("abort", close, { signal: this.#abort.signal });
    this.#run(inside, path).then(close, (thrown) => this.#finish(StreamError.from(thrown)));
  }

  /** What was told last; nothing before the proxy answered. */
  get state(): NameState | undefined {
    return this.#state;
  }

  /** Ends the watch, and with it the iterations. */
  close(): void {
    this.#finish();
  }

  /** The state now, once it is known, and after each change; a slow loop gets the newest. Leaving the loop leaves the watch open. */
  async *[Symbol.asyncIterator](): AsyncGenerator<NameState, void, undefined> {
    let told: NameState | undefined;
    while (true) {
      if (this.#error) throw this.#error;
      if (this.#abort.signal.aborted) return;
      if (this.#state !== undefined && this.#state !== told) {
        told = this.#state;
        yield told;
      } else await this.#change;
    }
  }

  async #run(inside: Inside, path: string): Promise<void> {
    const { signal } = this.#abort;
    let { session } = inside;
    while (!signal.aborted) {
      const stream = session.open({ path, signal, patience: Infinity });
      try {
        await stream.opened;
        return await readNotes(stream.readable, (note) => this.#tell(note));
      } catch (thrown) {
        const error = StreamError.from(thrown);
        if (!session.leavesOver(error)) throw error;
        session = await inside.after(session);
      }
    }
  }

  #finish(error?: StreamError): void {
    if (this.#abort.signal.aborted) return;
    this.#error = error;
    this.#abort.abort();
    this.#wake();
    if (error) this.emit("error", error);
    this.emit("close");
  }

  #tell(note: string): void {
    if (!STATES.includes(note) || note === this.#state) return;
    this.#state = note as NameState;
    this.#wake();
    this.#change = this.#changing();
    this.emit(this.#state);
  }

  #changing(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
