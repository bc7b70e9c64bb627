// One file on its way: its stream, how far it is, and what may be done with it.

import type { MuxDemux, Stream } from "browser-stream-server";

export type UploadState = "waiting" | "sending" | "paused" | "done" | "failed" | "cancelled";

type FileReader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

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
    const answer = new Response(stream.readable).text();
    answer.catch(() => {}); // `closed` tells.
    const reader = this.file.stream().getReader();
    const sending = this.#pour(reader, stream, signal);
    sending.catch(() => {}); // The race below tells.
    try {
      // A stream that broke is heard of at once, also while nothing is sent.
      await Promise.race([sending, stream.closed]);
      await stream.closed;
      return JSON.parse(await answer).name;
    } finally {
      // Of a file that cannot be read the other side shall not think that it is whole.
      stream.reset();
      reader.cancel().catch(() => {});
    }
  }

  /** The file's bytes, a few at a time: it is never in memory as a whole. */
  async #pour(reader: FileReader, stream: Stream, signal: AbortSignal): Promise<void> {
    const writer = stream.writable.getWriter();
    await stream.opened;
    for (let next = await reader.read(); next.value; next = await reader.read()) {
      for (let at = 0; at < next.value.length; at += PIECE) {
        await this.#unpaused(signal);
        await writer.ready;
        const piece = next.value.subarray(at, at + PIECE);
        // Ready is for the next piece; this one is counted when it has left.
        const count = () => {
          this.sent += piece.length;
        };
        writer.write(piece).then(count, () => {});
      }
    }
    await this.#unpaused(signal);
    await writer.close();
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
