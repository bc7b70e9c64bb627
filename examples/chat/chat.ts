// The rooms of this page: which are entered, and which one is shown.

import type { Room } from "browser-stream-server/room";
import { fragmentOf, problemWith, roomInAddress } from "./address.ts";
import { Conversation } from "./conversation.ts";
import { keepRooms } from "./entered.ts";
import { keepNickname } from "./nickname.ts";
import { element } from "./page.ts";

export class Chat {
  nickname: string;
  current: Conversation | undefined;
  readonly conversations = new Map<string, Conversation>();
  readonly #rooms: Room;
  readonly #changed: () => void;
  readonly #page = crypto.randomUUID();

  constructor(rooms: Room, nickname: string, changed: () => void) {
    this.#rooms = rooms;
    this.nickname = nickname;
    this.#changed = changed;
  }

  /** Goes into a room, or back to it where this page is in it. */
  enter(typed: string, isPublic: boolean): void {
    const name = typed.normalize("NFC");
    this.#join(name, isPublic);
    if (roomInAddress() !== name) history.pushState(null, "", fragmentOf(name));
    this.show(name);
  }

  /** Goes into a room without looking at it. */
  #join(name: string, isPublic: boolean): Conversation {
    const before = this.conversations.get(name);
    if (before && before.state !== "ended") return before;
    before?.log.remove();
    const profile = { nickname: this.nickname, page: this.#page };
    const conversation = new Conversation(this.#rooms, name, profile, isPublic, () => this.#update(conversation));
    this.conversations.set(name, conversation);
    element("logs").append(conversation.log.view);
    if (before === this.current) this.current = undefined;
    this.#keep();
    return conversation;
  }

  enterAll(rooms: readonly { name: string; isPublic: boolean }[]): void {
    for (const { name, isPublic } of rooms) if (!problemWith(name)) this.#join(name, isPublic);
    this.#changed();
  }

  /** What the address names is shown; it is entered if it must be, and then not listed: who has the link need not tell all. */
  follow(): void {
    const name = roomInAddress();
    if (name && !problemWith(name) && this.nickname) this.enter(name, false);
  }

  show(name: string): void {
    const conversation = this.conversations.get(name);
    if (!conversation) return;
    if (conversation !== this.current) {
      this.current?.log.hide();
      this.current = conversation;
      conversation.log.show();
    }
    this.read();
    this.#changed();
  }

  /** The next room of the list, or the one before it. */
  step(by: number): void {
    const names = [...this.conversations.keys()];
    const at = names.indexOf(this.current?.name ?? "");
    const name = names[(at + by + names.length) % names.length];
    if (name !== undefined && names.length > 1) this.enter(name, false);
  }

  leave(conversation: Conversation): void {
    this.conversations.delete(conversation.name);
    conversation.log.remove();
    if (conversation.state !== "ended") conversation.leave();
    this.#keep();
    if (conversation === this.current) this.current = undefined;
    const next = [...this.conversations.keys()].at(-1);
    if (next === undefined) history.pushState(null, "", location.pathname);
    else this.enter(next, false);
    this.#changed();
  }

  rename(nickname: string): void {
    this.nickname = nickname;
    keepNickname(nickname);
    for (const { room, state } of this.conversations.values())
      if (state !== "ended") room.profile = { nickname, page: this.#page };
    this.#changed();
  }

  /** What is shown counts as read while somebody may look at it. */
  read(): void {
    if (this.current && this.current.unread > 0 && this.current.log.isAtEnd && !document.hidden) this.current.read();
  }

  #update(conversation: Conversation): void {
    const [key] = [...this.conversations].find(([, one]) => one === conversation) ?? [];
    if (key === undefined) return; // It was left.
    if (key !== conversation.name) {
      // It was moved to another room.
      this.conversations.delete(key);
      this.conversations.set(conversation.name, conversation);
      this.#keep();
      if (conversation === this.current) history.replaceState(null, "", fragmentOf(conversation.name));
    }
    this.read();
    this.#changed();
  }

  #keep(): void {
    keepRooms([...this.conversations.values()]);
  }
}
