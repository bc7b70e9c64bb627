// The one stream over which the proxy tells what there is, over a session of its own that comes back by itself.

import { MuxDemux } from "../../browser-lib/src/mux-demux.ts";
import type { Stream } from "../../browser-lib/src/stream.ts";
import { token } from "./token.ts";
import { type Line, readLine, type TableName } from "./wire.ts";

export interface Connection {
  readonly state: "connecting" | "open" | "waiting" | "closed";
  /** Why there is none. */
  readonly problem?: string;
  /** When the next one is tried, by `performance.now()`. */
  readonly nextTry?: number;
}

export interface LiveHooks {
  lines(lines: Line[]): void;
  /** The proxy tells from the start. */
  begin(): void;
  connection(connection: Connection): void;
  /** The proxy does not want us. */
  refused(message: string): void;
}

const PATH = "/admin/live";
/** How long after a stream that ended by itself the next one is asked for. */
const AGAIN_MS = 1000;
/** How long a line may wait for others; and how many may, for a hidden page's timers are slow. */
const TOGETHER_MS = 50;
const LINES_MAX = 64;

export class Live {
  readonly #hooks: LiveHooks;
  readonly #mdm = new MuxDemux("/admin/mux", { token });
  #stream: Stream | undefined;
  #watched: readonly TableName[];
  #waiting: Line[] = [];
  #isOver = false;

  constructor(watched: readonly TableName[], hooks: LiveHooks) {
    this.#hooks = hooks;
    this.#watched = watched;
    const mdm = this.#mdm;
    mdm.on("state", (state) => hooks.connection({ state }));
    mdm.on("reconnecting", ({ delayMs, error }) =>
      hooks.connection({ state: "waiting", problem: error.detail, nextTry: performance.now() + delayMs }),
    );
    mdm.on("error", ({ code, detail }) => (code === "unauthorized" ? hooks.refused(detail) : undefined));
    mdm.on("open", () => void this.#follow());
    mdm.ready.catch(() => {});
  }

  /** Has these tables told from now on, and no others. */
  watch(tables: readonly TableName[]): void {
    this.#watched = tables;
    this.#stream?.write(this.#wish());
  }

  /** Makes the next attempt to connect now. */
  hurry(): void {
    this.#mdm.reconnect();
  }

  close(): void {
    this.#isOver = true;
    this.#mdm.close();
  }

  #wish(): string {
    return `${JSON.stringify({ watch: this.#watched })}\n`;
  }

  async #follow(): Promise<void> {
    const stream = this.#mdm.createStream(undefined, { path: PATH });
    this.#stream = stream;
    try {
      await stream.opened;
      this.#waiting = [];
      this.#hooks.begin();
      this.#hooks.connection({ state: "open" });
      stream.write(this.#wish());
      await this.#read(stream);
    } catch (error) {
      if (this.#mdm.state === "open") this.#hooks.connection({ state: "waiting", problem: String(error) });
    }
    stream.reset();
    // Where the connection is gone, too, the next one asks.
    const isLast = () => this.#stream === stream && !this.#isOver && this.#mdm.state === "open";
    if (isLast()) setTimeout(() => isLast() && void this.#follow(), AGAIN_MS);
  }

  /** Until it ends, or another one has its place. */
  async #read(stream: Stream): Promise<void> {
    const reader = stream.readable.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    while (true) {
      const { done, value } = await reader.read();
      if (done || this.#stream !== stream) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line) this.#take(readLine(line));
    }
  }

  /** The lines of one second come together, and are shown together. */
  #take(line: Line): void {
    if (this.#waiting.length === 0) setTimeout(() => this.#hand(), TOGETHER_MS);
    this.#waiting.push(line);
    if (this.#waiting.length > LINES_MAX) this.#hand();
  }

  #hand(): void {
    const lines = this.#waiting;
    this.#waiting = [];
    if (lines.length > 0) this.#hooks.lines(lines);
  }
}
