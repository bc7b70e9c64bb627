// Who is in a room.

import type { JsonObject } from "../json.ts";
import { codeText } from "../mux/codes.ts";

/** Somebody in a room: one object for as long as it is a member. All but the profile is the proxy's word. */
export interface Member {
  /** Unique, and the same over drops of its connection. */
  readonly id: string;
  /** What it says of itself, any JSON; nothing if it says nothing. */
  readonly profile: unknown;
  /** Its connection is there now. Without one it keeps its seat for the grace, and gets what it missed. */
  readonly live: boolean;
  /** The id of its connection: two rooms' members with the same one are the same peer. */
  readonly session: string | undefined;
  /** Who it is by its token, where the proxy asks for one. */
  readonly sub?: string | undefined;
}

/** Why a member goes: `"left"` by its own will, `"lost"` (its connection did not come back within the grace), `"gone"` (its page was closed), `"removed"`, or another code. */
export interface Reason {
  readonly code: string;
  /** For people; it may be empty. */
  readonly message: string;
}

/** A member as we keep it. */
export interface Known extends Member {
  /** Its number in this room. */
  readonly number: number;
  profile: unknown;
  live: boolean;
}

/** What a snapshot changed. */
export interface Difference {
  readonly came: Known[];
  readonly gone: Known[];
  readonly profiles: Known[];
  readonly lives: Known[];
}

/** A member by what the proxy says of it; nothing where that names nobody. */
export function known(number: number, live: boolean, { id, peer, profile }: JsonObject): Known | undefined {
  if (typeof id !== "string") return undefined;
  const { session, sub } = Object(peer);
  return { id, number, live, profile, session: text(session), sub: text(sub) };
}

function text(said: unknown): string | undefined {
  return typeof said === "string" ? said : undefined;
}

/** Why it goes, by the number on the wire. */
export function reasonOf(code: number, message: string): Reason {
  return { code: WORDS[code] ?? codeText(code), message };
}

const WORDS: Readonly<Record<number, string>> = { 0: "left", 5: "removed" };

export class Members {
  readonly byId = new Map<string, Known>();
  /** Ourselves. */
  me: Known | undefined;
  readonly #byNumber = new Map<number, Known>();

  at(number: number): Known | undefined {
    return this.#byNumber.get(number);
  }

  add(member: Known): void {
    this.byId.set(member.id, member);
    this.#byNumber.set(member.number, member);
  }

  remove({ id, number }: Known): void {
    this.byId.delete(id);
    this.#byNumber.delete(number);
  }

  /** Takes the room as it is, and which of them we are. Who was in it and is stays the same object. */
  replace(snapshot: readonly Known[], me: string): Difference {
    const before = new Map(this.byId);
    const difference: Difference = { came: [], gone: [], profiles: [], lives: [] };
    this.byId.clear();
    this.#byNumber.clear();
    for (const now of snapshot) {
      const was = before.get(now.id);
      before.delete(now.id);
      if (!was) difference.came.push(now);
      else if (JSON.stringify(was.profile) !== JSON.stringify(now.profile)) difference.profiles.push(was);
      if (was && was.live !== now.live) difference.lives.push(was);
      this.add(was ? Object.assign(was, now) : now);
    }
    // We are here, perhaps under another id.
    if (this.me) before.delete(this.me.id);
    difference.gone.push(...before.values());
    this.me = this.byId.get(me);
    return difference;
  }
}
