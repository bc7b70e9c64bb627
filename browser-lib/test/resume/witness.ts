// Judges every record as a side puts it out: it may only say what is true, and only what it may say on that carrier.

import { expect } from "vitest";
import type { Payload } from "../../src/resume/decoder.ts";
import { ACK, DATA, DONE, type Fact, FIN, GONE, JOIN, PROOF, PROVE } from "../../src/resume/record.ts";
import { across, type Both, CLIENT, type Link, SERVER, type Side } from "./network.ts";
import { pattern, SMALL, type World } from "./world.ts";

export class Witness {
  /** Bytes of DATA that a side put out, early ones included. */
  readonly data: Both<number> = [0, 0];
  /** The highest position that it put out. */
  readonly furthest: Both<number> = [0, 0];
  /** The highest `received + room` that it told. */
  readonly told: Both<number> = [SMALL.windowMin, SMALL.windowMin];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** A new end stands in the place of the one that a side was. */
  forget(side: Side): void {
    this.data[side] = this.furthest[side] = 0;
    this.told[side] = SMALL.windowMin;
  }

  hears(side: Side, link: Link, said: Fact | Payload): void {
    const [end, app] = [this.#world.ends[side], this.#world.apps[side]];
    this.#inTurn(side, link, said.type);
    switch (said.type) {
      case 0:
        for (const [i, byte] of said.bytes.entries()) expect(byte).toBe(pattern(side, said.offset + i));
        this.data[side] += said.bytes.length;
        this.furthest[side] = Math.max(this.furthest[side], said.offset + said.bytes.length);
        break;
      case DATA:
        expect(said.offset + said.length).toBeLessThanOrEqual(Math.min(app.written, this.told[across(side)]));
        break;
      case FIN:
        expect([said.total, true]).toEqual([app.written, app.finished]);
        break;
      case ACK:
        this.#acknowledges(side, said.received, said.room);
        break;
      case DONE:
        expect(end?.outcome).toBeDefined();
        break;
      case GONE:
        if (end) expect(end.outcome?.type).toBe("lost");
    }
  }

  /** It acknowledges what it holds, grants what it has room for, and takes nothing back. */
  #acknowledges(side: Side, received: number, room: number): void {
    const [end, app, peer] = [this.#world.ends[side], this.#world.apps[side], this.#world.apps[across(side)]];
    if (!end) return;
    expect(received - end.received).toBeOneOf(peer.finished ? [0, 1] : [0]);
    if (end.outcome) return;
    const told = received + room;
    expect(told).toBeGreaterThanOrEqual(this.told[side]);
    expect(told).toBeLessThanOrEqual(Math.max(app.read + SMALL.windowMax, received));
    this.told[side] = told;
  }

  /** A carrier that joins: JOIN, then PROVE and ACK, then PROOF, then anything. */
  #inTurn(side: Side, { isBirth, said }: Link, type: number): void {
    const at = isBirth ? Infinity : said[side].length;
    if (side === CLIENT && at < 2) expect(type).toBe([JOIN, PROOF][at]);
    else if (type === JOIN || type === PROOF) expect.fail("a handshake happens once");
    if (side === SERVER && type === GONE) return;
    if (side === SERVER && at < 2) expect(type).toBe([PROVE, ACK][at]);
    else if (side === SERVER && !isBirth) expect(said[CLIENT]).toContain(PROOF);
  }
}
