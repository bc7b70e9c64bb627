// What both roles do with the page.

import type { MuxDemux } from "browser-stream-server";
import { isWanted } from "../token.ts";

/** Under what prefix the proxy takes names: it says so on top of the page. */
export const proxy: { prefix?: string } = document.documentElement.dataset;

const connection = {
  connecting: ["working", "Connecting"],
  open: ["good", "Connected"],
  waiting: ["working", "Reconnecting"],
  closed: ["idle", "Not connected"],
} as const;

export function element<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
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

/** The line on top says how the connection is. */
export function follow(mdm: MuxDemux): void {
  let needsToken = false;
  const tell = () => {
    const isDialing = mdm.state === "connecting" || mdm.state === "waiting";
    const [mark, text] = needsToken && isDialing ? ["working", "A token is needed"] : connection[mdm.state];
    element("status").dataset.state = mark;
    say("status-text", text);
  };
  mdm.on("state", tell).on("reconnecting", ({ error }) => {
    needsToken = isWanted(error);
    tell();
  });
  tell();
}

/** How far all that moves is stands in front of the title, for who looks at another tab. */
export function title(moving: [bytes: number, all: number][], text: string): void {
  const [bytes, all] = moving.reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
  const part = all > 0 ? `${Math.floor((100 * bytes) / all)} % · ` : "";
  if (document.title !== part + text) document.title = part + text;
}

/** Calls `paint` soon after each change, once for all changes of a moment, and often while something moves. Gives what tells of a change. */
export function painter(paint: () => void, isMoving: () => boolean): () => void {
  let isDue = false;
  const now = () => {
    isDue = false;
    paint();
  };
  setInterval(() => isMoving() && now(), 250);
  return () => {
    if (!isDue) setTimeout(now, 0);
    isDue = true;
  };
}

/** Asks whether the page shall really be left while something would break off. */
export function guard(wouldBreak: () => boolean): void {
  addEventListener("beforeunload", (event) => {
    if (wouldBreak()) event.preventDefault();
  });
}
