// One of the three on the page: its buttons, how much of it came, and how it ended.

import { StreamError } from "browser-stream-server";

type Bytes = Uint8Array<ArrayBuffer>;

/** Shows what arrives until all of it was shown; throws an `Error` whose message tells a person why not. */
export type Player = (section: HTMLElement, arriving: ReadableStream<Bytes>, signal: AbortSignal) => Promise<void>;

/** Asks for it. */
type Source = (signal: AbortSignal) => Promise<{ bytes: number; stream: ReadableStream<Bytes> }>;

export class Card {
  readonly #section: HTMLElement;
  readonly #player: Player;
  readonly #source: Source;
  #abort = new AbortController();

  constructor(section: HTMLElement, player: Player, source: Source) {
    this.#section = section;
    this.#player = player;
    this.#source = source;
    this.#part("start").addEventListener("click", () => void this.#start());
    this.#part("stop").addEventListener("click", () => this.#abort.abort());
  }

  async #start(): Promise<void> {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#show("arriving", "Asked for it");
    try {
      const { bytes, stream } = await this.#source(signal);
      await this.#player(this.#section, stream.pipeThrough(this.#counted(bytes)), signal);
      this.#show("done", "All of it arrived, and was shown.");
    } catch (error) {
      if (signal.aborted) this.#show("stopped", "Stopped.");
      else this.#show("failed", explain(error));
    }
  }

  /** Passes the bytes on, and shows how many came. */
  #counted(bytes: number): TransformStream<Bytes, Bytes> {
    let came = 0;
    const bar = this.#section.querySelector("progress") as HTMLProgressElement;
    return new TransformStream(
      {
        transform: (chunk, controller) => {
          came += chunk.length;
          bar.value = bytes > 0 ? came / bytes : 0;
          this.#section.dataset.came = `${came}`;
          this.#part("told").textContent = `${megabytes(came)} of ${megabytes(bytes)} arrived`;
          controller.enqueue(chunk);
        },
      },
      { highWaterMark: 1 },
      { highWaterMark: 0 },
    );
  }

  #show(state: "arriving" | "done" | "stopped" | "failed", text: string): void {
    const [start, stop] = [this.#part("start"), this.#part("stop")];
    const hadFocus = document.activeElement === start || document.activeElement === stop;
    this.#section.dataset.state = state;
    start.hidden = state === "arriving";
    stop.hidden = !start.hidden;
    if (hadFocus) (start.hidden ? stop : start).focus();
    this.#part("told").textContent = text;
  }

  #part(name: string): HTMLElement {
    return this.#section.querySelector(`[data-part=${name}]`) as HTMLElement;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function explain(error: unknown): string {
  if (!(error instanceof StreamError)) return error instanceof Error ? error.message : String(error);
  if (error.code === "not_found") return "The program here has none. Start the one that does: cargo run -p media.";
  if (error.code === "lost") return "The connection broke. Start it again when the connection is back.";
  return `It failed: ${error.message}. Start it again.`;
}
