// What others are told that we hold: enough for them to find us, not every piece.

import { later, type Timer } from "../later.ts";
import type { Content } from "./shelf.ts";

/** A content that grows is told again after this time, or when an eighth more of it is here. Milliseconds. */
const AGAIN_MS = 5_000;
const GROWN = 8;

export class Announcer {
  readonly #tell: (contents: Content[]) => void;
  readonly #withdraw: (ids?: string[]) => void;
  /** How many pieces of each were told. */
  readonly #told = new Map<string, number>();
  readonly #changed = new Set<Content>();
  #timer: Timer | undefined;
  /** Whether contents are told that were not before. */
  tellsNew = true;

  constructor(tell: (contents: Content[]) => void, withdraw: (ids?: string[]) => void) {
    this.#tell = tell;
    this.#withdraw = withdraw;
  }

  /** These are told as they are, for they will be told with all others. */
  all(contents: readonly Content[]): Content[] {
    const told = contents.filter((content) => isWorth(content) && (this.tellsNew || this.#told.has(content.id)));
    this.#told.clear();
    for (const { id, has } of told) this.#told.set(id, has.count);
    return told;
  }

  /** More of it is here. */
  grew(content: Content): void {
    const before = this.#told.get(content.id);
    if (!isWorth(content) || (before === undefined && !this.tellsNew)) return;
    const { has } = content;
    const isMuch = before === undefined || has.isFull || (has.count - before) * GROWN >= has.length;
    this.#changed.add(content);
    if (isMuch) this.#flush();
    else this.#timer ??= later(() => this.#flush(), AGAIN_MS);
  }

  /** Nothing of it is here any more. */
  went(id: string): void {
    for (const content of this.#changed) if (content.id === id) this.#changed.delete(content);
    if (this.#told.delete(id)) this.#withdraw([id]);
  }

  /** Nobody is to come any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#changed.clear();
    if (this.#told.size > 0) this.#withdraw();
    this.#told.clear();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const contents = [...this.#changed];
    this.#changed.clear();
    for (const { id, has } of contents) this.#told.set(id, has.count);
    this.#tell(contents);
  }
}

function isWorth({ has }: Content): boolean {
  return has.count > 0 || has.length === 0;
}
