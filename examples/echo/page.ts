// What both roles do with the page: find elements, show a state, say what happened.

import { type MuxDemux, StreamError } from "browser-stream-server";

type State = "idle" | "working" | "good" | "bad";
let told: [State, string] = ["idle", ""]; // what the top of the page says, unless there is no connection
let nextTry: number | undefined; // when there is none: when the next one is tried
let timer = 0;

export function element<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** Where the proxy that served this page has its WebSocket, and under what prefix it takes names: it says so on top of the page. */
export const { mux, prefix = "/browser-server" } = document.documentElement.dataset;

/** From now on the button `id` does `action`, and nothing else. */
export function button(id: string, action: () => void): void {
  element(id).onclick = action;
}

/** Shows of `view` what belongs to `state` (the states stand in the HTML) and moves the focus to `focus`, if that is named. */
export function show(view: HTMLElement, state: string, focus?: string): void {
  view.hidden = false;
  for (const part of view.querySelectorAll<HTMLElement>("[data-when]")) {
    part.hidden = !part.dataset.when?.split(" ").includes(state);
  }
  if (focus) element(focus).focus();
}

/** The line on top of the page; a screen reader hears its changes. */
export function tell(state: State, text: string): void {
  told = [state, text];
  paint();
}

/** While there is no connection, the line on top says so, and when the next one is tried. */
export function follow(mdm: MuxDemux): void {
  mdm.on("reconnecting", ({ delayMs }) => {
    nextTry = performance.now() + delayMs;
    paint();
  });
  mdm.on("state", (state) => {
    if (state === "open" || state === "closed") nextTry = undefined;
    paint();
  });
}

function paint(): void {
  const isAway = nextTry !== undefined;
  const [state, text] = isAway ? ["working", "Reconnecting"] : told;
  const seconds = Math.ceil(((nextTry ?? 0) - performance.now()) / 1000);
  element("status").dataset.state = state;
  // An unchanged text is not written again, so that a screen reader hears only changes; the seconds it does not hear.
  if (element("status-text").textContent !== text) element("status-text").textContent = text;
  element("status-time").textContent = isAway && seconds > 0 ? `next try in ${seconds} s` : "";
  clearTimeout(timer);
  if (isAway && seconds > 0) timer = setTimeout(paint, 250);
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
  name_reserved:
    "This name is kept for a tab that lost its connection. Choose a different one, or try again in two minutes.",
  superseded: "Another tab took this name over.",
  name_taken: "Another tab serves this name already. Choose a different one.",
  bad_request:
    "This name cannot be used. A name has at most 128 bytes and no control characters, and is not “.” or “..”.",
  not_found: "Nobody serves this name yet. Open the server tab, press Serve there, then connect again.",
  timeout: "No answer came: the proxy does not run, or the server tab is frozen. Look at it, then connect again.",
  unresponsive: "The server tab went away before it answered. Open it again, then connect again.",
  busy: "The server tab takes no more clients now. Connect again later.",
  gone: "The server tab stopped serving. Open it again, then connect again.",
  lost: "The connection was lost: the server tab was closed, or one of the connections broke. Connect again.",
  cancelled: "It was cancelled.",
};
