// Who comes and goes, as notices in the conversation.

import type { JoinedRoom, Member, Reason } from "browser-stream-server/room";
import type { Log } from "./log.ts";
import { nameOf } from "./nickname.ts";
import { count, isolated, together } from "./page.ts";
import type { Returning } from "./returning.ts";

/** Writes them into `log` from now on. */
export function notePresence(room: JoinedRoom, log: Log, returning: Returning): void {
  const names = new Map<string, string>();
  const going = new Map<string, { readonly item: HTMLElement; readonly rooms: readonly string[] }>();
  const name = (member: Member): string => {
    const now = isolated(nameOf(member, room.members.values()));
    names.set(member.id, now);
    return now;
  };
  room.joined.then(
    () => [...room.members.values()].forEach(name),
    () => {}, // The conversation itself says why not.
  );

  room.on("join", (member) => {
    log.notice(`${name(member)} ${returning.isBack(member) ? "is back" : "came in"}`);
  });
  room.on("disconnecting", (member, reason, rooms) => {
    const item = log.notice(`${departure(name(member), reason)}: out of ${together(rooms, 6)}`);
    going.set(member.id, { item, rooms });
  });
  room.on("leave", (member, reason) => {
    const who = names.get(member.id) ?? name(member);
    const before = going.get(member.id);
    going.delete(member.id);
    names.delete(member.id);
    if (returning.isForgotten(member)) return; // It did not go: the proxy did.
    const elsewhere = before && before.rooms.length > 1 ? `: out of ${together(before.rooms, 6)}` : "";
    const text = `${departure(who, reason)}${elsewhere}`;
    // It is said once, and read out once.
    if (before?.item.isConnected) before.item.textContent = text;
    else log.notice(text);
  });
  room.on("profile", (member) => {
    const before = names.get(member.id);
    const now = name(member);
    if (before !== undefined && before !== now) log.notice(`${before} is now called ${now}`);
  });
  room.on("lost", (lost) => {
    log.notice(lostText(lost, returning)).classList.toggle("bad", lost !== undefined || returning.isAlone);
  });
}

function departure(who: string, { code, message }: Reason): string {
  if (code === "left") return message ? `${who} left: ${message}` : `${who} left`;
  if (code === "gone") return `${who} closed the page`;
  if (code === "lost") return `${who} left: the connection did not come back`;
  if (code === "removed") return message ? `${who} was removed: ${message}` : `${who} was removed`;
  return `${who} left: ${message || code}`;
}

/** What the proxy could not keep for this page. */
function lostText(lost: number | undefined, { isAlone }: Returning): string {
  if (lost === undefined) {
    return isAlone
      ? "The proxy does not know this page any more: it was started again, the connection was away for longer than two minutes, or the page has come to another one of several. What others said meanwhile is lost."
      : "The proxy does not know this page any more: it was started again, the connection was away for longer than two minutes, or the page has come to another one of several. What was written meanwhile goes to each who was here and is back within two minutes.";
  }
  return `${count(lost, "message or notice was", "messages and notices were")} lost: more came than is kept for who is away or slow.`;
}
