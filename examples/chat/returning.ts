// Who was here before the proxy forgot all seats, as when it is started again: everybody comes in anew, and is known by the page.

import type { JoinedRoom, Member } from "browser-stream-server/room";
import { nameOf, pageOf } from "./nickname.ts";

/** So long it is waited for them: as long as the proxy keeps a seat. */
export const RETURN_MS = 120_000;

interface Hooks {
  /** Our seat is another; these pages were here, and are or may come back. */
  anew(pages: ReadonlySet<string>): void;
  /** Nobody is waited for any more; these did not come. */
  over(names: readonly string[]): void;
}

export class Returning {
  readonly #room: JoinedRoom;
  readonly #hooks: Hooks;
  /** Who is here, by id: "lost" is told before the members are others. */
  readonly #here = new Map<string, { readonly page: string; readonly name: string }>();
  /** Who is waited for, by page, and the ids of before. */
  readonly #awaited = new Map<string, string>();
  readonly #forgotten = new Set<string>();
  /** It was us alone whom the proxy forgot: others are still here under their ids, and who is not left. */
  isAlone = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** To be made before anybody else listens to `room`. */
  constructor(room: JoinedRoom, hooks: Hooks) {
    this.#room = room;
    this.#hooks = hooks;
    room.joined.then(
      () => [...room.members.values()].forEach((member) => void this.#know(member)),
      () => {}, // The conversation itself says why not.
    );
    for (const event of ["join", "profile"] as const) room.on(event, (member) => this.#know(member));
    room.on("leave", ({ id }) => void this.#here.delete(id));
    room.on("lost", (count) => {
      if (count === undefined) this.#anew();
    });
    room.on("close", () => clearTimeout(this.#timer));
  }

  /** Who is waited for and not back, by page. */
  get absent(): Map<string, string> {
    const absent = new Map(this.#awaited);
    for (const member of this.#room.members.values()) absent.delete(pageOf(member));
    return absent;
  }

  /** Whether this one only went because the proxy forgot it. */
  isForgotten({ id }: Member): boolean {
    return this.#forgotten.has(id);
  }

  /** Whether this one was here before the proxy forgot it. */
  isBack(member: Member): boolean {
    return this.#awaited.has(pageOf(member));
  }

  #know(member: Member): void {
    if (member === this.#room.me) return;
    this.#here.set(member.id, { page: pageOf(member), name: nameOf(member, this.#room.members.values()) });
  }

  #anew(): void {
    const stayed = [...this.#here].filter(([id]) => this.#room.members.has(id));
    this.isAlone = stayed.length > 0;
    if (!this.isAlone) {
      for (const [id, { page, name }] of this.#here) {
        this.#forgotten.add(id);
        this.#awaited.set(page, name);
      }
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#over(), RETURN_MS);
    this.#hooks.anew(new Set([...stayed.map(([, { page }]) => page), ...this.#awaited.keys()]));
  }

  #over(): void {
    const names = [...this.absent.values()];
    this.#awaited.clear();
    this.#forgotten.clear();
    this.#hooks.over(names);
  }
}
