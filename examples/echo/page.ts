// What both roles do with the page: find elements, show a state, say what happened.

import { StreamError } from "browser-stream-server";

export function element<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** From now on the button `id` does `action`, and nothing else. */
export function button(id: string, action: () => void): void {
  element(id).onclick = action;
}

/** Shows of `view` what belongs to `state` (the states stand in the HTML) and moves the focus to `focus`. */
export function show(view: HTMLElement, state: string, focus: string): void {
  view.hidden = false;
  for (const part of view.querySelectorAll<HTMLElement>("[data-when]")) {
    part.hidden = !part.dataset.when?.split(" ").includes(state);
  }
  element(focus).focus();
}

/** The line on top of the page; a screen reader hears its changes. */
export function tell(state: "idle" | "working" | "good" | "bad", text: string): void {
  element("status").dataset.state = state;
  element("status-text").textContent = text;
}

export function nameOnPage(name: string, title: string): void {
  document.title = title;
  for (const place of document.querySelectorAll("[data-name]")) place.textContent = name;
}

export function code(error: unknown): string {
  return error instanceof StreamError ? error.code : "";
}

/** What happened and what to do next, in the user's words. */
export function explain(error: unknown): string {
  return advice[code(error)] ?? `It failed: ${error instanceof Error ? error.message : error}. Try again.`;
}

const advice: Record<string, string> = {
  name_taken: "Another tab serves this name already. Choose a different one.",
  bad_request:
    "This name cannot be used. A name has at most 128 bytes and no control characters, and is not “.” or “..”.",
  not_found: "Nobody serves this name yet. Open the server tab, press Serve there, then connect again.",
  timeout: "The server tab did not answer. It may be frozen: look at it, then connect again.",
  unresponsive: "The server tab went away before it answered. Open it again, then connect again.",
  busy: "The server tab takes no more clients now. Connect again later.",
  gone: "The server tab stopped serving. Open it again, then connect again.",
  lost: "The connection was lost: the server tab was closed, or the proxy stopped. Bring it back, then connect again.",
  cancelled: "It was cancelled.",
};
