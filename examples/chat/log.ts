// The messages and notices of one room, the newest below.

import { type Author, Bubble } from "./bubble.ts";
import { isolated, make } from "./page.ts";
import type { Said } from "./wire.ts";

/** As many as are kept in the page, and bytes of pictures: the oldest go. */
const KEPT_MAX = 500;
const PICTURE_BYTES_MAX = 96 << 20;
/** Messages of one, so soon after each other, stand together. */
const TOGETHER_MS = 4 * 60_000;
/** So near its end it counts as there: what comes is shown. */
const NEAR_PX = 64;

export class Log {
  readonly view: HTMLElement;
  /** Whether the newest is in view, so that it stays in view. */
  isAtEnd = true;
  readonly #list = make("ol", "");
  readonly #bubbles = new Map<Element, Bubble>();
  #bytes = 0;
  #last: { id: string; at: number } | undefined;
  #divider: HTMLLIElement | undefined;

  /** `moved` is told when somebody scrolled. */
  constructor(room: string, moved: () => void) {
    // A list that were the log itself would be no list to whoever listens.
    this.view = make("div", "log", this.#list);
    this.view.role = "log";
    this.view.tabIndex = 0;
    this.view.ariaLabel = `Messages in ${isolated(room)}`;
    // A tick that changes is not read out; a message that comes is.
    this.view.setAttribute("aria-relevant", "additions");
    this.view.hidden = true;
    this.view.addEventListener("scroll", () => {
      this.isAtEnd = this.#rest() < NEAR_PX;
      moved();
    });
    // What becomes higher, as a picture that is read, or lower, as all when a keyboard comes up on a phone, pushes the newest out of nobody's view.
    const resized = new ResizeObserver(() => this.#stay());
    resized.observe(this.view);
    resized.observe(this.#list);
  }

  message(said: Said, author: Author, again = () => {}): Bubble {
    const now = Date.now();
    const follows = this.#last?.id === author.id && now - this.#last.at < TOGETHER_MS;
    const bubble = new Bubble(said, author, follows, again);
    this.#last = { id: author.id, at: now };
    this.#bubbles.set(bubble.item, bubble);
    this.#bytes += bubble.bytes;
    this.#add(bubble.item);
    return bubble;
  }

  notice(text: string): HTMLLIElement {
    this.#last = undefined;
    return this.#add(make("li", "notice", text));
  }

  /** Marks where the new begins. */
  divide(): void {
    this.undivide();
    this.#last = undefined;
    this.#divider = this.#add(make("li", "divider", "New"));
  }

  /** Nothing is new any more. */
  undivide(): void {
    this.#divider?.remove();
    this.#divider = undefined;
  }

  /** Shows it, from where the new begins. */
  show(): void {
    this.view.hidden = false;
    if (this.#divider) this.#divider.scrollIntoView({ block: "center" });
    else this.toEnd();
    this.isAtEnd = this.#rest() < NEAR_PX;
  }

  hide(): void {
    this.view.hidden = true;
    this.undivide();
  }

  toEnd(): void {
    this.isAtEnd = true;
    this.view.scrollTop = this.view.scrollHeight;
  }

  remove(): void {
    for (const bubble of this.#bubbles.values()) bubble.remove();
    this.view.remove();
  }

  #add(item: HTMLLIElement): HTMLLIElement {
    this.#list.append(item);
    while (this.#list.childElementCount > KEPT_MAX || this.#bytes > PICTURE_BYTES_MAX)
      this.#drop(this.#list.firstElementChild as Element);
    this.#stay();
    return item;
  }

  #drop(item: Element): void {
    const bubble = this.#bubbles.get(item);
    this.#bytes -= bubble?.bytes ?? 0;
    bubble?.remove();
    this.#bubbles.delete(item);
    item.remove();
  }

  #stay(): void {
    if (this.isAtEnd && !this.view.hidden) this.toEnd();
  }

  #rest(): number {
    return this.view.scrollHeight - this.view.scrollTop - this.view.clientHeight;
  }
}
