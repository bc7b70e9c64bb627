// What stands below a picture: a mark for each piece, and in words where they came from.

import type { Sources } from "browser-stream-server/swarm";

type Way = NonNullable<Sources["pieces"][number]>;

const WORDS: Record<Way, string> = {
  direct: "directly from a visitor",
  proxy: "from a visitor through the proxy",
  origin: "from the origin",
  kept: "already here",
};

export class Frame {
  readonly #pieces = document.createElement("span");
  readonly #told = document.createElement("small");
  readonly #item: HTMLElement | null;

  constructor(img: HTMLImageElement) {
    this.#item = img.closest("li");
    const figure = img.closest("figure");
    // For the style sheet, which shows it until the picture does.
    if (figure) figure.dataset.alt = img.alt;
    this.#pieces.className = "pieces";
    this.#pieces.ariaHidden = "true";
    this.#told.textContent = "Not here yet.";
    this.#mark([undefined]);
    figure?.querySelector("figcaption")?.append(this.#pieces, this.#told);
  }

  arrives({ pieces }: Sources): void {
    this.#show("working", `${came(pieces)} of ${many(pieces.length)}.`);
    this.#mark(pieces);
  }

  isHere({ pieces }: Sources): void {
    const ways = (Object.keys(WORDS) as Way[]).flatMap((way) => {
      const count = pieces.filter((piece) => piece === way).length;
      return count > 0 ? [`${count === pieces.length ? "all" : count} ${WORDS[way]}`] : [];
    });
    this.#show("done", `${many(pieces.length)}: ${ways.join(", ")}.`);
    this.#mark(pieces);
  }

  /** The browser may still show it, from its origin. */
  isMissing(code: string, isLeftToOrigin: boolean): void {
    this.#show("failed", isLeftToOrigin ? "From the origin as ever, unchecked." : "Nobody who has it is here.");
    if (this.#item) this.#item.dataset.code = code;
    this.#mark([undefined]);
  }

  #show(state: string, text: string): void {
    if (this.#item) {
      this.#item.dataset.state = state;
      delete this.#item.dataset.code;
    }
    this.#told.textContent = text;
  }

  #mark(pieces: Sources["pieces"]): void {
    this.#pieces.replaceChildren(
      ...Array.from(pieces, (way) => {
        const mark = document.createElement("i");
        mark.dataset.way = way ?? "none";
        return mark;
      }),
    );
  }
}

function came(pieces: Sources["pieces"]): number {
  return pieces.filter((piece) => piece !== undefined).length;
}

function many(pieces: number): string {
  return pieces === 1 ? "1 piece" : `${pieces} pieces`;
}
