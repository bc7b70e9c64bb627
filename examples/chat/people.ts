// Who is in the room that is shown, the one who looks first.

import type { Member } from "browser-stream-server/room";
import { face } from "./bubble.ts";
import type { Conversation } from "./conversation.ts";
import { hueOf, pageOf } from "./nickname.ts";
import { count, element, make, renew, say } from "./page.ts";

/** In a larger room the rest is a number. */
const SHOWN_MAX = 200;

export function showPeople(conversation: Conversation): void {
  const { me } = conversation.room;
  const names = new Intl.Collator();
  const others = conversation.others
    .map((member) => ({ member, name: conversation.nameOf(member) }))
    .sort((a, b) => Number(b.member.live) - Number(a.member.live) || names.compare(a.name, b.name));
  const shown = others.slice(0, SHOWN_MAX).map(({ member, name }) => person(member, name));
  const mine = me ? [person(me, conversation.nameOf(me), true)] : [];
  const rest = others.length - shown.length;
  renew(element("people-list"), [
    ...mine,
    ...shown,
    ...(rest > 0 ? [make("li", "quiet", `and ${count(rest, "other")}`)] : []),
  ]);
  say("people-count", String(others.length + mine.length));
  element("people-toggle").ariaLabel = `Who is here: ${count(others.length + mine.length, "person", "people")}`;
  element("alone").hidden = others.length > 0 || conversation.state !== "here";
}

function person(member: Member, name: string, isMe = false): HTMLLIElement {
  const isLive = member.live;
  const item = make("li", "", face({ id: member.id, name, hue: hueOf(pageOf(member)), isMe }), make("bdi", "", name));
  const note = [isMe ? "you" : "", isLive ? "" : "away"].filter(Boolean).join(", ");
  if (note) item.append(make("small", "quiet", note));
  item.toggleAttribute("data-away", !isLive);
  item.title = isLive
    ? "Connected now"
    : "No connection at the moment: gets what is said here if it is back within two minutes";
  return item;
}
