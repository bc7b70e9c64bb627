// What a page says of its connection, on the line on top of it.

import type { ConnectionState, MuxDemux } from "browser-stream-server";
import { isWanted } from "./token.ts";

const words: Record<ConnectionState, readonly [mark: string, text: string]> = {
  connecting: ["working", "Connecting"],
  open: ["good", "Connected"],
  waiting: ["working", "Reconnecting"],
  closed: ["bad", "Not connected: load this page again"],
};

/** Says it there from now on: how it is, and when the next one is tried. */
export function showConnection(mdm: MuxDemux): void {
  let nextTry = 0;
  let needsToken = false;
  mdm.on("reconnecting", ({ delayMs, error }) => {
    needsToken = isWanted(error);
    nextTry = performance.now() + delayMs;
  });
  const show = (): void => {
    const isDialing = mdm.state === "connecting" || mdm.state === "waiting";
    const [mark, text] = needsToken && isDialing ? ["working", "A token is needed"] : words[mdm.state];
    const seconds = mdm.state === "waiting" ? Math.ceil((nextTry - performance.now()) / 1000) : 0;
    element("status").dataset.state = mark;
    // Read out only where it is another.
    if (element("status-text").textContent !== text) element("status-text").textContent = text;
    element("status-time").textContent = seconds > 0 ? `next try in ${seconds} s` : "";
  };
  mdm.on("state", show);
  setInterval(show, 250);
  show();
}

function element(id: string): HTMLElement {
  return document.getElementById(id) as HTMLElement;
}
