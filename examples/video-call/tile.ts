// One picture in the call: of a person, or of a screen.

import { element, part, say } from "./page.ts";

export interface Picture {
  readonly name: string;
  /** What stands where there is no picture. */
  readonly initials: string;
  /** What is true of it now, in a word or two each. */
  readonly captions: readonly string[];
  /** How much goes. */
  readonly traffic: string;
  /** What is shown, with its sound; a canvas is painted by others. */
  readonly shown: MediaStream | HTMLCanvasElement | undefined;
  /** Whether there is a picture; if not there are initials. */
  readonly hasPicture: boolean;
  readonly isOwn: boolean;
  /** For who looks at the page from outside: `data-…` of the tile. */
  readonly facts: Readonly<Record<string, string>>;
}

export class Tile {
  readonly root: HTMLElement;
  readonly #video: HTMLVideoElement;
  #canvas: HTMLCanvasElement | undefined;

  constructor() {
    const copy = element<HTMLTemplateElement>("tile").content.cloneNode(true) as DocumentFragment;
    this.root = copy.firstElementChild as HTMLElement;
    this.#video = this.root.querySelector("video") as HTMLVideoElement;
    const more = part<HTMLButtonElement>(this.root, "more");
    more.addEventListener("click", () => this.#open(more.ariaExpanded !== "true"));
    more.addEventListener("keydown", ({ key }) => key === "Escape" && this.#open(false));
  }

  show({ name, initials, captions, traffic, shown, hasPicture, isOwn, facts }: Picture): void {
    Object.assign(this.root.dataset, facts);
    this.root.dataset.camera = hasPicture ? "on" : "off";
    say(part(this.root, "name"), name);
    say(part(this.root, "captions"), captions.join(" · "));
    say(part(this.root, "traffic"), traffic);
    say(this.root.querySelector(".initials") as HTMLElement, initials);
    part(this.root, "more").ariaLabel = `Details of ${name}`;
    this.#video.ariaLabel = `${name}: picture`;
    this.#video.muted = isOwn;
    this.#video.classList.toggle("mirrored", isOwn && facts.kind === "person");
    this.#put(shown);
  }

  set isSpeaking(speaks: boolean) {
    if (speaks === (this.root.dataset.speaking === "yes")) return;
    this.root.dataset.speaking = speaks ? "yes" : "no";
  }

  remove(): void {
    this.#video.srcObject = null;
    this.root.remove();
  }

  /** Shows, on a small tile, all that is told of it, or only the first of it. */
  #open(isOpen: boolean): void {
    part(this.root, "more").ariaExpanded = `${isOpen}`;
    this.root.toggleAttribute("data-open", isOpen);
  }

  #put(shown: Picture["shown"]): void {
    const stream = shown instanceof MediaStream ? shown : null;
    if (this.#video.srcObject !== stream) {
      this.#video.srcObject = stream;
      if (stream) play(this.#video);
    }
    this.#video.hidden = !stream;
    const canvas = shown instanceof HTMLCanvasElement ? shown : undefined;
    if (canvas === this.#canvas) return;
    this.#canvas?.remove();
    this.#canvas = canvas;
    if (canvas) {
      canvas.role = "img";
      canvas.ariaLabel = this.#video.ariaLabel;
      this.#video.after(canvas);
    }
  }
}

/** A browser that lets no page be heard by itself does so once the person did something. */
function play(video: HTMLVideoElement): void {
  video.play().catch((error) => {
    // Another stream took this one's place meanwhile, or it was removed.
    if (!(error instanceof Error) || error.name !== "NotAllowedError") return;
    addEventListener("pointerdown", () => play(video), { once: true });
  });
}
