// What the page says of one stream: which way it goes, or since when nothing comes back, and that its times are old then.

import { element } from "../echo/page.ts";

/** A ping that is out longer than this has no answer, for all that anybody can see. */
const SILENT_MS = 1500;

export class Silence {
  readonly #way: HTMLElement;
  readonly #line: HTMLElement;
  /** When the pings left that are out. */
  #out: number[] = [];
  #text = "";
  /** The text says itself that nothing comes back. */
  #isKnown = false;
  /** The time of day of the oldest ping that is out too long. */
  #since = "";

  /** `way` gets `data-stale` while nothing comes back; `line` is where it is said. */
  constructor(way: string, line: string) {
    this.#way = element(way);
    this.#line = element(line);
    this.#paint();
  }

  /** Says it, unless nothing comes back; `isKnown`: even then. */
  say(text: string, isKnown = false): void {
    this.#text = text;
    this.#isKnown = isKnown;
    this.#since = ""; // It moved: seen with the next ping.
    this.#paint();
  }

  sent(): void {
    const now = performance.now();
    const [oldest = now] = this.#out;
    if (now - oldest > SILENT_MS) this.#since ||= new Date(Date.now() - now + oldest).toLocaleTimeString("en-GB");
    this.#out.push(now);
    this.#paint();
  }

  answered(): void {
    this.#out.shift();
    this.#since = "";
    this.#paint();
  }

  #paint(): void {
    const isStale = this.#since !== "";
    const text = isStale && !this.#isKnown ? `No answer since ${this.#since}. The times are from before.` : this.#text;
    this.#way.toggleAttribute("data-stale", isStale);
    // A screen reader hears only changes.
    if (this.#line.textContent !== text) this.#line.textContent = text;
  }
}
