// The two ends of one stream with everything that a shell does for them, on a clock that only moves when told.

import { ok as check, fail } from "node:assert/strict";
import { Budget } from "../../src/resume/budget.ts";
import type { Kind } from "../../src/resume/carrier.ts";
import type { Action } from "../../src/resume/course.ts";
import { Endpoint } from "../../src/resume/endpoint.ts";
import { LIMITS, type Limits } from "../../src/resume/limits.ts";
import { Newcomer, Unproven } from "../../src/resume/newcomer.ts";
import type { Outcome } from "../../src/resume/outcome.ts";
import type { Identity, MacRequest, Macs } from "../../src/resume/proof.ts";
import { GONE, type Reason } from "../../src/resume/record.ts";
import { Registry } from "../../src/resume/registry.ts";
import { across, type Both, CLIENT, type Item, Network, SERVER, SIDES, type Side } from "./network.ts";
import { Witness } from "./witness.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Small windows, so that their ends are met often; the times are real. No more stands behind an open than the first window takes. */
export const SMALL: Limits = {
  ...LIMITS,
  windowMin: 128,
  windowMax: 512,
  replayMin: 64,
  replay: 128,
  replayMax: 512,
  ackBytes: 32,
};
/** DATA that may lie queued in a carrier. */
const QUEUE_MAX = 200;
const IDENTITY: Identity = { id: new Uint8Array(16).fill(7), secret: new Uint8Array(32).fill(9), name: "NAME" };
/** How long the client waits for the reply to its open: one that then is still on its way finds a server that remembers. */
export const PATIENCE = 100_000;

/** What an application did and saw. */
export class App {
  written = 0;
  finished = false;
  read = 0;
  consumed = 0;
  outcome: Outcome | undefined;
  current: number | undefined;
  /** When another carrier was last taken while the one before lived. */
  chosen = -Infinity;
  /** How often its end moved to another carrier before it was buried. */
  moves = 0;
}

export class World {
  now = 0;
  readonly ends: Both<Endpoint | undefined>;
  readonly apps: Both<App> = [new App(), new App()];
  readonly budgets: Both<Budget> = [new Budget(), new Budget()];
  readonly network: Network;
  readonly witness = new Witness(this);
  registry = new Registry<Endpoint>(SMALL);
  unproven = new Unproven();
  readonly macs: { readonly side: Side; readonly request: MacRequest }[] = [];
  /** Carriers can be opened. */
  isUp = true;
  /** Streams that the server's application was told of. */
  accepted = 0;
  births = 0;

  constructor(random: () => number) {
    const terms = { identity: IDENTITY, limits: SMALL, budget: this.budgets[CLIENT] };
    this.ends = [Endpoint.connect(terms, PATIENCE, random, this.now), undefined];
    this.network = new Network((side, link, said) => this.witness.hears(side, link, said));
  }

  get client(): Endpoint {
    return this.ends[CLIENT] ?? fail("the client is there to the end");
  }

  get server(): Endpoint {
    return this.ends[SERVER] ?? fail("no server yet, or no more");
  }

