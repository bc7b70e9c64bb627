// Pictures that go with the next message: dropped anywhere, pasted, or chosen.

import { announce, element, make, say } from "./page.ts";
import { pictureOf, refusal, Unfit } from "./picture.ts";
import type { Picture } from "./wire.ts";

/** As many as one may send at once. */
const PICTURES_MAX = 8;

interface Attached {
  readonly picture: Picture;
  readonly item: HTMLLIElement;
  readonly url: string;
}

export class Attachments {
  readonly #attached: Attached[] = [];
  #busy = 0;

  /** `canTake`: whether there is a room to send them to. `changed` is told of each that is ready or taken away. */
  constructor(canTake: () => boolean, changed: () => void) {
    const picker = element<HTMLInputElement>("picker");
    const take = (files: Iterable<File>) => {
      if (canTake()) void this.#take([...files]).then(changed);
    };
    picker.addEventListener("change", () => {
      take(picker.files ?? []);
      picker.value = ""; // The same file may be chosen again.
    });
    document.addEventListener("paste", (event) => {
      const pasted = event.clipboardData;
      // A text from a word processor comes with its picture, too.
      if (!pasted?.files.length || pasted.types.includes("text/plain")) return;
      event.preventDefault();
      take(pasted.files);
    });
    let entered = 0;
    const mark = () => element("chat").toggleAttribute("data-over", entered > 0 && canTake());
    const isFile = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes("Files") === true;
    addEventListener("dragenter", (event) => {
      if (isFile(event)) entered++;
      mark();
    });
    addEventListener("dragleave", (event) => {
      if (isFile(event)) entered--;
      mark();
    });
    // The whole page takes what is dropped, so that nothing that misses its place replaces the page.
    addEventListener("dragover", (event) => isFile(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      entered = 0;
      mark();
      take(event.dataTransfer?.files ?? []);
    });
  }

  get size(): number {
    return this.#attached.length;
  }

  /** Whether one is being made smaller still. */
  get isBusy(): boolean {
    return this.#busy > 0;
  }

  /** All of them, and none is left. */
  release(): Picture[] {
    const pictures = this.#attached.map(({ picture }) => picture);
    for (const attached of [...this.#attached]) this.#remove(attached);
    this.forget();
    return pictures;
  }

  /** What was refused is old news. */
  forget(): void {
    say("attach-problem", "");
  }

  async #take(files: File[]): Promise<void> {
    this.forget();
    const unfit: Unfit[] = [];
    let rest = "";
    for (const file of files) {
      if (this.size >= PICTURES_MAX) {
        rest = ` At most ${PICTURES_MAX} pictures go at once: send these first.`;
        break;
      }
      this.#busy++;
      element("attach-busy").hidden = false;
      try {
        this.#add(await pictureOf(file));
      } catch (error) {
        if (!(error instanceof Unfit)) throw error;
        unfit.push(error);
      } finally {
        this.#busy--;
        element("attach-busy").hidden = this.#busy === 0;
      }
    }
    say("attach-problem", `${refusal(unfit)}${rest}`.trim());
  }

  #add(picture: Picture): void {
    const url = URL.createObjectURL(new Blob([picture.bytes], { type: picture.type }));
    const image = make("img", "");
    image.src = url;
    image.alt = picture.name;
    const remove = make("button", "slight", "Remove");
    remove.type = "button";
    remove.ariaLabel = `Remove ${picture.name}`;
    const item = make("li", "", image, remove);
    const attached = { picture, item, url };
    remove.addEventListener("click", () => {
      this.#remove(attached);
      announce(`${picture.name} removed`);
      element("text").focus();
    });
    this.#attached.push(attached);
    element("attached").append(item);
    announce(`${picture.name} goes with the next message`);
    element("text").focus();
  }

  #remove(attached: Attached): void {
    this.#attached.splice(this.#attached.indexOf(attached), 1);
    URL.revokeObjectURL(attached.url);
    attached.item.remove();
  }
}
