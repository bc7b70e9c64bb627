// What a member sends: checked, made for the seat that it has by then, and held as long as it waits.

import { StreamError } from "../error.ts";
import { demand } from "../options.ts";
import type { Asks } from "./asks.ts";
import { EVENT_BYTES_MAX } from "./line.ts";
import type { Known, Members } from "./member.ts";
import type { Item } from "./outbox.ts";
import { emit } from "./records.ts";
import type { Seat } from "./seat.ts";
import type { Aim, Emitting } from "./target.ts";
import { encode, nameBytes } from "./values.ts";

/** From here on `emit` says that it is time to wait; from there on it throws. Bytes. */
const WAITING = 256 * 1024;
const WAITING_MAX = 4 * 1024 * 1024;
/** The number of the proxy's own program, and what it is called among ids. */
export const PROXY = 0;
const PROXY_ID = "proxy";

export class RoomEmitter implements Emitting {
  readonly #seat: Seat;
  readonly #members: Members;
  readonly #asks: Asks;
  /** The most bytes of an event's arguments, and of an answer. */
  bytesMax = EVENT_BYTES_MAX;
  /** Nothing is sent any more. */
  isOver = false;
  #isDrainDue = false;

  constructor(seat: Seat, members: Members, asks: Asks) {
    this.#seat = seat;
    this.#members = members;
    this.#asks = asks;
  }

  emit(aim: Aim, event: string, args: unknown[]): boolean {
    const make = this.#prepare(aim, event, args);
    if (!aim.isVolatile) return this.say({ record: make(), anew: make });
    const record = make();
    return record !== undefined && this.#seat.outbox.bytes <= WAITING && this.#seat.sendNow(record);
  }

  async ask(aim: Aim, event: string, args: unknown[]): Promise<unknown> {
    demand(!aim.isVolatile && !aim.isEverywhere, "neither volatile events nor those to all rooms are answered");
    const make = this.#prepare(aim, event, args);
    const deadline = performance.now() + aim.timeout;
    const { ref, promise } = this.#asks.begin(aim, this.#addressed(aim));
    const anew = () => {
      if (this.#asks.isTold(ref)) return undefined;
      const record = make({ ref, timeout: Math.max(1, Math.ceil(deadline - performance.now())) });
      if (!record) this.#asks.fail(ref, new StreamError("not_found", "that member is not there"));
      return record;
    };
    try {
      this.say({ ref, record: anew(), anew });
    } catch (error) {
      this.#asks.fail(ref, StreamError.from(error));
    }
    return promise;
  }

  /** Says something that is to arrive; whether more may be said. Without a record there is nobody left whom it is for. */
  say({ record, ...item }: Omit<Item, "record"> & { record: Uint8Array | undefined }): boolean {
    this.#check();
    const { outbox } = this.#seat;
    if (outbox.bytes > WAITING_MAX) throw new StreamError("limit", `${outbox.bytes} bytes wait: wait for "drain"`);
    if (record) this.#seat.send({ ...item, record });
    this.#isDrainDue ||= outbox.bytes > WAITING;
    return outbox.bytes <= WAITING;
  }

  /** Less waits; whether somebody waited for that. */
  drains(): boolean {
    if (!this.#isDrainDue || this.#seat.outbox.bytes > WAITING / 2) return false;
    this.#isDrainDue = false;
    return true;
  }

  #check(): void {
    if (this.isOver) throw new StreamError("gone", "this room was left, or is over");
  }

  /** Checks an event, and gives what makes its record for the seat that we have by then; nothing where nobody is left whom it is for. */
  #prepare(aim: Aim, event: string, args: unknown[]) {
    this.#check();
    demand(!aim.isEverywhere || !aim.to, "an event to all rooms names no members: except() leaves some out");
    const name = nameBytes(event);
    demand(typeof args.at(-1) !== "function", "a function cannot be sent; emitWithAck() resolves to the answers");
    const body = encode(args, this.bytesMax);
    const { isVolatile, isEverywhere } = aim;
    return (ask?: { ref: number; timeout: number }): Uint8Array | undefined => {
      const to = aim.to && this.#numbers(aim.to);
      // Before there are members nobody can be missing; all of it is made anew then.
      if (to?.length === 0 && this.#members.byId.size > 0) return undefined;
      return emit({ isVolatile, isEverywhere, ask, to, except: this.#numbers(aim.except), name, body });
    };
  }

  /** Numbers of those who are there. */
  #numbers(ids: readonly string[]): number[] {
    const found = ids.map((id) => (id === PROXY_ID ? PROXY : this.#members.byId.get(id)?.number));
    return found.filter((number) => number !== undefined);
  }

  /** Whom it is for, as far as we know. */
  #addressed({ to, except }: Aim): Known[] {
    const isFor = ({ id }: Known) => (!to || to.includes(id)) && !except.includes(id);
    return [...this.#members.byId.values()].filter((member) => member !== this.#members.me && isFor(member));
  }
}
