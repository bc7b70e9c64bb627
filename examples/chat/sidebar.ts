// The rooms: those that this page is in, with what is unread, and those that the directory lists.

import type { RoomInfo } from "browser-stream-server/room";
import { fragmentOf } from "./address.ts";
import type { Conversation } from "./conversation.ts";
import { count, element, make, renew } from "./page.ts";

export function showOwn(conversations: Iterable<Conversation>, current: Conversation | undefined): void {
  const items = [...conversations].map((one) => {
    const link = roomLink(one.name, one.others.length + 1, one === current);
    if (one.unread > 0) {
      const badge = make("span", "badge", one.unread > 99 ? "99+" : String(one.unread));
      badge.ariaLabel = `${one.unread} unread`;
      badge.role = "img";
      link.append(badge);
    }
    if (one.state === "ended") link.append(make("small", "quiet", "ended"));
    return make("li", "", link);
  });
  renew(element("own"), items);
}

/** Those that are not entered yet, the fullest first, in each list of the page. */
export function showListed(listed: readonly RoomInfo[], entered: ReadonlySet<string>): void {
  const names = new Intl.Collator();
  const others = listed
    .filter(({ name }) => !entered.has(name))
    .sort((a, b) => b.members - a.members || names.compare(a.name, b.name));
  for (const list of document.querySelectorAll<HTMLElement>("[data-listed]")) {
    renew(
      list,
      others.map(({ name, members }) => make("li", "", roomLink(name, members, false))),
    );
  }
  for (const note of document.querySelectorAll<HTMLElement>("[data-unlisted]")) note.hidden = others.length > 0;
}

function roomLink(name: string, members: number, isCurrent: boolean): HTMLAnchorElement {
  const people = make("small", "quiet count", String(members));
  people.ariaLabel = count(members, "person", "people");
  people.title = people.ariaLabel;
  people.role = "img";
  const link = make("a", "room", make("bdi", "", name), people);
  link.href = fragmentOf(name);
  if (isCurrent) link.ariaCurrent = "page";
  return link;
}