  /** Does what one end wants done. */
  pump(side: Side): void {
    do {
      for (let action = this.ends[side]?.poll(); action; action = this.ends[side]?.poll()) this.#act(side, action);
    } while (this.#transmit(side));
    this.#observe(side);
  }

  join(kind: Kind): void {
    const nonce = new Uint8Array(16).fill(this.network.upcoming);
    const id = this.network.open(kind, undefined);
    this.client.join(id, kind, nonce, this.now);
  }

  write(side: Side, length: number): void {
    const [end, app] = [this.ends[side], this.apps[side]];
    if (!end) return;
    const expected = Math.min(end.writable, length);
    const bytes = Uint8Array.from({ length }, (_, i) => pattern(side, app.written + i));
    check(end.write(bytes) === expected, "takes what it said it would");
    // The writer may reuse its buffer.
    bytes.fill(0);
    app.written += expected;
    this.pump(side);
  }

  finish(side: Side): void {
    const end = this.ends[side];
    if (!end) return;
    end.finish();
    this.apps[side].finished ||= end.outcome === undefined;
    this.pump(side);
  }

  reset(side: Side): void {
    this.ends[side]?.reset({ code: "4001", message: "why" }, this.now);
    this.pump(side);
  }

  giveUp(side: Side): void {
    this.ends[side]?.giveUp(this.now);
    this.pump(side);
  }

  /** The server's state is gone, as when a new program owns its name. */
  forget(): void {
    const app = this.apps[SERVER];
    if (this.client.isReplied) app.outcome ??= { type: "lost", received: 0, base: 0 };
    else {
      // The open will be sent again: to the new owner it is a new stream.
      this.apps[SERVER] = new App();
      this.witness.forget(SERVER);
      this.accepted = 0;
    }
    this.ends[SERVER] = undefined;
    this.registry = new Registry(SMALL);
    this.unproven = new Unproven();
    this.budgets[SERVER] = new Budget();
    this.network.cutAll(true);
  }

  /** Reads at least so many bytes if they are there, and checks each; whether there were any. */
  read(side: Side, most: number): boolean {
    const [end, app, peer] = [this.ends[side], this.apps[side], this.apps[across(side)]];
    const start = app.read;
    while (end && app.read < start + most) {
      const chunk = end.read();
      if (!chunk) break;
      check(chunk.length > 0, "no chunk is empty");
      for (const byte of chunk) check(byte === pattern(across(side), app.read++), "not what was written");
    }
    check(app.read <= peer.written, "no more than was written");
    check(!end?.isRead || (peer.finished && app.read === peer.written), "a clean end is a whole one");
    return app.read > start;
  }

  consume(side: Side): void {
    const app = this.apps[side];
    this.ends[side]?.consumed(app.read - app.consumed);
    app.consumed = app.read;
    this.pump(side);
  }

  /** One item of a carrier arrives at a side; whether there was one. */
  deliver(id: number, side: Side, most: number): boolean {
    const hadOne = this.network.links.get(id)?.pipes[across(side)].length !== 0;
    const item = this.network.receive(id, side, most);
    if (!item) return hadOne;
    if (side === CLIENT) this.#clientReceives(id, item);
    else this.#serverReceives(id, item);
    this.pump(side);
    return true;
  }

  /** The shell of one side has the macs of a handshake. */
  answerMac(pick: number): boolean {
    const [asked] = this.macs.splice(pick % Math.max(1, this.macs.length), 1);
    if (!asked) return false;
    this.ends[asked.side]?.macs(asked.request.carrier, macs(asked.request), this.now);
    this.pump(asked.side);
    return true;
  }

  #act(side: Side, action: Action): void {
    if (action.type === "macs") this.macs.push({ side, request: action.request });
    else if (action.type === "close") this.network.close(action.carrier, side);
    else if (!this.isUp) this.client.unopened(this.now);
    else if (!action.birth) this.join("proxy");
    else {
      this.births++;
      const early = this.client.birth(this.network.upcoming, this.now);
      const length = early.reduce((sum, bytes) => sum + bytes.length, 0);
      const id = this.network.open("proxy", length);
      for (const bytes of early) this.network.send(id, CLIENT, { type: "bytes", bytes });
    }
  }

