// One file on the page: its line, and its buttons.

import { size } from "../quantity.ts";
import type { Upload } from "./upload.ts";
import { mayPass, progress } from "./words.ts";

/** What its buttons do. */
export interface RowActions {
  retry(): void;
  remove(): void;
}

export class Row {
  readonly element: HTMLElement;
  readonly #upload: Upload;

  constructor(upload: Upload, actions: RowActions) {
    const template = document.getElementById("row") as HTMLTemplateElement;
    this.element = (template.content.cloneNode(true) as DocumentFragment).firstElementChild as HTMLElement;
    this.#upload = upload;
    const { name } = upload.file;
    this.#part("name").textContent = name;
    this.#part("size").textContent = size(upload.file.size);
    this.#part("progress").setAttribute("aria-label", name);
    this.#button("hold", () => (upload.state === "paused" ? upload.resume() : upload.pause()));
    this.#button("cancel", () => upload.cancel());
    this.#button("retry", actions.retry);
    this.#button("remove", actions.remove);
    this.paint();
  }

  /** Shows how it is now. */
  paint(): void {
    const { state, sent, file, isOver, error } = this.#upload;
    const bar = this.#part("progress") as HTMLProgressElement;
    this.element.dataset.state = state;
    bar.value = state === "done" || file.size === 0 ? Number(state === "done") : sent / file.size;
    bar.hidden = state === "failed" || state === "cancelled";
    this.#part("told").textContent = progress(this.#upload);
    this.#show("hold", state === "sending" || state === "paused", state === "paused" ? "Resume" : "Pause");
    this.#show("retry", state === "cancelled" || (state === "failed" && mayPass(error)), "Try again");
    this.#show("cancel", !isOver, "Cancel");
    this.#show("remove", isOver, "Remove");
  }

  /** Moves the focus to the button that may be pressed now. */
  focus(): void {
    this.element.querySelector<HTMLElement>("button:not([hidden])")?.focus();
  }

  #show(part: string, isShown: boolean, text: string): void {
    const button = this.#part(part);
    const hadFocus = button === document.activeElement;
    button.hidden = !isShown;
    if (button.textContent !== text) button.textContent = text;
    button.setAttribute("aria-label", `${text} ${this.#upload.file.name}`);
    // Whoever pressed a button that goes away goes on from the next one.
    if (hadFocus && !isShown) queueMicrotask(() => this.focus());
  }

  #button(part: string, action: () => void): void {
    this.#part(part).addEventListener("click", action);
  }

  #part(name: string): HTMLElement {
    return this.element.querySelector(`[data-part=${name}]`) as HTMLElement;
  }
}
