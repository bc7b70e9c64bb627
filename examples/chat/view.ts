// What stands around the messages of the room that is shown.

import type { MuxDemux } from "browser-stream-server";
import type { Chat } from "./chat.ts";
import type { Conversation } from "./conversation.ts";
import { count, element, isolated, say, together } from "./page.ts";
import { showPeople } from "./people.ts";

export function showConversation(conversation: Conversation, mdm: MuxDemux): void {
  if (element("room-name").textContent !== conversation.name) element("room-name").textContent = conversation.name;
  element("room-state").textContent = conversation.state === "joining" ? "Going in" : "";
  showPeople(conversation);
  showTyping(conversation);
  const isOver = conversation.state === "ended";
  element("over").hidden = !isOver;
  say("over-why", isOver ? conversation.why : "");
  element("offline").hidden =
    isOver || mdm.state === "open" || (mdm.state === "connecting" && conversation.state === "joining");
  const { isAtEnd } = conversation.log;
  element("newer").hidden = isAtEnd;
  element("newer-text").textContent = conversation.unread > 0 ? `${conversation.unread} new` : "Newest";
}

function showTyping(conversation: Conversation): void {
  const who = conversation.typing.who.map((member) => conversation.nameOf(member));
  const text = who.length > 0 ? `${together(who)} ${who.length === 1 ? "is" : "are"} typing` : "";
  say("typing-text", text);
  element("typing").toggleAttribute("data-on", text !== "");
}

/** The window's title says what waits, for who looks at another. */
export function showTitle(chat: Chat): void {
  const unread = [...chat.conversations.values()].reduce((sum, one) => sum + one.unread, 0);
  const name = chat.current ? `${isolated(chat.current.name)} · Chat` : "Chat";
  const title = unread > 0 ? `(${unread}) ${name}` : name;
  if (document.title !== title) document.title = title;
  const elsewhere = unread - (chat.current?.unread ?? 0);
  element("elsewhere").hidden = elsewhere === 0;
  element("elsewhere").textContent = String(elsewhere);
  element("to-rooms").ariaLabel = elsewhere > 0 ? `Rooms, ${count(elsewhere, "unread message")}` : "Rooms";
}
