// How many are in the call, for who stands before it: a room beside that of the call, in which who is in the call says so.

import type { MuxDemux } from "browser-stream-server";
import { type JoinedRoom, Room } from "browser-stream-server/room";

export class Hall {
  readonly #room: JoinedRoom;
  #isOver = false;

  /** `changed` is called whenever it may be another number. */
  constructor(mdm: MuxDemux, name: string, changed: () => void) {
    this.#room = Room(mdm).join(`hall-${name}`, { as: { isIn: false } });
    for (const event of ["join", "leave", "profile", "resumed", "close"] as const) this.#room.on(event, changed);
    // Where it cannot be had nobody is counted, and the call goes as ever.
    this.#room.joined.then(changed, () => {});
    const over = () => {
      this.#isOver = true;
    };
    this.#room.closed.then(over, over);
  }

  /** Others who are in the call. */
  get people(): number {
    const others = [...this.#room.members.values()].filter(({ id }) => id !== this.#room.id);
    return others.filter(({ profile }) => (Object(profile) as { isIn?: unknown }).isIn === true).length;
  }

  /** Whether we are in the call ourselves. */
  set isIn(isIn: boolean) {
    if (!this.#isOver) this.#room.profile = { isIn };
  }
}
