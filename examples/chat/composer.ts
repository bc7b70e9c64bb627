// Where the next message is written. Enter sends, Shift and Enter begins a line, Escape takes pictures away again.

import { Attachments } from "./attach.ts";
import type { Conversation } from "./conversation.ts";
import { element } from "./page.ts";
import { TEXT_MAX } from "./wire.ts";

const form = element<HTMLFormElement>("composer");
const field = element<HTMLTextAreaElement>("text");

export class Composer {
  #conversation: Conversation | undefined;
  readonly #attachments = new Attachments(
    () => this.#conversation !== undefined && this.#conversation.state !== "ended",
    () => {
      this.#fit();
      if (this.#isWanted) this.#send();
    },
  );
  /** It shall go as soon as the pictures are ready. */
  #isWanted = false;

  constructor() {
    field.maxLength = TEXT_MAX;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    field.addEventListener("input", () => {
      this.#fit();
      this.#attachments.forget();
      this.#conversation?.typing.say(field.value.trim() !== "");
    });
    field.addEventListener("keydown", (event) => {
      // Who chooses a word of another script presses Enter, too.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.#send();
      } else if (event.key === "Escape" && this.#attachments.size > 0) {
        event.stopPropagation();
        this.#attachments.release();
      }
    });
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.#attachments.forget());
  }

  /** What is written from now on is for this room; what was begun for the other waits there. */
  for(conversation: Conversation | undefined): void {
    if (this.#conversation && conversation !== this.#conversation) {
      this.#conversation.draft = field.value;
      this.#conversation.typing.say(false);
    }
    if (conversation && conversation !== this.#conversation) field.value = conversation.draft;
    this.#conversation = conversation;
    form.hidden = conversation?.state === "ended";
    this.#fit();
  }

  focus(): void {
    field.focus();
  }

  #send(): void {
    const text = field.value.trim();
    this.#isWanted = this.#attachments.isBusy;
    if (!this.#conversation || this.#isWanted || (!text && this.#attachments.size === 0)) return;
    const [first, ...more] = this.#attachments.release();
    this.#conversation.say(text, first);
    for (const picture of more) this.#conversation.say("", picture);
    field.value = "";
    this.#fit();
    field.focus();
  }

  /** As high as what is in it. */
  #fit(): void {
    field.style.blockSize = "auto";
    field.style.blockSize = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
  }
}
