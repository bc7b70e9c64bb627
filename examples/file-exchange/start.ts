// When files begin to go, and whether to each receiver alone or to several at once.

import type { MuxDemux } from "browser-stream-server";
import { randomHex } from "./digest.ts";
import { fanOut } from "./fan-out.ts";
import type { Shared, Transfer } from "./transfer.ts";
import { PIECE } from "./wire.ts";

interface Waiting {
  readonly transfer: Transfer;
  start(shared?: Shared): void;
}

/** A smaller file is there before a channel is. */
const SHARED_MIN = 4 * PIECE;
/** How long those who started together wait for each other at the next file. */
const GATHER_MS = 500;

export class Start {
  /** The sender's name, with which those of its channels begin. */
  name = "";
  /** Nobody begins before {@link all}. */
  waits = false;
  readonly #mdm: MuxDemux;
  #waiting: Waiting[] = [];
  /** Who started together. */
  readonly #mates = new Set<string>();
  readonly #gathering = new Map<string, Waiting[]>();

  constructor(mdm: MuxDemux) {
    this.#mdm = mdm;
  }

  /** Resolves when this one may go: to the channel that it shares with others, if it does. */
  of(transfer: Transfer): Promise<Shared | undefined> {
    return new Promise((start) => {
      const waiting = { transfer, start };
      if (this.waits) this.#waiting.push(waiting);
      else if (this.#mates.has(transfer.ask.me) && canShare(transfer)) this.#gather(waiting);
      else start(undefined);
    });
  }

  setWaits(waits: boolean): void {
    this.waits = waits;
    if (!waits) for (const { start } of this.#waiting.splice(0)) start();
  }

  /** Starts all who wait, those for the same file together. */
  all(): void {
    this.waits = false;
    const waiting = this.#waiting.splice(0);
    this.#mates.clear();
    for (const { transfer } of waiting) this.#mates.add(transfer.ask.me);
    for (const group of groups(waiting)) void this.#go(group);
  }

  #gather(waiting: Waiting): void {
    const { id } = waiting.transfer.offered.listed;
    const group = this.#gathering.get(id) ?? [];
    group.push(waiting);
    const go = () => {
      if (this.#gathering.get(id) !== group) return;
      this.#gathering.delete(id);
      void this.#go(group);
    };
    if (group.length === 1) setTimeout(go, GATHER_MS);
    this.#gathering.set(id, group);
    if (group.length >= this.#mates.size) go();
  }

  async #go(group: Waiting[]): Promise<void> {
    const live = group.filter(({ transfer }) => !transfer.isOver);
    const members = live.map(({ transfer }) => transfer).filter(canShare);
    const sending = members.length > 1 ? await fanOut(this.#mdm, `${this.name}-${randomHex(16)}`, members) : undefined;
    for (const { transfer, start } of live) start(members.includes(transfer) ? sending?.shared : undefined);
    await sending?.run();
  }
}

function canShare({ ask, offered }: Transfer): boolean {
  return ask.sealedChannel === true && (ask.from ?? 0) === 0 && offered.listed.size >= SHARED_MIN;
}

function groups(waiting: Waiting[]): Waiting[][] {
  const byFile = new Map<string, Waiting[]>();
  for (const one of waiting) {
    const { id } = one.transfer.offered.listed;
    byFile.set(id, [...(byFile.get(id) ?? []), one]);
  }
  return [...byFile.values()];
}
