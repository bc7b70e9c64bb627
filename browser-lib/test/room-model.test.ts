import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { type JoinedRoom, Room } from "../src/room/index.ts";
import { holdClock } from "./clock.ts";
import { dial, type FarStream, type Peer, settle } from "./peer.ts";
import { heard, PATH, SECRET, tells } from "./room-peer.ts";

holdClock();

/** What the proxy keeps for a member that is behind, in this model. */
const KEPT = 4;

/** A seat as the proxy has it. */
interface Seat {
  readonly id: string;
  readonly number: number;
  /** Counted records of the member's that came. */
  got: number;
  /** Counted records for it: all that there were, and how many of the oldest are not kept any more. */
  readonly told: Uint8Array[];
  dropped: number;
  far: FarStream | undefined;
}

/** A room in the proxy: what PROTOCOL.md, section 14 says of seats, and nothing else. */
class ModelRoom {
  readonly #seats = new Map<string, Seat>();
  /** How many records of each stream were taken. */
  readonly #taken = new Map<FarStream, number>();
  readonly #dead = new Set<Peer>();
  readonly #owners = new Map<FarStream, Seat>();

  attach(peer: Peer): void {
    const look = (far: FarStream) => {
      if (this.#dead.has(peer)) return;
      if (far.first?.path === "/session" && !this.#taken.has(far)) {
        this.#taken.set(far, 0);
        far.frame({});
      } else if (far.first?.path === PATH) this.#look(far);
    };
    peer.onData = look;
    for (const far of peer.streams) look(far);
  }

  /** The connection ends: what is on its way is gone. */
  cut(peer: Peer): void {
    this.#dead.add(peer);
    for (const seat of this.#seats.values()) if (seat.far && peer.streams.includes(seat.far)) seat.far = undefined;
    peer.cut();
  }

  /** Acknowledges what came of everybody who is there. */
  acknowledge(): void {
    for (const { far, got } of this.#seats.values()) far?.send(tells.got(got));
  }

  #look(far: FarStream): void {
    if (!this.#taken.has(far)) this.#join(far);
    const seat = this.#owners.get(far);
    const records = heard(far).slice(this.#taken.get(far));
    for (const record of records) {
      this.#taken.set(far, (this.#taken.get(far) ?? 0) + 1);
      if (!seat || seat.far !== far) continue;
      if (typeof record.got === "number") seat.dropped = Math.max(seat.dropped, record.got);
      else {
        seat.got++;
        if (record.event === "n") this.#tellOthers(seat, tells.event(seat.number, "n", ...(record.args as unknown[])));
      }
    }
  }

  #join(far: FarStream): void {
    this.#taken.set(far, 0);
    const { seat: shown } = (far.first?.room ?? {}) as { seat?: { id: string; got: number } };
    const number = this.#seats.size + 1;
    const fresh: Seat = { id: `id-${number}`, number, got: 0, told: [], dropped: 0, far };
    const seat = (shown && this.#seats.get(shown.id)) || fresh;
    this.#seats.set(seat.id, seat);
    this.#owners.set(far, seat);
    seat.far = far;
    const resumed = shown !== undefined;
    const received = shown?.got ?? 0;
    const lost = Math.max(0, seat.dropped - received);
    const members = received > 0 && lost === 0 ? [] : [...this.#seats.values()];
    const room = { secret: SECRET, resumed, got: seat.got, lost, members: members.length, event_bytes_max: 1 << 20 };
    far.frame({ id: seat.id, room });
    for (const { number, id } of members) far.send(tells.member(number, { id }));
    for (const record of seat.told.slice(received + lost)) far.send(record);
    if (!resumed) this.#tellOthers(seat, tells.joined(seat.number, { id: seat.id }));
  }

  #tellOthers(from: Seat, record: Uint8Array): void {
    for (const seat of this.#seats.values()) {
      if (seat === from) continue;
      seat.told.push(record);
      seat.far?.send(record);
      if (!seat.far) seat.dropped = Math.max(seat.dropped, seat.told.length - KEPT);
    }
  }
}

/** A page that is in the room, and what it heard: numbers, and how many are missing in front of one. */
class Page {
  readonly room: JoinedRoom;
  readonly heard: number[] = [];
  lost = 0;
  sent = 0;
  readonly #dialed = dial();
  readonly #model: ModelRoom;
  #attached = 0;

  constructor(model: ModelRoom) {
    this.#model = model;
    this.room = Room(this.#dialed.mdm).join("NAME");
    this.room.on("n", (_, n: number) => this.heard.push(n));
    this.room.on("lost", (count) => {
      this.lost += count ?? Number.NaN;
    });
    this.attach();
  }

  /** Whatever was dialed meanwhile reaches the model. */
  attach(): void {
    for (const { peer } of this.#dialed.dials.slice(this.#attached)) this.#model.attach(peer);
    this.#attached = this.#dialed.dials.length;
  }

  emit(): void {
    this.room.emit("n", this.sent++);
  }

  cut(): void {
    const peer = this.#dialed.dials.at(-1)?.peer;
    if (peer) this.#model.cut(peer);
  }

  close(): void {
    this.#dialed.mdm.close();
  }
}

type Step = { do: "emit" | "cut"; who: 0 | 1; times: number } | { do: "turn" | "settle" | "time" | "acknowledge" };

const who = fc.constantFrom<0 | 1>(0, 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("emit" as const), who, times: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cut" as const), who, times: fc.constant(1) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("turn" as const, "settle" as const, "time" as const, "acknowledge" as const),
    }),
  },
);

it("whatever is cut, each of two members hears what the other emitted in order, once, and is told how much is lost", async () => {
  let cuts = 0;
  let lost = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const model = new ModelRoom();
      const pages = [new Page(model), new Page(model)] as const;
      const rest = async (turns = 1) => {
        for (let turn = 0; turn < turns; turn++) {
          await settle();
          for (const page of pages) page.attach();
        }
      };
      await rest(3);
      for (const step of steps) {
        if (step.do === "emit") for (let n = 0; n < step.times; n++) pages[step.who].emit();
        else if (step.do === "cut") {
          pages[step.who].cut();
          cuts++;
        } else if (step.do === "acknowledge") model.acknowledge();
        else if (step.do === "time") await vi.advanceTimersByTimeAsync(500);
        if (step.do === "settle") await rest();
        if (step.do === "turn") await new Promise((resolve) => setImmediate(resolve));
        for (const page of pages) page.attach();
      }
      // A connection that was cut before it was proven is followed later.
      for (let round = 0; round < 3; round++) {
        await vi.advanceTimersByTimeAsync(5000);
        await rest(3);
      }
      for (const [at, page] of pages.entries()) {
        const other = pages[1 - at] as Page;
        expect(page.room.live).toBe(true);
        expect(page.heard.length + page.lost).toBe(other.sent);
        expect(page.heard).toEqual([...new Set(page.heard)].sort((a, b) => a - b));
        if (page.lost === 0) expect(page.heard).toEqual(Array.from({ length: other.sent }, (_, n) => n));
        lost += page.lost;
      }
      for (const page of pages) page.close();
    }),
    { numRuns: 150, seed: 9 },
  );
  // It did see what it is about.
  expect([cuts > 100, lost > 100]).toEqual([true, true]);
}, 60_000);
