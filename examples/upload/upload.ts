// One file on its way: its stream, how far it is, and what may be done with it.

import { type MuxDemux, StreamError } from "browser-stream-server";

export type UploadState = "waiting" | "sending" | "paused" | "done" | "failed" | "cancelled";

/** Bytes that go into the stream at a time. */
const PIECE = 64 * 1024;
/** How much an old speed counts after a second. */
const FADING = 0.5;

export class Upload {
  readonly file: File;
  readonly #mdm: MuxDemux;
  readonly #changed: () => void;
  state: UploadState = "waiting";
  /** Bytes that the program's side took. */
  sent = 0;
  /** Bytes a second, lately. */
  rate = 0;
  /** Under which name it lies there, once it does. */
  savedAs = "";
  error: unknown;
  #abort = new AbortController();
  #resume: (() => void) | undefined;
  #measured = { at: 0, sent: 0 };

  constructor(file: File, mdm: MuxDemux, changed: () => void) {
    this.file = file;
    this.#mdm = mdm;
    this.#changed = changed;
  }

  get isOver(): boolean {
    return this.state === "done" || this.state === "failed" || this.state === "cancelled";
  }

  /** Seconds to go at the present speed; nothing as long as there is none. */
  get secondsLeft(): number | undefined {
    return this.rate > 0 ? (this.file.size - this.sent) / this.rate : undefined;
  }

  /** Sends the file from its beginning; resolves when that is over, however it ended. */
  async run(): Promise<void> {
    this.#abort = new AbortController();
    this.sent = this.rate = 0;
    this.#measured = { at: performance.now(), sent: 0 };
    this.#become("sending");
    try {
      this.savedAs = await this.#send(this.#abort.signal);
      this.#become("done");
    } catch (error) {
      this.error = error;
      this.#become(this.#abort.signal.aborted ? "cancelled" : "failed");
    }
  }

  /** Sends nothing more until {@link resume}. */
  pause(): void {
    if (this.state === "sending") this.#become("paused");
  }

  resume(): void {
    if (this.state !== "paused") return;
    this.#measured = { at: performance.now(), sent: this.sent };
    this.rate = 0;
    this.#become("sending");
    this.#resume?.();
  }

  /** Gives it up: nothing of it is left on the other side. */
  cancel(): void {
    this.#abort.abort();
    this.#resume?.();
    if (this.state === "waiting") this.#become("cancelled");
  }

  /** It stands in line again. */
  wait(): void {
    this.sent = this.rate = 0;
    this.#become("waiting");
  }

  /** Takes the speed of what went since the last time. */
  measure(now: number): void {
    const seconds = (now - this.#measured.at) / 1000;
    if (this.state !== "sending" || seconds < 0.25) return;
    const rate = (this.sent - this.#measured.sent) / seconds;
    const old = this.rate === 0 ? 0 : FADING ** seconds;
    this.rate = old * this.rate + (1 - old) * rate;
    this.#measured = { at: now, sent: this.sent };
  }

  async #send(signal: AbortSignal): Promise<string> {
    const { name, size, type } = this.file;
    const stream = this.#mdm.createStream({ name, size, type }, { path: "/upload", signal });
    const writer = stream.writable.getWriter();
    const answer = new Response(stream.readable).text();
    answer.catch(() => {}); // `closed` tells.
    try {
      await stream.opened;
      for await (const piece of pieces(this.file)) {
        await this.#unpaused(signal);
        await writer.ready;
        // Ready is for the next piece; this one is counted when it has left.
        writer.write(piece).then(
          () => {
            this.sent += piece.length;
          },
          () => {},
        );
      }
      await this.#unpaused(signal);
      await writer.close();
    } catch (error) {
      // A file that cannot be read ends the stream; one that the other side ended says why itself.
      if (!(error instanceof StreamError)) stream.reset();
      throw error;
    }
    await stream.closed;
    return JSON.parse(await answer).name;
  }

  async #unpaused(signal: AbortSignal): Promise<void> {
    while (this.state === "paused" && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
    }
    signal.throwIfAborted();
  }

  #become(state: UploadState): void {
    this.state = state;
    this.#changed();
  }
}

/** The bytes of a file, a few at a time: it is never in memory as a whole. */
async function* pieces(file: File): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const reader = file.stream().getReader();
  while (true) {
    const { done, value } = await reader.read();
    if (done) return;
    for (let at = 0; at < value.length; at += PIECE) yield value.subarray(at, at + PIECE);
  }
}
