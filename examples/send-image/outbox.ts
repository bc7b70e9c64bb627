// What is sent: each picture over a stream of its own, a few at once. What does not arrive stays here, to be sent again.

import type { Stream } from "browser-stream-server";
import { code, explain } from "../echo/page.ts";
import { BYTES_MAX, pictureOf } from "./picture.ts";
import { Row } from "./row.ts";

/** Pictures that go at the same time; the others wait for their turn. */
const AT_ONCE = 3;
/** A way that is open takes a stream sooner than this. */
const MOVE_MS = 1000;
const ENDED = "It did not arrive: the connection to the other tab ended.";

/** Begins a stream to the tab that shows. */
type Connect = (options: { meta: object; signal: AbortSignal }) => Stream;

interface Item {
  readonly file: File;
  readonly row: Row;
}

export class Outbox {
  /** The stream that keeps the way open. Without one nothing goes. */
  way: Stream | undefined;
  readonly #connect: Connect;
  readonly #changed: () => void;
  readonly #going = new Map<Item, AbortController>();
  readonly #missed = new Set<Item>();
  readonly #turns: (() => void)[] = [];
  #taken = 0;

  /** `changed` is called when more or fewer did not arrive. */
  constructor(connect: Connect, changed: () => void) {
    this.#connect = connect;
    this.#changed = changed;
  }

  /** How many did not arrive, and may be sent again. */
  get missed(): number {
    return this.#missed.size;
  }

  send(file: File): void {
    const item = { file, row: new Row(file) };
    const { name, type, size } = file;
    const isLarge = type.startsWith("image/") && size > BYTES_MAX;
    if (isLarge) item.row.over("Larger than 32 MiB: it was not sent.");
    else if (!pictureOf({ name, type, size })) item.row.over("No picture that can be shown: it was not sent.");
    else if (!this.way) this.#miss(item, "It was not sent: there is no connection to the other tab.");
    else void this.#deliver(item);
  }

  /** Sends all that did not arrive once more. */
  sendAgain(): void {
    for (const item of this.#missed) this.#again(item);
  }

  /** The way is gone: what is not shown does not arrive any more, and says so at once. */
  breakOff(): void {
    this.way = undefined;
    for (const [item, cancel] of this.#going) {
      cancel.abort();
      this.#miss(item, ENDED);
    }
    this.#going.clear();
  }

  #again(item: Item): void {
    this.#missed.delete(item);
    this.#changed();
    void this.#deliver(item);
  }

  #miss(item: Item, why: string): void {
    this.#missed.add(item);
    item.row.missed(why, () => this.#again(item), this.way !== undefined);
    this.#changed();
  }

  async #deliver(item: Item): Promise<void> {
    const { file, row } = item;
    const cancel = new AbortController();
    this.#going.set(item, cancel);
    row.waits(() => {
      this.#going.delete(item);
      cancel.abort();
      row.over("Cancelled.");
    });
    await this.#turn();
    try {
      cancel.signal.throwIfAborted();
      row.goes();
      const answer = await this.#put(file, cancel.signal, (sent) => row.at(sent));
      if (!cancel.signal.aborted) row.over(ANSWERS[answer] ?? "The other tab did not show it.");
    } catch (error) {
      if (!cancel.signal.aborted) this.#miss(item, reason(error));
    }
    // It may go again already.
    if (this.#going.get(item) === cancel) this.#going.delete(item);
    this.#done();
  }

  /** Gives what the other tab answers. */
  async #put(file: File, signal: AbortSignal, progress: (sent: number) => void): Promise<string> {
    const stream = this.#connect({ meta: { name: file.name, type: file.type, size: file.size }, signal });
    await stream.opened;
    await this.#settled(stream);
    await stream.send(file, { signal, onProgress: ({ sent }) => progress(sent) });
    let answer = "";
    for await (const chunk of stream) answer += new TextDecoder().decode(chunk);
    return answer;
  }

  /** Resolves when it goes where the kept one goes: each begins through the proxy, and a small picture would be over before it moves. */
  async #settled(stream: Stream): Promise<void> {
    if (this.way?.carrier !== "direct" || stream.carrier === "direct") return;
    const moved = new Promise<void>((resolve) => stream.once("carrier", () => resolve()));
    await Promise.race([moved, new Promise((resolve) => setTimeout(resolve, MOVE_MS))]);
  }

  /** Resolves when fewer than {@link AT_ONCE} go. */
  async #turn(): Promise<void> {
    if (this.#taken < AT_ONCE) this.#taken++;
    else await new Promise<void>((resolve) => this.#turns.push(resolve));
  }

  /** Whoever waits longest has the turn of one that is over. */
  #done(): void {
    const next = this.#turns.shift();
    if (next) next();
    else this.#taken--;
  }
}

/** What the other tab says of a picture: by which way it came. */
const ANSWERS: Record<string, string> = {
  "shown direct": "Shown. It went directly.",
  "shown proxy": "Shown. It went through the proxy.",
  unreadable: "The other tab could not show it.",
};

/** However a connection ends, it is one event, and has one text. */
function reason(error: unknown): string {
  if (code(error) === "") return explain(error); // The file could not be read.
  return REFUSED[code(error)] ?? ENDED;
}

const REFUSED: Record<string, string> = {
  busy: "It was not sent: the other tab takes no more at once.",
  bad_request: "The other tab does not take it.",
};
