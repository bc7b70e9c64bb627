import { describe, expect, it } from "vitest";
import { Budget } from "../../src/resume/budget.ts";
import { LIMITS } from "../../src/resume/limits.ts";
import { Receiver } from "../../src/resume/receiver.ts";
import { ack, filled } from "./end.ts";

const KIB = 1024;

class Reader {
  readonly budget: Budget;
  readonly receiver: Receiver;
  #taken = 0;
  #consumed = 0;

  constructor(budget = new Budget()) {
    this.budget = budget;
    this.receiver = new Receiver(LIMITS, budget);
  }

  receive(bytes: number): void {
    expect(this.receiver.payload(this.receiver.received, filled(bytes, 7), 0)).toBe(true);
  }

  /** Reads that many bytes, in whatever chunks they are; the room that the peer is told of at once, beyond what came. */
  consume(bytes: number): number | undefined {
    while (this.#taken < this.#consumed + bytes) this.#taken += this.receiver.read()?.length ?? Number.NaN;
    this.#consumed += bytes;
    this.receiver.consumed(bytes);
    return this.receiver.isDue ? this.room() : undefined;
  }

  /** What the peer is told, which is news to it. */
  room(): number {
    const told: number[] = [];
    this.receiver.tell(true, told);
    for (let room = 0; ; room += KIB) {
      if (ack(this.receiver.position, room).join() === told.join()) return room;
      if (room > 2 * LIMITS.windowMax) throw new Error(`${told} is no ACK of whole KiB`);
    }
  }
}

describe("a window", () => {
  it("is told in quarters", () => {
    const reader = new Reader();
    reader.receive(60 * KIB);
    expect(reader.consume(60 * KIB)).toBeUndefined();
    reader.receive(4 * KIB);
    expect(reader.consume(4 * KIB)).toBe(256 * KIB);
  });

  it("doubles when the sender reached the end of its room and nothing is left to read", () => {
    const reader = new Reader();
    reader.receive(256 * KIB);
    for (const quarter of [1, 2, 3]) expect(reader.consume(64 * KIB)).toBe(64 * quarter * KIB);
    expect(reader.consume(64 * KIB)).toBe(512 * KIB);
  });

  it("is no larger for a slow reader", () => {
    const reader = new Reader();
    reader.receive(256 * KIB);
    for (let i = 0; i < 100; i++) {
      expect(reader.consume(64 * KIB)).toBe(64 * KIB);
      reader.receive(64 * KIB);
    }
  });

  it.each([
    [new Budget(), 8 * 1024 * KIB],
    [new Budget(300 * KIB), 512 * KIB],
    [new Budget(0), 256 * KIB],
  ])("grows to its maximum and never beyond the budget %#", (budget, window) => {
    const { left } = budget;
    const reader = new Reader(budget);
    let room = 256 * KIB;
    for (let i = 0; i < 10; i++) {
      reader.receive(room);
      room = reader.consume(room) ?? 0;
    }
    expect(room).toBe(window);
    expect(budget.left).toBe(left - (window - 256 * KIB));
    reader.receiver.stop();
    expect(budget.left).toBe(left);
  });

  it("gives no more back than was taken to be read", () => {
    const reader = new Reader();
    reader.receive(10);
    reader.receiver.consumed(Number.MAX_SAFE_INTEGER);
    reader.receive(100 * KIB - 10);
    expect(reader.consume(100 * KIB)).toBe(256 * KIB);
  });
});

describe("an acknowledgement", () => {
  it("is due 50 ms after the first new byte", () => {
    const { receiver } = new Reader();
    receiver.payload(0, filled(10, 7), 5);
    receiver.payload(10, filled(10, 7), 30);
    expect([receiver.isDue, receiver.deadline]).toEqual([false, 55]);
    receiver.tick(54);
    expect(receiver.isDue).toBe(false);
    receiver.tick(55);
    expect([receiver.isDue, receiver.deadline]).toEqual([true, undefined]);
  });

  it("is due at once after a quarter of the window, and after FIN", () => {
    const reader = new Reader();
    reader.receive(64 * KIB - 1);
    expect(reader.receiver.isDue).toBe(false);
    reader.receive(1);
    expect(reader.receiver.isDue).toBe(true);
    const other = new Reader();
    expect([other.receiver.fin(0), other.receiver.isDue, other.receiver.position]).toEqual([true, true, 1]);
  });

  it("that a carrier took which is not current settles nothing", () => {
    const { receiver } = new Reader();
    receiver.fin(0);
    receiver.tell(false, []);
    expect(receiver.isDue).toBe(true);
    receiver.tell(true, []);
    expect(receiver.isDue).toBe(false);
  });
});

describe("what comes", () => {
  it("threat_13_leaves no hole and goes neither beyond what was granted nor beyond the end", () => {
    const { receiver } = new Reader();
    expect([receiver.takes(1, 1), receiver.takes(0, 256 * KIB), receiver.takes(0, 256 * KIB + 1)]).toEqual([
      false,
      true,
      false,
    ]);
    receiver.payload(0, filled(5, 7), 0);
    expect([receiver.fin(4), receiver.fin(6), receiver.fin(5), receiver.fin(5)]).toEqual([
      undefined,
      undefined,
      true,
      false,
    ]);
    expect([receiver.payload(0, filled(5, 7), 0), receiver.payload(5, filled(1, 7), 0)]).toEqual([false, undefined]);
  });

  it("is skipped where it came before", () => {
    const { receiver } = new Reader();
    expect(receiver.payload(0, Uint8Array.of(0, 1, 2), 0)).toBe(true);
    expect(receiver.payload(1, Uint8Array.of(1, 2), 0)).toBe(false);
    expect(receiver.payload(1, Uint8Array.of(1, 2, 3, 4), 0)).toBe(true);
    const all: number[] = [];
    for (let chunk = receiver.read(); chunk; chunk = receiver.read()) all.push(...chunk);
    expect(all).toEqual([0, 1, 2, 3, 4]);
  });

  it("is kept as given if it is long", () => {
    const { receiver } = new Reader();
    const long = filled(257, 7);
    receiver.payload(0, long, 0);
    expect(receiver.read()?.buffer).toBe(long.buffer);
  });

  it("threat_13_bytes_that_come_one_by_one_cost_no_chunk_each_and_hold_on_to_nothing", () => {
    const { receiver } = new Reader();
    for (let i = 0; i < 100_000; i++) receiver.payload(i, Uint8Array.of(i), 0);
    let [chunks, bytes] = [0, 0];
    for (let chunk = receiver.read(); chunk; chunk = receiver.read()) {
      chunks++;
      for (const byte of chunk) if (byte !== (bytes++ & 0xff)) expect.fail("not what came");
    }
    expect(bytes).toBe(100_000);
    expect(chunks).toBeLessThan(1000);
    // Who reads at once has the message itself; behind an unread one a short one holds on to none.
    const message = new ArrayBuffer(65_536);
    receiver.payload(100_000, new Uint8Array(message, 0, 256), 0);
    expect(receiver.read()?.buffer).toBe(message);
    receiver.payload(100_256, new Uint8Array(message, 0, 256), 0);
    receiver.payload(100_512, new Uint8Array(message, 0, 256), 0);
    expect([receiver.read(), receiver.read()].map((chunk) => chunk?.buffer === message)).toEqual([true, false]);
  });

  it("short and long chunks come out in their order, also while they are read", () => {
    const { receiver } = new Reader();
    let [written, read] = [0, 0];
    for (let round = 0; round < 400; round++) {
      const length = [1, 255, 300, 2, 256, 257][round % 6] ?? 0;
      receiver.payload(
        written,
        Uint8Array.from({ length }, (_, i) => written + i),
        0,
      );
      written += length;
      if (round % 5 !== 4) continue;
      for (const byte of receiver.read() ?? []) if (byte !== (read++ & 0xff)) expect.fail("not what came");
    }
    for (let chunk = receiver.read(); chunk; chunk = receiver.read()) {
      for (const byte of chunk) if (byte !== (read++ & 0xff)) expect.fail("not what came");
    }
    expect(read).toBe(written);
  });

  it("stays readable when nothing more will come, and is no clean end when it was dropped", () => {
    const { receiver } = new Reader();
    receiver.payload(0, filled(5, 7), 0);
    receiver.fin(5);
    receiver.stop();
    expect([receiver.isReadable, receiver.isRead]).toEqual([true, false]);
    receiver.clear();
    expect([receiver.isReadable, receiver.isRead, receiver.read()]).toEqual([false, false, undefined]);
  });

  it("is nothing in a direction that was buried", () => {
    const receiver = Receiver.buried(LIMITS, new Budget(0), 6, 5);
    expect([receiver.received, receiver.position, receiver.isRead, receiver.fin(5), receiver.fin(6)]).toEqual([
      5,
      6,
      false,
      false,
      undefined,
    ]);
  });
});
