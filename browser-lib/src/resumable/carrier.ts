// One stream of the mux under a resumable stream.

import type { Cell, Sink } from "../cell.ts";
import { StreamError } from "../error.ts";
import type { Kind } from "../resume/carrier.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Who a carrier belongs to. */
export interface Owner {
  arrived(carrier: Carrier, bytes: Bytes): void;
  /** The message that bytes came in is parsed. */
  settle?(): void;
  /** Frames left: there may be room for more. */
  sent?(): void;
  /** It ended, and can bring no more. */
  gone(carrier: Carrier): void;
}

export class Carrier implements Sink {
  /** Its owner's number for it. */
  id = 0;
  readonly cell: Cell;
  readonly kind: Kind;
  /** What is counted of all its stream's carriers of this kind. */
  counts = count();
  /** Nobody's, it takes nothing in. */
  owner: Owner | undefined;
  /** What lies queued in it. */
  queued = 0;
  readonly isBusy = false;
  /** What came while it waits to be taken; none of it was given credit for. */
  #held: Bytes[] | undefined;

  /** `waits` for {@link take}. */
  constructor(cell: Cell, owner: Owner, kind: Kind = "proxy", waits = false) {
    this.cell = cell;
    this.owner = owner;
    this.kind = kind;
    if (waits) this.#held = [];
    cell.sink = this;
  }

  /** Gives it to its owner, or to another, with what came meanwhile. */
  take(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const bytes of held) this.data(bytes);
    this.settle();
  }

  send(bytes: Bytes): void {
    this.counts.sent += bytes.length;
    this.queued = this.cell.host.send(this.cell.id, bytes);
  }

  /** Closes it behind what was sent, so that it arrives, or at once: as one that needs nothing more if it is `done`. */
  close(how: "finish" | "reset" | "done", number?: number): void {
    this.owner = undefined;
    if (how === "finish") this.cell.host.finish(this.cell.id);
    else this.cell.reset(new StreamError(how === "done" ? "gone" : "cancelled"), number);
  }

  data(bytes: Bytes): void {
    // A copy: the rest of its message may be somebody's by the time that it is read.
    if (this.#held) return void this.#held.push(bytes.slice());
    this.counts.received += bytes.length;
    this.cell.host.consumed(this.cell.id, bytes.length);
    this.owner?.arrived(this, bytes);
  }

  settle(): void {
    this.owner?.settle?.();
  }

  sent(queued: number): void {
    this.queued = queued;
    this.owner?.sent?.();
  }

  /** The peer's end of it: what we have yet to say there would not be answered. */
  finished(): void {
    if (!this.owner) return;
    this.fail();
    this.close("reset");
  }

  fail(): void {
    this.owner?.gone(this);
    this.owner = undefined;
  }

  ended(): void {
    this.fail();
  }
}

/** Of one kind of carrier: nothing yet. */
export function count() {
  return { sent: 0, received: 0, moves: 0 };
}
