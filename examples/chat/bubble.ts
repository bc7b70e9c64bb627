// One message as it stands in the conversation.

import { withLinks } from "../links.ts";
import type { Delivery } from "./delivery.ts";
import { element, make } from "./page.ts";
import { type Picture, type Said, writtenAt } from "./wire.ts";

/** A longer text is folded. */
const FOLD_CHARS = 1500;
const FOLD_LINES = 20;
const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });

const letters = new Intl.Segmenter();

export interface Author {
  readonly id: string;
  readonly name: string;
  readonly hue: number;
  readonly isMe: boolean;
}

export class Bubble {
  readonly item: HTMLLIElement;
  /** What its picture holds. */
  readonly bytes: number;
  readonly #told = make("span", "told");
  readonly #again: HTMLButtonElement;
  #url = "";

  /** `follows`: the one before is by the same, a moment ago, so it needs no name. */
  constructor(said: Said, author: Author, follows: boolean, again: () => void) {
    const name = make("bdi", follows || author.isMe ? "away" : "who", author.isMe ? "You" : author.name);
    const body = make("div", "body", name);
    if (said.picture) body.append(this.#picture(said.picture, author));
    if (said.text) body.append(...textOf(said.text));
    this.bytes = said.picture?.bytes.length ?? 0;
    const written = new Date(writtenAt(said));
    const time = make("time", "", clock.format(written));
    time.dateTime = written.toISOString();
    this.#again = make("button", "slight", "Send again");
    this.#again.type = "button";
    this.#again.hidden = true;
    this.#again.addEventListener("click", again);
    // It changes often, and is read out to nobody who does not go there.
    this.#told.ariaLive = "off";
    body.append(make("p", "when", time, this.#told, this.#again));
    this.item = make("li", author.isMe ? "message mine" : "message theirs", face(author), body);
    this.item.classList.toggle("follows", follows);
    this.item.style.setProperty("--hue", String(author.hue));
  }

  /** Says how far it has come. */
  show(delivery: Delivery): void {
    const { mark, short, long } = delivery.told();
    const sign = make("span", "tick");
    sign.dataset.mark = mark;
    this.#told.replaceChildren(sign, short, make("span", "away", `. ${long}`));
    this.#told.title = long;
    this.#again.hidden = !delivery.canRepeat;
  }

  remove(): void {
    URL.revokeObjectURL(this.#url);
    this.item.remove();
  }

  #picture({ bytes, type, width, height, name }: Picture, author: Author): HTMLElement {
    this.#url = URL.createObjectURL(new Blob([bytes], { type }));
    const image = make("img", "");
    image.style.setProperty("--width", String(width));
    image.style.setProperty("--height", String(height));
    image.alt = `Picture by ${author.name}: ${name}`;
    image.src = this.#url;
    const open = make("button", "picture", image);
    open.type = "button";
    open.title = "Look at it in full";
    open.addEventListener("click", () => lookAt(this.#url, image.alt));
    image.addEventListener("error", () =>
      open.replaceWith(make("p", "problem", "A picture that this browser cannot show.")),
    );
    return open;
  }
}

/** A round mark with the first letter, beside the name. */
export function face({ name, hue }: Author): HTMLElement {
  const [first] = [...letters.segment(name)];
  const made = make("span", "face", first?.segment.toUpperCase() ?? "");
  made.ariaHidden = "true";
  made.style.setProperty("--hue", String(hue));
  return made;
}

function textOf(text: string): HTMLElement[] {
  const place = make("p", "text", ...withLinks(text));
  place.dir = "auto";
  if (text.length <= FOLD_CHARS && text.split("\n", FOLD_LINES + 1).length <= FOLD_LINES) return [place];
  place.classList.add("folded");
  const more = make("button", "slight", "Show all of it");
  more.type = "button";
  more.addEventListener("click", () => {
    place.classList.remove("folded");
    more.remove();
  });
  return [place, more];
}

function lookAt(url: string, alt: string): void {
  const dialog = element<HTMLDialogElement>("look");
  const image = element<HTMLImageElement>("look-picture");
  [image.src, image.alt] = [url, alt];
  dialog.showModal();
}
