// The chat beside the pictures.

import { withLinks } from "../links.ts";
import type { Call } from "./call.ts";
import { element, say } from "./page.ts";
import type { Person } from "./person.ts";

/** More lines than these are of no use to anybody. */
const LINES_MAX = 500;

export class Talk {
  #unread = 0;

  /** Sends what is typed. */
  constructor(call: () => Call | undefined) {
    element<HTMLFormElement>("say").addEventListener("submit", (event) => {
      event.preventDefault();
      const field = element<HTMLInputElement>("text");
      const text = field.value.trim();
      const current = call();
      if (!text || !current) return;
      current.say(text);
      this.#add("You", text, "mine");
      field.value = "";
    });
    element("open-chat").addEventListener("click", () => this.toggle());
    element("chat-close").addEventListener("click", () => this.toggle(false));
    element("chat").addEventListener("keydown", ({ key }) => key === "Escape" && this.toggle(false));
  }

  hear(person: Person, text: string): void {
    this.#add(person.name, text, "theirs");
    if (!element("chat").hidden) return;
    this.#unread++;
    this.#count();
  }

  /** Opens it, or closes it. */
  toggle(isOpen = element("chat").hidden): void {
    element("chat").hidden = !isOpen;
    element("open-chat").ariaExpanded = `${isOpen}`;
    if (isOpen) {
      this.#unread = 0;
      this.#count();
      element("text").focus();
    } else element("open-chat").focus();
  }

  clear(): void {
    element("lines").replaceChildren();
    element("chat").hidden = true;
    element("open-chat").ariaExpanded = "false";
    this.#unread = 0;
    this.#count();
  }

  #count(): void {
    say(element("unread"), this.#unread > 0 ? `${this.#unread} new` : "No news");
    element("open-chat").toggleAttribute("data-news", this.#unread > 0);
  }

  #add(name: string, text: string, whose: "mine" | "theirs"): void {
    const line = document.createElement("li");
    line.className = whose;
    const who = document.createElement("small");
    const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    who.append(Object.assign(document.createElement("bdi"), { textContent: name }), ` · ${time}`);
    line.append(who, ...withLinks(text));
    const talk = element("talk");
    const isAtEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 40;
    const lines = element("lines");
    lines.append(line);
    if (lines.childElementCount > LINES_MAX) lines.firstElementChild?.remove();
    if (isAtEnd || whose === "mine") talk.scrollTop = talk.scrollHeight;
  }
}
