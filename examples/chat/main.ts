// A chat: rooms that live in the pages of those who are in them, and nowhere else.

import { Room } from "browser-stream-server/room";
import { showConnection } from "../connection.ts";
import { dial } from "../token.ts";
import { linkTo, problemWith, roomInAddress } from "./address.ts";
import { Chat } from "./chat.ts";
import { Composer } from "./composer.ts";
import { keptRooms } from "./entered.ts";
import { keptNickname, tidy } from "./nickname.ts";
import { announce, element, say } from "./page.ts";
import { showListed, showOwn } from "./sidebar.ts";
import { showConversation, showTitle } from "./view.ts";

const mdm = dial();
const rooms = Room(mdm);
const directory = rooms.rooms();
const chat = new Chat(rooms, keptNickname(), changed);
const composer = new Composer();
const [view, nickname, room] = [
  element("chat"),
  element<HTMLInputElement>("nickname"),
  element<HTMLInputElement>("room"),
];
const [naming, newName] = [element<HTMLDialogElement>("naming"), element<HTMLInputElement>("new-nickname")];
let isDue = false;

showConnection(mdm);
mdm.on("state", changed);
directory.on("change", changed);
directory.on("error", ({ detail }) => {
  for (const note of document.querySelectorAll("[data-unlisted]")) {
    note.textContent = `The rooms cannot be listed now (${detail}). One whose name you know can be entered all the same.`;
  }
});
addEventListener("hashchange", arrive);
addEventListener("popstate", arrive);
document.addEventListener("visibilitychange", changed);

// ---- coming in ----

nickname.value = chat.nickname;
room.value = problemWith(roomInAddress()) ? "lobby" : roomInAddress();
if (roomInAddress()) say("welcome-problem", problemWith(roomInAddress()));
element<HTMLInputElement>("listed").checked = !roomInAddress();
element("welcome-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!isNamed("Others need a name for you.")) return;
  const problem = problemWith(room.value);
  say("welcome-problem", problem);
  if (problem) return room.focus();
  enter(room.value, element<HTMLInputElement>("listed").checked);
});
element("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = element<HTMLInputElement>("enter-name");
  const problem = problemWith(field.value);
  say("enter-problem", problem);
  if (problem) return;
  enter(field.value, element<HTMLInputElement>("enter-listed").checked);
  field.value = "";
});

/** Takes the name that stands in the form; where there is none, it says so. */
function isNamed(problem: string): boolean {
  const name = tidy(nickname.value);
  say("welcome-problem", name ? "" : problem);
  if (!name) nickname.focus();
  else if (name !== chat.nickname) chat.rename(name);
  return name !== "";
}

function enter(name: string, isPublic: boolean): void {
  chat.enter(name.trim(), isPublic);
  toRoom();
}

/** The address was changed: by a link, by hand, or by going back. */
function arrive(): void {
  const name = roomInAddress();
  if (name && chat.conversations.size === 0) {
    room.value = name;
    if (!isNamed("Say what others shall call you, then go in.")) return;
  }
  chat.follow();
  if (name) toRoom();
}

function toRoom(): void {
  view.dataset.view = "room";
  changed();
  // On a phone a field that has the focus covers half of the page.
  if (matchMedia("(pointer: fine)").matches) setTimeout(() => composer.focus());
}

/** The next room stands where this one was, or the form; the second click of a double click is not meant for it, and takes no focus. */
function leave({ detail }: MouseEvent): void {
  if (detail <= 1 && chat.current) chat.leave(chat.current);
  if (chat.current) toRoom();
  else setTimeout(() => room.focus());
}

// ---- what stands around the messages ----

element("to-rooms").addEventListener("click", () => {
  view.dataset.view = "rooms";
  element("own").querySelector<HTMLElement>("[aria-current]")?.focus();
});
const toggle = element("people-toggle");
const openPeople = (isOpen: boolean) => {
  toggle.ariaExpanded = String(isOpen);
  element("people").toggleAttribute("data-open", isOpen);
};
toggle.addEventListener("click", () => openPeople(toggle.ariaExpanded !== "true"));
element("logs").addEventListener("click", () => openPeople(false));
element("copy").addEventListener("click", ({ currentTarget }) => void copyLink(currentTarget as HTMLElement));
element("leave").addEventListener("click", leave);
element("leave-over").addEventListener("click", leave);
element("again").addEventListener("click", () => chat.current && enter(chat.current.name, chat.current.isPublic));
element("try-now").addEventListener("click", () => mdm.reconnect());
element("newer").addEventListener("click", () => {
  chat.current?.log.toEnd();
  changed();
  composer.focus();
});
element("rename").addEventListener("click", () => {
  newName.value = chat.nickname;
  naming.showModal();
  newName.select();
});
element("naming-form").addEventListener("submit", () => {
  const name = tidy(newName.value);
  if (!name) return;
  chat.rename(name);
  nickname.value = name;
});
for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog")?.close());
}
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && toggle.ariaExpanded === "true") {
    openPeople(false);
    toggle.focus();
  }
  const step = event.altKey ? { ArrowUp: -1, ArrowDown: 1 }[event.key] : undefined;
  if (step === undefined) return;
  event.preventDefault();
  chat.step(step);
});

async function copyLink(button: HTMLElement): Promise<void> {
  const link = linkTo(chat.current?.name ?? "");
  try {
    await navigator.clipboard.writeText(link);
    button.dataset.done = "";
    say("copy-text", "Copied");
    announce("The link is copied");
  } catch {
    prompt("The link to this room", link); // Over plain http a page may write no clipboard.
  }
  setTimeout(() => {
    delete button.dataset.done;
    say("copy-text", "Copy link");
  }, 2000);
}

// ---- painting ----

/** Once for all changes of a moment. */
function changed(): void {
  if (!isDue) setTimeout(paint);
  isDue = true;
}

function paint(): void {
  isDue = false;
  chat.read();
  const isIn = chat.conversations.size > 0;
  element("welcome").hidden = isIn;
  view.hidden = !isIn;
  document.body.toggleAttribute("data-in", isIn);
  showOwn(chat.conversations.values(), chat.current);
  showListed(directory.rooms, new Set(chat.conversations.keys()));
  say("my-name", chat.nickname);
  showTitle(chat);
  composer.for(chat.current);
  if (chat.current) showConversation(chat.current, mdm);
}

if (chat.nickname) {
  const kept = keptRooms();
  chat.enterAll(kept);
  const wanted = roomInAddress() || kept[0]?.name;
  const before = kept.find(({ name }) => name === wanted);
  if (wanted && !problemWith(wanted)) enter(wanted, before?.isPublic ?? false);
}
changed();
