// The name that a page is reached by: it stands in the page's own address (`?name=NAME`), so that it is the same when that is loaded again, and a form on the page changes it.

/** A part of a host's name, for that is what it becomes. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const RULE = "A name has letters from a to z, digits and hyphens, 63 at most, and no hyphen at its ends.";

export class Naming {
  readonly #begin: string;
  #name: string;

  /** The name in the address; without one a new one that nobody guesses, which begins so. `changed` is called when the form gave another. */
  constructor(begin: string, changed: () => void) {
    this.#begin = begin;
    const { name = "" } = Object.fromEntries(new URLSearchParams(location.search));
    this.#name = NAME.test(name) ? name : this.#unguessable();
    const field = element<HTMLInputElement>("name");
    field.value = this.#name;
    element<HTMLFormElement>("naming-form").onsubmit = (event) => {
      event.preventDefault();
      this.#take(field, field.value.trim().toLowerCase(), changed);
    };
    element("new-name").onclick = () => this.#take(field, this.#unguessable(), changed);
  }

  get name(): string {
    return this.#name;
  }

  /** It is ours: the page has it again when it is loaded again. */
  keep(): void {
    history.replaceState(null, "", `?name=${this.#name}`);
  }

  /** It cannot be had: shows the form, ready for another. */
  ask(): void {
    element<HTMLDetailsElement>("naming").open = true;
    element<HTMLInputElement>("name").select();
  }

  #take(field: HTMLInputElement, name: string, changed: () => void): void {
    const isName = NAME.test(name);
    element("name-problem").textContent = isName ? "" : RULE;
    field.ariaInvalid = `${!isName}`;
    if (!isName) return field.select();
    field.value = name;
    this.#name = name;
    element<HTMLDetailsElement>("naming").open = false;
    changed();
  }

  #unguessable(): string {
    const letters = crypto.getRandomValues(new Uint8Array(10));
    return `${this.#begin}-${[...letters].map((letter) => (letter % 36).toString(36)).join("")}`;
  }
}

function element<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}
