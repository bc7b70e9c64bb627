// What a room tells of itself. Types only.

import type { StreamError } from "../error.ts";
import type { Listener } from "../events.ts";
import type { Member, Reason } from "./member.ts";

/** The room's own events: nobody can send one of these names. */
export interface RoomEvents {
  /** Somebody came. */
  join: [member: Member];
  /** Somebody is no longer a member. */
  leave: [member: Member, reason: Reason];
  /** Somebody's connection is over for good, while it is still a member: `leave` follows. `rooms` are the names that it leaves now: this one, and public ones. */
  disconnecting: [member: Member, reason: Reason, rooms: string[]];
  /** Somebody's connection went or is back: `member.live`. */
  live: [member: Member];
  /** Somebody says something else of itself: `member.profile`. */
  profile: [member: Member];
  /** So many events were left out for us, since we were too slow or away for too long; `undefined`: our seat is gone, and nobody knows how many: we are a new member, or came back at another node of a cluster. */
  lost: [count: number | undefined];
  /** Our connection is gone. Our seat is kept for the grace; what is emitted waits. */
  suspended: [];
  /** It is back. What we missed comes behind this. */
  resumed: [];
  /** The proxy's program moved us to this room: `members` are its. */
  moved: [name: string];
  /** What waited has left, after `emit` returned false. */
  drain: [];
  /** Something was refused, could not be read, or the room is over because of it; then `close` follows. */
  error: [error: StreamError];
  /** It is over: left, or ended with the error before. */
  close: [];
}

/** Hears an event of other members; `from` is undefined where the proxy's program sent it. What it gives, or promises, answers who asked. */
export type PeerListener = Listener<[from: Member | undefined, ...args: unknown[]]>;

/** Hears every event of other members. */
export type AnyListener = Listener<[event: string, from: Member | undefined, ...args: unknown[]]>;