  #transmit(side: Side): boolean {
    const end = this.ends[side];
    let moved = false;
    for (const id of end?.ids ?? []) {
      const room = Math.max(0, QUEUE_MAX - this.network.queued(id, side));
      const isWanted = end?.wantsTransmit(id);
      const out = end?.transmit(id, room, this.now) ?? [];
      check(isWanted || out.length === 0, "puts nothing out without wanting to");
      const isLeft = end?.ids.includes(id) === false;
      check(out.length > 0 || !isWanted || room === 0 || isLeft, "puts out what it wants to");
      check(
        out.every(({ length }) => length > 0),
        "puts no empty chunk out",
      );
      for (const bytes of out) this.network.send(id, side, { type: "bytes", bytes });
      moved ||= out.length > 0;
    }
    return moved;
  }

  /** What an application sees. */
  #observe(side: Side): void {
    const [end, app] = [this.ends[side], this.apps[side]];
    if (!end) return;
    const { current, outcome } = end;
    if (current !== undefined && current !== app.current) {
      if (app.current !== undefined && end.ids.includes(app.current)) {
        check(this.now >= app.chosen + SMALL.choice, "moves by choice at most once a second");
        app.chosen = this.now;
      }
      app.current = current;
    }
    check(!app.outcome || isSameEnd(app.outcome, outcome), "an end is final");
    app.outcome ??= outcome;
    if (outcome) this.read(side, Infinity);
    if (side === SERVER) this.#bury(end);
  }

  #bury(end: Endpoint): void {
    const tombstone = end.tombstone();
    if (tombstone) this.registry.bury(tombstone);
    else if (end.isOver) this.registry.forget(IDENTITY.id);
    else return;
    this.apps[SERVER].moves += end.moves;
    this.ends[SERVER] = undefined;
  }

  #clientReceives(id: number, item: Item): void {
    const { client, now } = this;
    if (item.type === "bytes") client.arrived(id, item.bytes, now);
    else if (item.type === "reply") client.replied(id, SMALL.grace, now);
    else if (item.type === "refused" || item.type === "end") {
      if (item.type === "end") client.closed(id, now);
      else client.refused(id, item.reason, now);
      this.network.close(id, CLIENT);
    } else fail("only clients open");
  }

  #serverReceives(id: number, item: Item): void {
    if (item.type === "bytes") this.#serverReads(id, item.bytes);
    else if (item.type === "open") {
      if (item.birth === undefined) this.#admit(id);
      else this.#born(id, item.birth);
    } else if (item.type === "end") {
      this.ends[SERVER]?.closed(id, this.now);
      this.network.close(id, SERVER);
    } else fail("only servers reply");
  }

  #admit(id: number): void {
    const pass = this.unproven.admit(SMALL, () => {});
    const link = this.network.links.get(id);
    if (!pass) this.#refuse(id, { code: "busy", message: "" });
    else if (link) link.newcomer = { core: new Newcomer(pass, SMALL, this.now), pass };
  }

  #refuse(id: number, reason: Reason): void {
    this.network.send(id, SERVER, { type: "refused", reason });
    this.network.close(id, SERVER);
  }

  #born(id: number, early: number): void {
    const found = this.registry.birth(IDENTITY, early, this.now);
    if (found.type === "refused") return this.#refuse(id, found.reason);
    if (found.type === "nothing") {
      this.accepted++;
      const terms = { identity: IDENTITY, limits: SMALL, budget: this.budgets[SERVER] };
      this.#insert(Endpoint.accept(terms, SMALL.grace, this.now));
    } else if (found.type === "ended") this.#insert(Endpoint.revive(found.tombstone, SMALL));
    this.network.send(id, SERVER, { type: "reply" });
    this.server.born(id, early, this.now);
  }

  #insert(end: Endpoint): void {
    this.ends[SERVER] = end;
    this.registry.insert(IDENTITY, end);
  }

  #serverReads(id: number, bytes: Bytes): void {
    const link = this.network.links.get(id);
    const newcomer = link?.newcomer;
    if (!link || !newcomer) return this.ends[SERVER]?.arrived(id, bytes, this.now);
    const join = newcomer.core.received(bytes);
    if (!join) return;
    link.newcomer = undefined;
    const found = this.registry.join(join.stream, "NAME", this.now);
    if (found.type === "nothing" || found.type === "refused") {
      join.pass.free();
      this.network.send(id, SERVER, { type: "bytes", bytes: Uint8Array.of(GONE) });
      return this.network.close(id, SERVER);
    }
    if (found.type === "ended") this.#insert(Endpoint.revive(found.tombstone, SMALL));
    this.server.joined(id, link.kind, join, new Uint8Array(16).fill(id + 128), this.now);
  }

  /** When anything is due. */
  deadline(): number | undefined {
    const ends = this.ends.map((end) => end?.deadline());
    const newcomers = this.network.held.map(({ newcomer }) => newcomer?.core.deadline);
    const first = Math.min(...[...ends, ...newcomers].map((at) => at ?? Infinity));
    return first < Infinity ? first : undefined;
  }

  /** What is due is done. */
  tick(): void {
    for (const side of SIDES) {
      if ((this.ends[side]?.deadline() ?? Infinity) <= this.now) this.ends[side]?.tick(this.now);
      this.pump(side);
    }
    for (const { id, newcomer } of this.network.held) {
      if ((newcomer?.core.deadline ?? Infinity) <= this.now) this.network.close(id, SERVER);
    }
  }
}

/** The byte at `at` of what a side writes: any slip, swap or doubling shows. */
export function pattern(side: Side, at: number): number {
  return Math.imul(at ^ (side << 29), 0x9e3779b1) >>> 24;
}

/** A tombstone does not keep the peer's text. */
function isSameEnd(one: Outcome, other: Outcome | undefined): boolean {
  return one === other || (one.type === "reset" && !one.here && other?.type === "reset" && !other.here);
}

/** Macs of their question alone, as real ones are, but quick. */
function macs({ client, server }: MacRequest): Macs {
  const mac = (label: number) => Uint8Array.from([label, ...client.subarray(0, 15), ...server.subarray(0, 16)]);
  return { server: mac(1), client: mac(2) };
}
