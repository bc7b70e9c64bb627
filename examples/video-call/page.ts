// What the parts do with the page.

export function element<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** The part of that name inside of something. */
export function part<E extends HTMLElement = HTMLElement>(of: Element, name: string): E {
  return of.querySelector(`[data-part="${name}"]`) as E;
}

/** Says a text where it is not said already, so that a screen reader hears only changes. */
export function say(place: HTMLElement, text: string): void {
  if (place.textContent !== text) place.textContent = text;
}

/** Says something to a screen reader alone. */
export function announce(text: string): void {
  say(element("news"), text);
}

/** Shows one of the page's views, and no other. */
export function show(view: "lobby" | "call" | "left"): void {
  for (const id of ["lobby", "call", "left"]) element(id).hidden = id !== view;
  document.body.dataset.view = view;
}
