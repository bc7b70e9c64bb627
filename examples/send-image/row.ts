// The line of one picture that is sent: how far it is, how it ended, and the one button that makes sense now.

import { element } from "../echo/page.ts";
import { inWords } from "./picture.ts";

export class Row {
  readonly #name: string;
  readonly #item = document.createElement("li");
  readonly #bar = document.createElement("progress");
  readonly #told = document.createElement("p");
  readonly #buttons = document.createElement("div");

  constructor(file: File) {
    this.#name = file.name;
    const title = document.createElement("p");
    title.className = "file";
    const name = document.createElement("bdi");
    name.textContent = file.name;
    title.append(name, ` · ${inWords(file.size)}`);
    this.#bar.max = Math.max(1, file.size);
    this.#bar.ariaLabel = file.name;
    this.#told.dataset.part = "told";
    this.#told.role = "status";
    this.#buttons.className = "row";
    this.#item.tabIndex = -1;
    this.#item.append(title, this.#bar, this.#told, this.#buttons);
    element("sent").prepend(this.#item);
  }

  waits(cancel: () => void): void {
    this.#tell("waiting", "Waits for its turn.");
    this.at(0);
    this.#offer("Cancel", cancel);
  }

  goes(): void {
    this.#tell("going", "On its way.");
  }

  at(sent: number): void {
    this.#bar.value = sent;
  }

  over(what: string): void {
    this.#tell("over", what);
    this.#offer();
  }

  /** It is still here: `again` sends it once more, which is offered while the page shows what belongs to "ready". */
  missed(why: string, again: () => void, isReady: boolean): void {
    this.#tell("failed", why);
    this.#offer("Send again", again);
    this.#buttons.dataset.when = "ready";
    this.#buttons.hidden = !isReady;
  }

  #tell(state: string, text: string): void {
    this.#item.dataset.state = state;
    this.#told.textContent = text;
    this.#bar.hidden = state !== "waiting" && state !== "going";
  }

  /** The focus stays at the line, or at its next button, when the button that had it goes. */
  #offer(text?: string, action?: () => void): void {
    const hadFocus = this.#buttons.contains(document.activeElement);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text ?? "";
    button.ariaLabel = `${text} ${this.#name}`;
    button.onclick = action ?? null;
    delete this.#buttons.dataset.when;
    this.#buttons.hidden = !text;
    this.#buttons.replaceChildren(...(text ? [button] : []));
    if (hadFocus) (text ? button : this.#item).focus();
  }
}
