// Who listens in a room. The room's own events and those of other members never meet, whatever a peer calls its.

import { Emitter, type Listener, report } from "../events.ts";
import type { Member } from "./member.ts";
import type { AnyListener, PeerListener, RoomEvents } from "./room-events.ts";

/** What a listener gave, or what it threw. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

interface Entry {
  readonly call: PeerListener;
  readonly once: boolean;
}

/** The room's own events: names that nobody may send. */
const OWN: ReadonlySet<string> = new Set<keyof RoomEvents>([
  "join",
  "leave",
  "disconnecting",
  "live",
  "profile",
  "lost",
  "suspended",
  "resumed",
  "moved",
  "drain",
  "error",
  "close",
]);

export function isOwn(event: string): event is keyof RoomEvents {
  return OWN.has(event);
}

export class Listeners {
  readonly own = new Emitter<RoomEvents>();
  readonly #peers = new Map<string, readonly Entry[]>();
  #any: readonly AnyListener[] = [];

  add(event: string, listener: Listener<never>, once: boolean): void {
    if (isOwn(event)) this.own[once ? "once" : "on"](event, listener);
    // A new list, so that one being called is not disturbed.
    else this.#peers.set(event, [...(this.#peers.get(event) ?? []), { call: listener as PeerListener, once }]);
  }

  remove(event: string, listener: Listener<never>): void {
    if (isOwn(event)) this.own.off(event, listener);
    else this.#keep(event, ({ call }) => call !== listener);
  }

  addAny(listener: AnyListener): void {
    this.#any = [...this.#any, listener];
  }

  removeAny(listener: AnyListener): void {
    this.#any = this.#any.filter((other) => other !== listener);
  }

  /** Calls who listens to an event, in the order in which they began to; what each gave. One that throws disturbs nobody else. */
  call(event: string, from: Member | undefined, args: unknown[]): Outcome[] {
    for (const listener of this.#any) {
      const outcome = attempt(() => (listener as AnyListener)(event, from, ...args));
      if ("error" in outcome) report(outcome.error);
    }
    return (this.#peers.get(event) ?? []).map((entry) => {
      if (entry.once) this.#keep(event, (other) => other !== entry);
      return attempt(() => (entry.call as PeerListener)(from, ...args));
    });
  }

  #keep(event: string, isKept: (entry: Entry) => boolean): void {
    const kept = (this.#peers.get(event) ?? []).filter(isKept);
    if (kept.length > 0) this.#peers.set(event, kept);
    else this.#peers.delete(event);
  }
}

function attempt(call: () => unknown): Outcome {
  try {
    return { value: call() };
  } catch (error) {
    return { error };
  }
}
