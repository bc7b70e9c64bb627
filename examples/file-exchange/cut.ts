// The page of a receiver whose link is cut: it says so, and takes the whole one.

import { hasCode } from "./code.ts";
import { enter } from "./enter.ts";
import { element, say } from "./page.ts";

const TITLE = "This link is not whole";
const NO_KEY = "The key behind its code, from the full stop on, is cut or altered.";
const NO_CODE =
  "Its code is cut or altered: that has 12 letters and digits, as h4k2-9xqd-7mwz, and a full stop and a key follow.";

export function sayCut(hash: string): void {
  document.title = TITLE;
  element("receive").hidden = false;
  element("status").dataset.state = "idle";
  say("status-text", "Not connected");
  say("receive-title", TITLE);
  say(
    "receive-lead",
    `${hasCode(hash) ? NO_KEY : NO_CODE} Open it again as it was sent to you, paste it here, or ask the sender for it.`,
  );
  say("corrected-label", "The whole link");
  say("look", "Open it");
  element("correct").hidden = false;
  element("correct").addEventListener("submit", (event) => {
    event.preventDefault();
    enter(element<HTMLInputElement>("corrected").value, "correct-problem");
  });
}
