// The server's side: which stream a carrier belongs to that comes in.

import { Cell } from "../cell.ts";
import { StreamError } from "../error.ts";
import { later, type Timer } from "../later.ts";
import type { Opening } from "../opening.ts";
import type { Kind } from "../resume/carrier.ts";
import { Endpoint } from "../resume/endpoint.ts";
import { type Join, Newcomer, type Pass } from "../resume/newcomer.ts";
import type { Tombstone } from "../resume/outcome.ts";
import type { Identity } from "../resume/proof.ts";
import { GONE } from "../resume/record.ts";
import { Carrier, type Owner } from "./carrier.ts";
import type { Ice } from "./direct.ts";
import { type Birth, read, taken } from "./field.ts";
import { now, Resumable } from "./resumable.ts";
import type { Resumables } from "./resumables.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What the registry keeps of a stream that lives. */
export type Known = Resumable | Newborn;

/** A new stream that nobody decided about. If all its carriers end before, it never was. */
export class Newborn implements Owner {
  /** Of its user, from when it is accepted. */
  readonly cell: Cell;
  readonly #all: Resumables;
  readonly #identity: Identity;
  readonly #grace: number;
  readonly #ice: Ice | undefined;
  /** Its carriers, each with the number of early bytes. */
  readonly #carriers = new Map<Carrier, number>();

  constructor(all: Resumables, identity: Identity, grace: number, { host }: Cell, ice: Ice | undefined) {
    this.#all = all;
    this.#ice = ice;
    this.#identity = identity;
    this.#grace = grace;
    this.cell = new Cell(host);
    all.registry.insert(identity, this);
  }

  born(carrier: Carrier, early: number): void {
    carrier.owner = this;
    this.#carriers.set(carrier, early);
  }

  /** Nobody can know of it yet. */
  joined(carrier: Carrier, { pass }: Join): void {
    pass.free();
    carrier.close("reset");
  }

  arrived(): void {}

  gone(carrier: Carrier): void {
    this.#carriers.delete(carrier);
    if (this.#carriers.size > 0) return;
    this.#all.registry.forget(this.#identity.id);
    this.cell.fail(new StreamError("cancelled"), false);
  }

  accept(): void {
    const { limits, budget, registry } = this.#all;
    const endpoint = Endpoint.accept({ identity: this.#identity, limits, budget }, this.#grace, now());
    const stream = new Resumable(this.#all, endpoint, undefined, this.cell, this.#ice);
    registry.insert(this.#identity, stream);
    for (const [carrier, early] of this.#carriers) stream.born(carrier, early, this.#grace);
    this.cell.accepted();
  }

  /** Refuses it, however often it is asked for again. */
  refuse(error: StreamError): void {
    if (this.cell.isOver) return;
    this.#all.registry.refuse(this.#identity, { code: error.code, message: error.detail }, this.#grace, now());
    this.cell.fail(error, false);
    for (const { cell } of this.#carriers.keys()) {
      cell.sink = undefined;
      cell.refuse(error);
    }
  }
}

/** Takes an open that is of a stream that is there: one more carrier, or signals where streams may go on over a direct connection (`ice`). Whether it was that. */
export function belongs(all: Resumables, opening: Opening, name: string, ice?: Ice): boolean {
  if (opening.joins) welcome(all, opening, name);
  else if (ice && opening.signals) {
    all.direct().then(
      (direct) => direct.hear(opening, name),
      () => opening.refuse(new StreamError("busy")),
    );
  } else return false;
  return true;
}

/** Sees to any other open; whether it is a new client's. `takesNew` lets that be resumable, `ice` go on over a direct connection. */
export function admit(all: Resumables, opening: Opening, name: string, takesNew: boolean, ice?: Ice): boolean {
  let birth: Birth | undefined;
  try {
    birth = read(opening.resume);
  } catch (error) {
    opening.refuse(StreamError.from(error));
    return false;
  }
  // While its seal was opened, its opener may have gone: nothing would ever tell what is born then.
  return !opening.cell.isOver && (!birth || !takesNew || bear(all, opening, name, birth, ice));
}

/** A birth open came: whether of a new stream. */
function bear(all: Resumables, opening: Opening, name: string, birth: Birth, ice: Ice | undefined): boolean {
  const { id, secret, early, grace: asked } = birth;
  const identity = { id, secret, name, seal: opening.sealed?.seal };
  const found = all.registry.birth(identity, early, now());
  const grace = Math.min(asked, all.limits.grace);
  if (found.type === "refused") {
    opening.refuse(new StreamError(found.reason.code, found.reason.message));
    return false;
  }
  const isNew = found.type === "nothing";
  let stream: Known;
  if (isNew) stream = opening.newborn = new Newborn(all, identity, grace, opening.cell, birth.direct ? ice : undefined);
  else stream = found.type === "known" ? found.handle : revive(all, found.tombstone);
  stream.born(new Carrier(opening.cell, stream, "proxy", true), early, grace);
  return isNew;
}

/** One more carrier of some stream came: hears which one. Anything but JOIN, or none in time, ends it. */
export function welcome(all: Resumables, { cell }: Opening, name: string | undefined, kind?: Kind): void {
  const pass = all.unproven(cell.host).admit(all.limits, () => cell.reset(new StreamError("limit")));
  if (!pass) return cell.refuse(new StreamError("busy", "too many carriers that have not said whose they are"));
  cell.sendFrame({ resume: taken() });
  cell.accepted();
  new Carrier(cell, new Visitor(all, name, pass, cell), kind);
}

class Visitor implements Owner {
  readonly #all: Resumables;
  readonly #name: string | undefined;
  readonly #pass: Pass;
  readonly #newcomer: Newcomer;
  readonly #timer: Timer;

  constructor(all: Resumables, name: string | undefined, pass: Pass, cell: Cell) {
    this.#all = all;
    this.#name = name;
    this.#pass = pass;
    this.#newcomer = new Newcomer(pass, all.limits, now());
    this.#timer = later(() => cell.reset(new StreamError("timeout")), all.limits.unproven);
  }

  arrived(carrier: Carrier, bytes: Bytes): void {
    try {
      const join = this.#newcomer.received(bytes);
      if (!join) return;
      clearTimeout(this.#timer);
      this.#joins(carrier, join);
    } catch {
      this.gone();
      carrier.close("reset");
    }
  }

  gone(): void {
    clearTimeout(this.#timer);
    this.#pass.free();
  }

  #joins(carrier: Carrier, join: Join): void {
    const found = this.#all.registry.join(join.stream, this.#name, now());
    if (found.type === "known") found.handle.joined(carrier, join);
    else if (found.type === "ended") revive(this.#all, found.tombstone).joined(carrier, join);
    else {
      this.gone();
      carrier.send(Uint8Array.of(GONE));
      carrier.close("finish");
    }
  }
}

/** Gives an ended stream a shell again, for as long as a carrier is there. */
function revive(all: Resumables, tombstone: Tombstone): Resumable {
  const stream = new Resumable(all, Endpoint.revive(tombstone, all.limits));
  all.registry.insert(tombstone.identity, stream);
  return stream;
}
