// Who opened the link, at the sender.

import { type ClientOpen, StreamError, type Verdict } from "browser-stream-server";
import type { Place } from "./code.ts";
import { hex, sha256 } from "./digest.ts";
import type { Transfer } from "./transfer.ts";
import { type Ask, readAsk } from "./wire.ts";

/** Somebody who opened the link. */
export interface Receiver {
  readonly me: string;
  readonly as: string;
  /** How many lists it looks at: none, and it went away. */
  looks: number;
  /** The newest of each file. */
  readonly transfers: Map<string, Transfer>;
}

export class Receivers {
  readonly #all = new Map<string, Receiver>();

  /** Those who are here, and those who got or wanted something. */
  get all(): Receiver[] {
    return [...this.#all.values()];
  }

  /** What goes to them, or went. */
  get transfers(): Transfer[] {
    return this.all.flatMap(({ transfers }) => [...transfers.values()]);
  }

  find(me: string): Receiver | undefined {
    return this.#all.get(me);
  }

  /** The one that asks; two of one kind are told apart by a number. */
  of({ me, as }: Ask): Receiver {
    const there = this.#all.get(me);
    if (there) return there;
    const same = this.all.filter((other) => other.as.replace(/ \(\d+\)$/, "") === as).length;
    const receiver = { me, as: same > 0 ? `${as} (${same + 1})` : as, looks: 0, transfers: new Map() };
    this.#all.set(me, receiver);
    return receiver;
  }

  /** Forgets one that went and had asked for nothing. */
  left({ me, looks, transfers }: Receiver): void {
    if (looks === 0 && transfers.size === 0) this.#all.delete(me);
  }
}

/** What of a receiver is shown: what is on its way, else what was last. */
export function newest({ transfers }: Receiver): Transfer | undefined {
  const all = [...transfers.values()];
  return all.find(({ isOver }) => !isOver) ?? all.at(-1);
}

/** Looks at the list, or gets something: a program does the second without the first. */
export function isHere({ looks, transfers }: Receiver): boolean {
  return looks > 0 || [...transfers.values()].some(({ isOver }) => !isOver);
}

/** Lets in who has the key. Digests are compared, so that the time it takes tells nothing of how much of a key was right. */
export function judge({ key }: Place): (open: ClientOpen) => Promise<Verdict> {
  return async ({ sealed }) => {
    const ask = readAsk(sealed?.meta);
    if (!ask) throw new StreamError("bad_request", "this is a file exchange, version 1");
    if ((await digestOf(ask.key)) !== (await digestOf(key))) throw new StreamError("forbidden", "the code is another");
    return true;
  };
}

async function digestOf(key: string): Promise<string> {
  return hex(await sha256(new TextEncoder().encode(key)));
}
