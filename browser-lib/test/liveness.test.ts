import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Drain } from "../src/drain.ts";
import { LIBRARY_LIVENESS, Liveness } from "../src/mux/liveness.ts";

const SECOND = 1000;

describe("liveness", () => {
  it("asks after 50 s of silence and gives up 10 s later", () => {
    const liveness = new Liveness(LIBRARY_LIVENESS, 0);
    const verdicts = [10, 20, 30, 40, 50, 60].map((at) => liveness.tick(at * SECOND));
    expect(verdicts).toEqual([undefined, undefined, undefined, undefined, 0, "dead"]);
  });

  it("a ping that nobody answers for 10 s is the end", () => {
    const liveness = new Liveness(LIBRARY_LIVENESS, 0);
    liveness.ping(5 * SECOND);
    expect(liveness.tick(10 * SECOND)).toBeUndefined();
    expect(liveness.tick(15 * SECOND)).toBe("dead");
  });

  it("on a slow line any byte is an answer", () => {
    const liveness = new Liveness(LIBRARY_LIVENESS, 0);
    liveness.ping(0);
    for (let at = 8; at < 100; at += 8) {
      liveness.heard(at * SECOND);
      expect(liveness.tick(at * SECOND + 1)).toBeUndefined();
    }
    expect(liveness.pong(0, 100 * SECOND)).toBe(true);
    expect(liveness.rtt).toBe(100 * SECOND);
  });

  it("threat_27_after_a_sleep_it_asks_once_more", () => {
    const liveness = new Liveness(LIBRARY_LIVENESS, 0);
    liveness.ping(0);
    expect(liveness.tick(3600 * SECOND)).toBe(1);
    expect(liveness.tick(3610 * SECOND)).toBe("dead");
    const throttled = new Liveness(LIBRARY_LIVENESS, 0);
    expect([60, 120, 180].map((at) => throttled.tick(at * SECOND))).toEqual([0, 1, "dead"]);
  });

  it("a stranger's pong is none", () => {
    const liveness = new Liveness(LIBRARY_LIVENESS, 0);
    liveness.ping(0);
    expect(liveness.pong(7, 1)).toBe(false);
  });
});

describe("drain", () => {
  /** Sends until a ping is due, which comes back after `time`. */
  function round(drain: Drain, token: number, time: number): number {
    while (!drain.add(64 * 1024)) {}
    drain.mark(token, 0);
    drain.pong(token, time);
    return drain.allowance;
  }

  it("doubles while pings are as fast as ever, up to 4 MiB, and halves when they are not", () => {
    const drain = new Drain();
    const times = [10, 10, 19, 10, 10, 20, 40, 40, 40, 40];
    const MIB = 1024 * 1024;
    expect(times.map((time, token) => round(drain, token, time) / MIB)).toEqual([
      0.5, 1, 2, 4, 4, 2, 1, 0.5, 0.25, 0.25,
    ]);
  });

  it("a page that is busy for good is not held to what its pings took when it was idle", () => {
    const drain = new Drain();
    round(drain, 0, 1);
    for (let token = 1; token < 9; token++) round(drain, token, 20);
    expect(round(drain, 9, 20)).toBeGreaterThan(256 * 1024);
  });

  it("a ping that waited for less than anybody notices is as fast as any", () => {
    const drain = new Drain();
    for (let token = 0; token < 8; token++) round(drain, token, 1);
    expect(round(drain, 8, 15)).toBe(4 * 1024 * 1024);
    expect(round(drain, 9, 16)).toBe(2 * 1024 * 1024);
  });

  it("asks four times in an allowance, eight times on a long way, and every 64 KiB at most", () => {
    /** Where it asks until the allowance ends; the pongs then take `time`. */
    const asked = (drain: Drain, time: number) => {
      const at: number[] = [];
      const before = drain.sent;
      while (drain.isOpen) {
        if (!drain.add(32 * 1024)) continue;
        at.push((drain.sent - before) / 1024);
        drain.mark(at.length, 0);
      }
      for (const token of at.keys()) drain.pong(token + 1, time);
      return at;
    };
    const [near, far] = [new Drain(), new Drain()];
    expect(asked(near, 1)).toEqual([64, 128, 192, 256]);
    expect(asked(near, 1)).toEqual([1024, 2048, 3072, 4096]);
    expect(asked(far, 100)).toEqual([64, 128, 192, 256]);
    expect(asked(far, 100)).toEqual([512, 1024, 1536, 2048, 2560, 3072, 3584, 4096]);
  });

  it("never stands without a ping that opens it, whatever the pings take", () => {
    const step = fc.oneof(
      fc.record({ send: fc.integer({ min: 12, max: 65_536 }), times: fc.integer({ min: 1, max: 99 }) }),
      fc.record({ pong: fc.integer({ min: 1, max: 200 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const drain = new Drain();
        const asked: number[] = [];
        let next = 0;
        const ask = () => {
          asked.push(next);
          drain.mark(next++, 0);
          drain.add(12);
        };
        for (const step of steps) {
          for (let i = 0; "send" in step && i < step.times && drain.isOpen; i++) if (drain.add(step.send)) ask();
          const token = "pong" in step ? asked.shift() : undefined;
          if ("pong" in step && token !== undefined) {
            drain.pong(token, step.pong);
            if (drain.isPingDue) ask();
          }
          if (!drain.isOpen) expect(asked.length).toBeGreaterThan(0);
        }
      }),
    );
  });

  it("is open until the allowance is under way", () => {
    const drain = new Drain();
    expect(drain.isOpen).toBe(true);
    expect(drain.add(256 * 1024)).toBe(true);
    drain.mark(0, 0);
    expect(drain.isOpen).toBe(false);
    drain.pong(1, 5);
    expect(drain.isOpen).toBe(false);
    drain.pong(0, 5);
    expect(drain.isOpen).toBe(true);
  });
});
