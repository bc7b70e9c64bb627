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
  /** Sends all that is allowed, and a ping behind it that comes back after `time`. */
  function round(drain: Drain, token: number, time: number): number {
    while (drain.isOpen) drain.add(64 * 1024);
    drain.mark(token, 0);
    drain.pong(token, time);
    return drain.allowance;
  }

  it("doubles while pings are as fast as ever, up to 4 MiB, and halves when they are not", () => {
    const drain = new Drain();
    const times = [100, 100, 199, 100, 100, 200, 400, 400, 400, 400];
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
    expect(round(drain, 8, 49)).toBe(4 * 1024 * 1024);
    expect(round(drain, 9, 50)).toBe(2 * 1024 * 1024);
  });

  it("changes once for all pings that were under way: they know nothing of the change", () => {
    const drain = new Drain();
    for (let token = 0; drain.isOpen; token++) {
      drain.add(64 * 1024);
      drain.mark(token, 0);
    }
    for (let token = 0; token < 4; token++) drain.pong(token, 10);
    expect(drain.allowance).toBe(512 * 1024);
  });

  /**
   * Sends for `seconds` over a line that passes `rate` bytes in a millisecond, with pongs that take `back` ms: how long what is sent waits at most, once
   * it has gone on for a while, and how much arrives in a millisecond.
   */
  function line(rate: number, back: number, seconds: number): { waits: number; arrives: number } {
    const drain = new Drain();
    const pongs: { token: number; at: number }[] = [];
    let [now, freeAt, token, sent, waits] = [0, 0, 0, 0, 0];
    const send = (bytes: number) => {
      sent += bytes;
      freeAt = Math.max(freeAt, now) + bytes / rate;
      if (now > 5 * SECOND) waits = Math.max(waits, freeAt - now);
      return drain.add(bytes);
    };
    const ask = () => {
      drain.mark(token, now);
      send(12);
      pongs.push({ token: token++, at: freeAt + back });
    };
    while (now < seconds * SECOND) {
      while (drain.isOpen) if (send(64 * 1024)) ask();
      const pong = pongs.shift();
      if (!pong) throw new Error("it stands");
      now = pong.at;
      drain.pong(pong.token, now);
      if (drain.isPingDue) ask();
    }
    return { waits, arrives: sent / now };
  }

  it("on a slow line no more piles up than it takes, for ever", () => {
    // 10 Mbit/s: 256 KiB take 210 ms.
    const { waits, arrives } = line(1250, 20, 120);
    expect(waits).toBeLessThan(300);
    expect(arrives / 1250).toBeGreaterThan(0.99);
  });

  it("on a fast line with a long way all of 4 MiB is under way", () => {
    const { arrives } = line(1_000_000, 100, 20);
    expect((arrives * 100) / (4 * 1024 * 1024)).toBeGreaterThan(0.9);
  });

  it("asks four times in an allowance, sixteen times on a long way, and every 64 KiB at most", () => {
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
    expect(asked(near, 1)).toEqual([128, 256, 384, 512]);
    expect(asked(far, 100)).toEqual([64, 128, 192, 256]);
    for (let doubled = 0; doubled < 3; doubled++) asked(far, 100);
    expect(asked(far, 100)).toEqual(Array.from({ length: 16 }, (_, index) => 256 * (index + 1)));
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
