// Whom an event is for, and how it goes: each choice gives another target, none is changed.

import { demand } from "../options.ts";
import type { Answer } from "./asks.ts";
import { NUMBERS_MAX } from "./records.ts";

/** Whom an event is for, and how it goes. */
export interface Aim {
  /** Ids; nothing: everybody. */
  readonly to: readonly string[] | undefined;
  /** One was named alone: its answer is the answer. */
  readonly isOne: boolean;
  readonly except: readonly string[];
  readonly isVolatile: boolean;
  readonly isEverywhere: boolean;
  /** Milliseconds. */
  readonly timeout: number;
}

/** Everybody but us. */
export const EVERYBODY: Aim = {
  to: undefined,
  isOne: false,
  except: [],
  isVolatile: false,
  isEverywhere: false,
  timeout: 10_000,
};

/** What sends. */
export interface Emitting {
  emit(aim: Aim, event: string, args: unknown[]): boolean;
  ask(aim: Aim, event: string, args: unknown[]): Promise<unknown>;
}

const TIMEOUT_MAX = 600_000;

/** Some of a room's members. `A` is what {@link emitWithAck} resolves to. */
export class Target<A = Answer[]> {
  readonly #room: Emitting;
  readonly #aim: Aim;

  /** Targets come from a room. */
  constructor(room: Emitting, aim: Aim) {
    this.#room = room;
    this.#aim = aim;
  }

  /** Those members besides those named before; ids that are no member's are passed over. `"proxy"` is the proxy's own program. At most 256. */
  to(id: string): Target<unknown>;
  to(ids: readonly string[]): Target;
  to(ids: string | readonly string[]): Target<unknown> {
    const { to } = this.#aim;
    const isOne = typeof ids === "string" && to === undefined;
    return new Target(this.#room, { ...this.#aim, isOne, to: list(to, ids) });
  }

  /** All of them but those. At most 256. */
  except(ids: string | readonly string[]): Target<A> {
    return new Target(this.#room, { ...this.#aim, except: list(this.#aim.except, ids) });
  }

  /** Who cannot have it now never has it: it is dropped where anything waits, or a connection is missing. For what the next one replaces, as a pointer's position. */
  get volatile(): Target<A> {
    return new Target(this.#room, { ...this.#aim, isVolatile: true });
  }

  /** All rooms of the proxy, without naming members. Needs the right: without it `error` tells `forbidden`. */
  get everywhere(): Target<A> {
    return new Target(this.#room, { ...this.#aim, isEverywhere: true });
  }

  /** How long {@link emitWithAck} waits for answers: 1 to 600,000 ms, 10,000 unless stated. */
  timeout(ms: number): Target<A> {
    demand(Number.isInteger(ms) && ms >= 1 && ms <= TIMEOUT_MAX, `a timeout is 1 to ${TIMEOUT_MAX} ms`);
    return new Target(this.#room, { ...this.#aim, timeout: ms });
  }

  /** As the room's `emit`, to these. */
  emit(event: string, ...args: unknown[]): boolean {
    return this.#room.emit(this.#aim, event, args);
  }

  /** As the room's `emitWithAck`, to these. To one id it resolves to the answer itself, and rejects `not_found` where that is no member. */
  emitWithAck(event: string, ...args: unknown[]): Promise<A> {
    return this.#room.ask(this.#aim, event, args) as Promise<A>;
  }
}

/** Ids besides those before, each once. */
function list(before: readonly string[] | undefined, ids: string | readonly string[]): readonly string[] {
  const more = typeof ids === "string" ? [ids] : ids;
  demand(Array.isArray(more) && more.every((id) => typeof id === "string"), "members are named by their ids");
  const all = [...new Set([...(before ?? []), ...more])];
  demand(all.length <= NUMBERS_MAX, `an event names at most ${NUMBERS_MAX} members: emit it to all, or more than once`);
  return all;
}
