import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "../../src/resume/budget.ts";
import { LIMITS } from "../../src/resume/limits.ts";
import { Replay } from "../../src/resume/replay.ts";
import { Sender } from "../../src/resume/sender.ts";
import { data, filled, fin } from "./end.ts";

const KIB = 1024;
const ALL = Number.POSITIVE_INFINITY;

function sender(budget = new Budget()): Sender {
  return new Sender(LIMITS, budget);
}

/** What leaves, joined. */
function sent(from: Sender, room = ALL): number[] {
  const [head, out]: [number[], Uint8Array<ArrayBuffer>[]] = [[], []];
  from.transmit(room, head, out);
  return [...out.flatMap((bytes) => [...bytes]), ...head];
}

describe("DATA", () => {
  it("stays below the limit, and FIN needs no room", () => {
    const one = sender();
    one.write(filled(300 * KIB, 7));
    const full = [0, 1, 2, 3].flatMap((i) => data(i * 64 * KIB, 64 * KIB));
    expect(sent(one)).toHaveLength(full.length);
    expect(one.wantsTransmit).toBe(false);
    one.acknowledged(0, 300 * KIB);
    expect(sent(one)).toHaveLength(data(256 * KIB, 44 * KIB).length);
    one.finished = true;
    one.acknowledged(300 * KIB, 0);
    expect(sent(one)).toEqual(fin(300 * KIB));
    expect(one.acknowledged(300 * KIB + 1, 0)).toBe(true);
    expect(one.isFinAcknowledged).toBe(true);
  });

  it("is no more than the carrier has room for, and FIN waits behind it", () => {
    const one = sender();
    one.write(filled(100, 7));
    one.finished = true;
    expect(sent(one, 60)).toEqual(data(0, 60));
    expect(sent(one, 0)).toEqual([]);
    expect(sent(one, 60)).toEqual([...data(60, 40), ...fin(100)]);
  });

  it("begins at what is acknowledged when another carrier is taken, and counts what goes twice", () => {
    const one = sender();
    one.write(filled(100, 7));
    sent(one);
    one.acknowledged(30, 1000);
    one.write(filled(10, 7));
    expect(one.resent).toBe(0);
    one.take();
    expect(sent(one)).toEqual(data(30, 80));
    expect(one.resent).toBe(70);
    one.acknowledged(110, 0);
    one.take();
    expect([sent(one), one.resent, one.isWaiting]).toEqual([[], 70, false]);
  });

  it("threat_13_is_never_acknowledged_before_it_went_out", () => {
    const one = sender();
    one.write(filled(100, 7));
    expect(one.acknowledged(1, 0)).toBeUndefined();
    sent(one, 60);
    expect([one.acknowledged(60, 0), one.acknowledged(61, 0), one.acknowledged(10, 5), one.base]).toEqual([
      true,
      undefined,
      false,
      60,
    ]);
  });

  it("that stands behind the open goes out once more with each", () => {
    const one = sender();
    one.write(filled(100, 7));
    expect(one.early(60).flatMap((bytes) => [...bytes])).toHaveLength(60);
    expect(one.resent).toBe(0);
    one.early(64);
    expect(one.resent).toBe(60);
    one.next = 64;
    expect(sent(one)).toEqual(data(64, 36));
    expect(one.resent).toBe(60);
  });
});

describe("the replay buffer", () => {
  it("holds a writer up", () => {
    const one = sender();
    expect([one.write(filled(2048 * KIB, 7)), one.writable]).toEqual([1024 * KIB, 0]);
    sent(one);
    one.acknowledged(256 * KIB, 0);
    expect(one.writable).toBe(256 * KIB);
    one.finished = true;
    expect([one.writable, one.write(filled(1, 7))]).toEqual([0, 0]);
  });

  it("grows with the peer's window and never over 8 MiB", () => {
    const one = sender();
    for (const [room, bound] of [
      [1024, 1024],
      [3000, 3000],
      [100, 3000],
      [2 ** 30, 8192],
    ] as const) {
      one.acknowledged(0, room * KIB);
      expect(one.writable).toBe(bound * KIB);
    }
  });

  it("is 256 KiB beyond the page's budget, and given back at the end", () => {
    const budget = new Budget(1024 * KIB);
    const first = sender(budget);
    expect([first.writable, budget.left]).toEqual([1024 * KIB, 1024 * KIB]);
    // What is not held takes nothing of it.
    first.write(new Uint8Array(256 * KIB));
    expect([first.writable, budget.left]).toEqual([768 * KIB, 1024 * KIB]);
    first.write(new Uint8Array(1));
    expect([first.writable, budget.left]).toEqual([768 * KIB - 1, 256 * KIB]);
    expect([sender(budget).writable, budget.left]).toEqual([256 * KIB, 256 * KIB]);
    first.early(1024 * KIB);
    first.acknowledged(256 * KIB + 1, 256 * KIB);
    expect([first.writable, budget.left]).toEqual([1024 * KIB, 1024 * KIB]);
    first.write(new Uint8Array(257 * KIB));
    first.clear();
    expect(budget.left).toBe(1024 * KIB);
  });

  it("threat_09_takes_nothing_of_the_budget_any_more_once_the_stream_ended", () => {
    const budget = new Budget();
    const { left } = budget;
    const one = sender(budget);
    one.clear();
    one.acknowledged(0, 8192 * KIB);
    expect(budget.left).toBe(left);
  });

  it("uses memory again while bytes are held, and holds none when none are", () => {
    const replay = new Replay(0);
    const memory = (offset: number): ArrayBufferLike | undefined => {
      const out: Uint8Array<ArrayBuffer>[] = [];
      replay.slices(offset, 1, out);
      return out[0]?.buffer;
    };
    const piece = new Uint8Array(64 * KIB);
    for (let i = 0; i < 3; i++) replay.push(piece);
    const first = memory(0);
    replay.release(64 * KIB);
    replay.push(piece);
    expect(memory(192 * KIB)).toBe(first);
    replay.release(256 * KIB);
    replay.push(piece);
    expect(memory(256 * KIB)).not.toBe(first);
  });

  it("has what lies between its ends, whatever was pushed and released", () => {
    const size = fc.oneof(
      fc.integer({ min: 1, max: 600 }),
      fc.constantFrom(1, 2, 3).map((n) => n * 32 * KIB + 1),
    );
    const step = fc.tuple(fc.boolean(), size);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(1000), (steps, offset) => {
        const replay = new Replay(offset);
        // Each byte says where it lies; blocks have no length of the same.
        const pattern = (from: number, count: number) => Uint8Array.from({ length: count }, (_, i) => (from + i) % 251);
        for (const [push, size] of steps) {
          if (push) replay.push(pattern(replay.end, size));
          else replay.release(replay.start + size);
          const length = replay.end - replay.start;
          for (const skip of [0, Math.floor(length / 3), length]) {
            const out: Uint8Array<ArrayBuffer>[] = [];
            replay.slices(replay.start + skip, length - skip, out);
            expect(Buffer.concat(out).equals(pattern(replay.start + skip, length - skip))).toBe(true);
          }
        }
      }),
      { seed: 1 },
    );
  });
});
