// Judges every record as a side puts it out: it may only say what is true, and only what it may say on that carrier.

import { ok as check } from "node:assert/strict";
import type { Payload } from "../../src/resume/decoder.ts";
import type { Endpoint } from "../../src/resume/endpoint.ts";
import { ACK, DATA, DONE, type Fact, FIN, GONE, JOIN, PROOF, PROVE } from "../../src/resume/record.ts";
import { across, type Both, CLIENT, type Link, type Side } from "./network.ts";
import { pattern, SMALL, type World } from "./world.ts";

export class Witness {
  /** Bytes of DATA that a side put out, early ones included. */
  readonly data: Both<number> = [0, 0];
  /** The highest position that it put out. */
  readonly furthest: Both<number> = [0, 0];
  /** The highest `received + room` that it told. */
  readonly told: Both<number> = [SMALL.windowMin, SMALL.windowMin];
  /** The highest position that it acknowledged, and since when it holds more than that. */
  readonly #acknowledged: Both<number> = [0, 0];
  readonly #since: Both<number | undefined> = [undefined, undefined];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** A new end stands in the place of the one that a side was. */
  forget(side: Side): void {
    this.data[side] = this.furthest[side] = this.#acknowledged[side] = 0;
    this.told[side] = SMALL.windowMin;
  }

  hears(side: Side, link: Link, said: Fact | Payload): void {
    const [end, app] = [this.#world.ends[side], this.#world.apps[side]];
    this.#inTurn(side, link, said.type);
    switch (said.type) {
      case 0:
        check(
          said.bytes.every((byte, i) => byte === pattern(side, said.offset + i)),
          "says what was written",
        );
        this.data[side] += said.bytes.length;
        this.furthest[side] = Math.max(this.furthest[side], said.offset + said.bytes.length);
        break;
      case DATA:
        check(
          said.offset + said.length <= Math.min(app.written, this.told[across(side)]),
          "sends what there is room for",
        );
        break;
      case FIN:
        check(app.finished && said.total === app.written, "ends where its writer did");
        break;
      case ACK:
        this.#acknowledges(side, said.received, said.room);
        break;
      case DONE:
        check(end?.outcome, "is through only when it has ended");
        break;
      case GONE:
        check(!end || end.outcome?.type === "lost", "is gone only when lost");
    }
  }

  /** What a side must say by now, if it has a carrier to say it on. */
  checkPrompt(side: Side, end: Endpoint): void {
    const [app, { now }] = [this.#world.apps[side], this.#world];
    const silent = end.received - this.#acknowledged[side];
    this.#since[side] = silent > 0 ? (this.#since[side] ?? now) : undefined;
    check(silent < SMALL.ackBytes, "many bytes are acknowledged at once");
    check(now < (this.#since[side] ?? now) + SMALL.ackDelay || silent <= 0, "few bytes are acknowledged soon");
    check(!end.isRead || silent < 0, "the end of a direction is acknowledged at once");
    check(
      // Behind FIN no room is of use.
      silent < 0 || this.told[side] >= app.consumed + 0.75 * SMALL.windowMin,
      "room is told when there is much of it",
    );
  }

  /** It acknowledges what it holds, grants what it has room for, and takes nothing back. */
  #acknowledges(side: Side, received: number, room: number): void {
    const [end, app, peer] = [this.#world.ends[side], this.#world.apps[side], this.#world.apps[across(side)]];
    if (!end) return;
    check(received === end.received || (peer.finished && received === end.received + 1), "acknowledges what it holds");
    this.#acknowledged[side] = Math.max(this.#acknowledged[side], received);
    this.#since[side] = undefined;
    const told = received + room;
    if (!end.outcome) {
      check(told >= this.told[side], "takes no room back");
      check(told <= Math.max(app.read + SMALL.windowMax, received), "grants no more than it has");
    }
    this.told[side] = Math.max(this.told[side], told);
  }

  /** A carrier that joins: JOIN, then PROVE and ACK, then PROOF, then anything. */
  #inTurn(side: Side, { isBirth, said }: Link, type: number): void {
    const at = isBirth ? Infinity : said[side].length;
    if (side === CLIENT) {
      check(
        at < 2 ? type === [JOIN, PROOF][at] : type !== JOIN && type !== PROOF,
        "the client's handshake comes first, once",
      );
    } else if (type !== GONE) {
      check(at < 2 ? type === [PROVE, ACK][at] : type !== PROVE, "the server's handshake comes first, once");
      check(at < 2 || isBirth || said[CLIENT].includes(PROOF), "nothing is said to a stranger");
    }
  }
}
