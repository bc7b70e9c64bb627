// The pages of the scope: the first that can is asked, and what it says is heard until it goes.

import { StreamError } from "../error.ts";
import type { FromPage, Question, ToPage } from "./messages.ts";
import { type Client, scope } from "./scope.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A page that has a swarm says so sooner, unless it is frozen, or its device has much to do: where there is no origin to go to that is waited for longer. */
const HERE_MS = 1_000;
const HERE_ALONE_MS = 10_000;
/** How often it is looked whether a page that is silent is still there, and how often before it counts as frozen. */
const LOOK_MS = 1_000;
const LOOKS = 30;

/** One page's answer to one question. */
export class Line {
  readonly client: Client;
  readonly #port: MessagePort;
  /** What it said, until somebody asks. */
  readonly #said: FromPage[] = [];
  #hear = (): void => {};

  private constructor(client: Client, question: Question) {
    this.client = client;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data }: MessageEvent<FromPage>) => {
      this.#said.push(data);
      this.#hear();
    };
    client.postMessage(question, [port2]);
  }

  /** To the first page that says that it can, and is none of `tried`; nothing where there is none. */
  static async first(question: Question, tried: ReadonlySet<string>): Promise<Line | undefined> {
    const patience = question.origins.length > 0 ? HERE_MS : HERE_ALONE_MS;
    const clients = (await scope.clients.matchAll({ type: "window" })).filter(({ id }) => !tried.has(id));
    if (clients.length === 0) return undefined;
    const lines = clients.map((client) => new Line(client, question));
    const here = lines.map(async (line) => {
      if ((await line.#next()).is !== "here") throw new TypeError("not now");
      return line;
    });
    const line = await Promise.race([Promise.any(here).catch(() => undefined), passed(patience)]);
    for (const other of lines) if (other !== line) other.leave();
    return line;
  }

  /** What it says to `more`. Throws where it cannot, or is gone. */
  async more(): Promise<FromPage> {
    const said = this.#next();
    this.#say("more");
    for (let look = 0; look < LOOKS; look++) {
      const heard = await Promise.race([said, passed(LOOK_MS)]);
      if (heard?.is === "failed") throw new StreamError(heard.code, heard.message);
      if (heard) return heard;
      if (!(await scope.clients.get(this.client.id))) break;
    }
    throw new StreamError("gone", "the page that fetched it is gone");
  }

  /** The bytes as they come. */
  async *bytes(): AsyncGenerator<Bytes, void, undefined> {
    try {
      for (let said = await this.more(); said.is === "bytes"; said = await this.more()) yield said.bytes;
    } finally {
      this.leave();
    }
  }

  /** Wants no more of it. */
  leave(): void {
    this.#say("leave");
    this.#port.close();
  }

  async #next(): Promise<FromPage> {
    while (true) {
      const said = this.#said.shift();
      if (said) return said;
      await new Promise<void>((resolve) => {
        this.#hear = resolve;
      });
    }
  }

  #say(word: ToPage): void {
    this.#port.postMessage(word);
  }
}

function passed(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined));
}
