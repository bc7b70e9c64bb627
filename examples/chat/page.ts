// What all parts do with the page: find elements, make them, say what changed.

export function element<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** An element with texts and elements in it. A text stays a text, whatever it looks like. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...inside: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...inside);
  return made;
}

/** Says a text where it is not said already, so that a screen reader hears only changes. */
export function say(id: string, text: string): void {
  const place = element(id);
  if (place.textContent !== text) place.textContent = text;
}

/** Says something to a screen reader alone. */
export function announce(text: string): void {
  say("news", text);
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** A name in a sentence: written from right to left it shall not turn what stands around it. */
export function isolated(name: string): string {
  return `\u2068${name}\u2069`;
}

/** "Ann", "Ann and Bob", "Ann, Bob and 3 others". */
export function together(names: readonly string[], most = 3): string {
  const all = names.map(isolated);
  if (all.length <= 1) return all.join("");
  if (all.length <= most) return `${all.slice(0, -1).join(", ")} and ${all.at(-1)}`;
  const shown = all.slice(0, most - 1);
  return `${shown.join(", ")} and ${count(all.length - shown.length, "other")}`;
}

/** Makes a list hold these items. Those that are the same stay, so that nothing goes from under a finger; who stood on a link stands there still. */
export function renew(list: HTMLElement, items: readonly HTMLElement[]): void {
  const active = document.activeElement;
  const href = active instanceof HTMLAnchorElement && list.contains(active) ? active.hash : undefined;
  items.forEach((item, at) => {
    const before = list.children[at];
    if (!before) list.append(item);
    else if (!before.isEqualNode(item)) before.replaceWith(item);
  });
  while (list.childElementCount > items.length) list.lastElementChild?.remove();
  if (href === undefined || document.activeElement === active) return;
  [...list.querySelectorAll("a")].find(({ hash }) => hash === href)?.focus();
}
