// What we said in a room and the proxy has not got for certain.

import { malformed } from "../decoder.ts";

/** A counted record of ours. */
export interface Item {
  record: Uint8Array;
  /** The number of what it asks. */
  readonly ref?: number | undefined;
  /** The same for another seat, where members have other numbers; nothing where it means nothing there. */
  anew(): Uint8Array | undefined;
}

export class Outbox {
  /** In the order in which they were said. */
  readonly items: Item[] = [];
  #bytes = 0;
  /** How many of ours the proxy has. */
  #acknowledged = 0;

  /** What waits. */
  get bytes(): number {
    return this.#bytes;
  }

  push(item: Item): void {
    this.items.push(item);
    this.#bytes += item.record.length;
  }

  /** The proxy has so many of all that we said on this seat. Throws `bad_request` where that cannot be. */
  acknowledge(count: number): void {
    const more = count - this.#acknowledged;
    if (more > this.items.length) throw malformed(`a count of ${count}, more than we said`);
    // An older count says nothing new.
    if (more <= 0) return;
    this.#acknowledged = count;
    for (const { record } of this.items.splice(0, more)) this.#bytes -= record.length;
  }

  /** Another seat: nobody there has anything of ours yet. */
  renew(): void {
    this.#acknowledged = 0;
    this.#bytes = 0;
    for (const item of this.items.splice(0)) {
      const record = item.anew();
      if (record) this.push(Object.assign(item, { record }));
    }
  }
}
