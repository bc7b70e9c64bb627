// When files begin to go: at once, or for all who wait together.

import type { MuxDemux } from "browser-stream-server";
import type { Shared, Transfer } from "./transfer.ts";

interface Waiting {
  readonly transfer: Transfer;
  start(shared: Shared | undefined): void;
}

export class Start {
  name = "";
  waits = false;
  #waiting: Waiting[] = [];

  constructor(_mdm: MuxDemux, _prefix: string | undefined) {}

  /** Resolves when this one may go. */
  of(transfer: Transfer): Promise<Shared | undefined> {
    if (!this.waits) return Promise.resolve(undefined);
    return new Promise((start) => this.#waiting.push({ transfer, start }));
  }

  setWaits(waits: boolean): void {
    this.waits = waits;
    if (!waits) this.all();
  }

  all(): void {
    this.waits = false;
    for (const { start } of this.#waiting.splice(0)) start(undefined);
  }
}
