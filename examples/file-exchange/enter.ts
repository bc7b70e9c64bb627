// A code that somebody types: the page is loaded again with it, and goes on from there for the keyboard, too.

import { problemOf, readInvitation } from "./code.ts";
import { takeKept } from "./keep.ts";
import { say } from "./page.ts";

const KEY = "file-exchange entered";

/** Goes to what is shared under it; what is wrong with it is said at `place`. */
export function enter(text: string, place: string): void {
  const typed = readInvitation(text);
  if (!typed) return say(place, problemOf(text));
  say(place, "");
  const hash = `#${[typed.code, ...(typed.key ? [typed.key] : [])].join(".")}`;
  sessionStorage.setItem(KEY, "true");
  if (location.hash === hash) location.reload();
  else location.hash = hash;
}

/** Whether this page was come to in that way. */
export function wasEntered(): boolean {
  return takeKept<boolean>(KEY) === true;
}
