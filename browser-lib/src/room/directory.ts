// Which public rooms there are, and how many are in each, over one connection after the other.

import { StreamError } from "../error.ts";
import { Emitter } from "../events.ts";
import { readFrames } from "../framing.ts";
import type { Inside } from "../inside.ts";
import type { JsonObject } from "../json.ts";
import { settler } from "../settler.ts";

/** A public room. */
export interface RoomInfo {
  readonly name: string;
  /** How many are in it. */
  readonly members: number;
}

export interface DirectoryEvents {
  /** The rooms are others, or other numbers are in them: all of them as they are now. At most four times in a second. */
  change: [rooms: readonly RoomInfo[]];
  /** It was refused, or the connection is over for good; an iteration throws it. */
  error: [error: StreamError];
  /** It tells no more. */
  close: [];
}

/** The public rooms: `rooms` now, "change" after each change, or `for await` for the newest. While there is no connection it keeps what it knew. */
export class Directory extends Emitter<DirectoryEvents> implements AsyncIterable<readonly RoomInfo[]> {
  readonly #abort = new AbortController();
  readonly #ready = settler();
  #rooms: readonly RoomInfo[] = [];
  /** How many lists were told. */
  #told = 0;
  #error: StreamError | undefined;
  #change = settler();

  /** Directories come from `Room(mdm).rooms()`. */
  constructor(inside: Inside, path: string, signal: AbortSignal | undefined) {
    super();
    const close = () => this.close();
    if (signal?.aborted) close();
    signal?.addEventListener("abort", close, { signal: this.#abort.signal });
    this.#run(inside, path).then(close, (thrown) => this.#finish(StreamError.from(thrown)));
  }

  /** Resolves when the first list is there; rejects with why there is none, `cancelled` where it was closed before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** The rooms as far as it is known, in the order in which they were first heard of. */
  get rooms(): readonly RoomInfo[] {
    return this.#rooms;
  }

  /** Ends it, and with it the iterations. */
  close(): void {
    this.#finish();
  }

  /** The rooms now, once they are known, and after each change; a slow loop gets the newest. Leaving the loop leaves the directory open. */
  async *[Symbol.asyncIterator](): AsyncGenerator<readonly RoomInfo[], void, undefined> {
    let seen = 0;
    while (true) {
      if (this.#error) throw this.#error;
      if (this.#abort.signal.aborted) return;
      if (this.#told > seen) {
        seen = this.#told;
        yield this.#rooms;
      } else await this.#change.promise;
    }
  }

  async #run(inside: Inside, path: string): Promise<void> {
    const { signal } = this.#abort;
    let { session } = inside;
    while (!signal.aborted) {
      const stream = session.open({ path, signal, patience: Infinity });
      try {
        await stream.opened;
        const counts = new Map<string, number>();
        let isListed = false;
        await readFrames(stream.readable, (frame) => {
          isListed ||= frame.note === "listed";
          take(counts, frame);
          if (isListed) this.#tell(counts);
        });
        throw new StreamError("lost", "the directory ended without a word");
      } catch (thrown) {
        const error = StreamError.from(thrown);
        if (signal.aborted) return;
        if (error.code === "lagging") session = inside.session;
        else if (session.leavesOver(error)) session = await inside.after(session);
        else {
          stream.reset();
          throw error;
        }
      }
    }
  }

  #tell(counts: ReadonlyMap<string, number>): void {
    this.#rooms = Array.from(counts, ([name, members]) => ({ name, members }));
    this.#told++;
    this.#ready.resolve();
    this.#wake();
    this.emit("change", this.#rooms);
  }

  #finish(error?: StreamError): void {
    if (this.#abort.signal.aborted) return;
    this.#error = error;
    this.#abort.abort();
    this.#ready.reject(error ?? new StreamError("cancelled"));
    this.#wake();
    if (error) this.emit("error", error);
    this.emit("close");
  }

  #wake(): void {
    this.#change.resolve();
    this.#change = settler();
  }
}

/** Takes what a frame says: a count of 0 is a room that is gone. Throws `bad_request` for what says no such thing. */
function take(counts: Map<string, number>, { rooms }: JsonObject): void {
  for (const entry of rooms === undefined ? [] : list(rooms)) {
    const [name, members] = list(entry);
    if (typeof name !== "string" || !Number.isInteger(members)) throw unreadable();
    if (Number(members) > 0) counts.set(name, Number(members));
    else counts.delete(name);
  }
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw unreadable();
  return value;
}

function unreadable(): StreamError {
  return new StreamError("bad_request", "the proxy sent what is no directory");
}
