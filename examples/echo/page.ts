// What both roles do with the page: find elements, show a state, say what happened.

import { type MuxDemux, StreamError } from "browser-stream-server";
import { isWanted } from "../token.ts";

type State = "idle" | "working" | "good" | "bad";
const LONG_MS = 1000; // a wait that somebody may want to cut short
let told: [State, string] = ["idle", ""]; // what the top of the page says, unless there is no connection
let away = ""; // what it says then
let nextTry = 0; // when the next connection is tried
let timer = 0;

export function element<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** Under what prefix the proxy that served this page takes names: it says so on top of the page. */
export const { prefix = "/browser-server" } = document.documentElement.dataset;

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

/** While there is no connection, the line on top says so, and when the next one is tried. `changed` is told whether nothing goes through. */
export function follow(mdm: MuxDemux, changed = (_isAway: boolean): void => {}): void {
  let none = "No answer from the proxy";
  let isGoing = false; // the proxy said that it goes down: streams live on for a moment, and it has named a time
  mdm.on("drain", () => {
    isGoing = true;
  });
  mdm.on("reconnecting", ({ attempt, delayMs, error }) => {
    if (isWanted(error)) {
      away = "A token is needed";
      return paint();
    }
    // Gone, and not back when it said that it would be.
    if (isGoing && attempt > 1) none = "No answer from the proxy";
    away = isGoing && attempt === 1 ? "The proxy goes down" : none;
    nextTry = performance.now() + delayMs;
    const mayHurry = !isGoing || attempt > 1;
    if (mayHurry) changed(true);
    // Not for a blink; once it is there it stays, or it would be gone from under a finger.
    if (mayHurry && delayMs >= LONG_MS) element("try-now").hidden = false;
    paint();
  });
  mdm.on("state", (state) => {
    if (state === "open") [none, isGoing] = ["Reconnecting", false];
    if (state === "open" || state === "closed") {
      away = "";
      changed(false);
      element("try-now").hidden = true;
    }
    paint();
  });
  button("try-now", () => mdm.reconnect());
}

function paint(): void {
  const [state, text] = away ? ["working", away] : told;
  const seconds = Math.ceil((nextTry - performance.now()) / 1000);
  element("status").dataset.state = state;
  // An unchanged text is not written again, so that a screen reader hears only changes; the seconds it does not hear.
  if (element("status-text").textContent !== text) element("status-text").textContent = text;
  element("status-time").textContent = away && seconds > 0 ? `next try in ${seconds} s` : "";
  clearTimeout(timer);
  if (away && seconds > 0) timer = setTimeout(paint, 250);
}

export function nameOnPage(name: string, title: string): void {
  document.title = title;
  for (const place of document.querySelectorAll("[data-name]")) place.textContent = name;
}

/** A time that a person can read. */
export function duration(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(1)} s`;
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
  unauthorized: "Not everybody may do this: give a token on top of this page.",
  forbidden: "This is not allowed here: the proxy, or whoever serves the name, says no.",
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
