// One line of a list: a name, how far it is, and at most two buttons.

export interface Shown {
  readonly name: string;
  readonly size?: string;
  readonly told?: string;
  /** 0 to 1; nothing: no bar. */
  readonly part?: number | undefined;
  readonly state: string;
  /** What the buttons say; a button without a text is not there. */
  readonly act?: string;
  readonly stop?: string;
}

export interface RowActions {
  act?(): void;
  stop?(): void;
}

export class Row {
  readonly element: HTMLElement;

  constructor(actions: RowActions) {
    const template = document.getElementById("row") as HTMLTemplateElement;
    this.element = (template.content.cloneNode(true) as DocumentFragment).firstElementChild as HTMLElement;
    this.#part("act").addEventListener("click", () => actions.act?.());
    this.#part("stop").addEventListener("click", () => actions.stop?.());
  }

  show({ name, size = "", told = "", part, state, act = "", stop = "" }: Shown): void {
    const bar = this.#part("progress") as HTMLProgressElement;
    this.element.dataset.state = state;
    this.#say("name", name);
    this.#say("size", size);
    this.#say("told", told);
    bar.hidden = part === undefined;
    bar.value = part ?? 0;
    bar.setAttribute("aria-label", name);
    this.#offer("act", act, name);
    this.#offer("stop", stop, name);
  }

  /** Moves the focus to the button that may be pressed now; tells whether there is one. */
  focus(): boolean {
    const button = this.element.querySelector<HTMLElement>("button:not([hidden])");
    button?.focus();
    return button !== null;
  }

  #offer(part: string, text: string, name: string): void {
    const button = this.#part(part);
    const hadFocus = button === document.activeElement;
    button.hidden = text === "";
    this.#say(part, text);
    button.setAttribute("aria-label", `${text} ${name}`);
    // Whoever pressed a button that goes away goes on from the next one.
    if (hadFocus && button.hidden) queueMicrotask(() => this.focus() || this.#wait());
  }

  /** Nothing to press here: the focus stays at the line. */
  #wait(): void {
    this.element.tabIndex = -1;
    this.element.focus();
  }

  /** What has not changed is not written again. */
  #say(part: string, text: string): void {
    const element = this.#part(part);
    if (element.textContent !== text) element.textContent = text;
  }

  #part(name: string): HTMLElement {
    return this.element.querySelector(`[data-part=${name}]`) as HTMLElement;
  }
}

/** Lines for things that come and go, in their order. */
export class Rows<T> {
  readonly #list: HTMLElement;
  readonly #rows = new Map<string, Row>();
  readonly #make: (id: string) => Row;
  readonly #shown: (thing: T) => Shown;

  constructor(list: HTMLElement, shown: (thing: T) => Shown, make: (id: string) => Row) {
    this.#list = list;
    this.#shown = shown;
    this.#make = make;
  }

  show(things: Iterable<[string, T]>): void {
    const gone = new Set(this.#rows.keys());
    for (const [id, thing] of things) {
      const row = this.#rows.get(id) ?? this.#make(id);
      if (!this.#rows.has(id)) this.#list.append(row.element);
      this.#rows.set(id, row);
      gone.delete(id);
      row.show(this.#shown(thing));
    }
    for (const id of gone) {
      const row = this.#rows.get(id)?.element;
      const next = (row?.nextElementSibling ?? row?.previousElementSibling)?.querySelector("button:not([hidden])");
      if (row?.contains(document.activeElement)) ((next as HTMLElement | null) ?? this.#fallback()).focus();
      row?.remove();
      this.#rows.delete(id);
    }
  }

  /** What is focused when the last line went with the focus in it. */
  #fallback(): HTMLElement {
    return document.getElementById("picker") as HTMLElement;
  }
}
