// Who is typing: said now and then, volatile, and forgotten soon where nothing more is heard.

import type { JoinedRoom, Member } from "browser-stream-server/room";

/** How often it is said while somebody goes on. */
const SAY_MS = 2000;
/** A little longer than that, so that one that is late turns nothing off. */
const HEARD_MS = 4500;

export class Typing {
  readonly #room: JoinedRoom;
  readonly #changed: () => void;
  readonly #heard = new Map<Member, number>();
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(room: JoinedRoom, changed: () => void) {
    this.#room = room;
    this.#changed = changed;
    room.on("typing", (from, isTyping) => {
      if (!from) return;
      if (isTyping === true) this.#hear(from);
      else this.forget(from);
    });
    room.on("leave", (member) => this.forget(member));
  }

  get who(): Member[] {
    return [...this.#heard.keys()];
  }

  /** Tells the others whether something is being written here. */
  say(isTyping: boolean): void {
    const wasSaid = performance.now() - this.#saidAt < SAY_MS;
    if (isTyping ? wasSaid : this.#saidAt === Number.NEGATIVE_INFINITY) return;
    this.#saidAt = isTyping ? performance.now() : Number.NEGATIVE_INFINITY;
    if (this.#room.live) this.#room.volatile.emit("typing", isTyping);
  }

  /** It was sent: whoever reads it knows. */
  sent(): void {
    this.#saidAt = Number.NEGATIVE_INFINITY;
  }

  forget(member: Member): void {
    clearTimeout(this.#heard.get(member));
    if (this.#heard.delete(member)) this.#changed();
  }

  #hear(member: Member): void {
    clearTimeout(this.#heard.get(member));
    const isNew = !this.#heard.has(member);
    this.#heard.set(
      member,
      setTimeout(() => this.forget(member), HEARD_MS),
    );
    if (isNew) this.#changed();
  }
}
