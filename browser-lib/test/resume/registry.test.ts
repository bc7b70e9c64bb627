import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/resume/limits.ts";
import { Newcomer, Unproven } from "../../src/resume/newcomer.ts";
import { type Found, Registry } from "../../src/resume/registry.ts";
import { filled, join, WHY } from "./end.ts";

const SECOND = 1000;

function identity(number: number, secret = 1, name = "NAME") {
  const id = filled(16, 0);
  new DataView(id.buffer).setUint32(0, number);
  return { id, secret: filled(32, secret), name };
}

function told<T>(found: Found<T>): string {
  return found.type === "refused" ? found.reason.code : found.type;
}

describe("a registry", () => {
  it("knows a stream once it was inserted, until it is forgotten", () => {
    const registry = new Registry<number>(LIMITS);
    const one = identity(1);
    expect(registry.birth(one, 0, 0)).toEqual({ type: "nothing" });
    registry.insert(one, 7);
    const known = { type: "known", handle: 7 };
    expect([registry.birth(one, 0, 0), registry.join(one.id, "NAME", 0), registry.join(one.id, undefined, 0)]).toEqual([
      known,
      known,
      known,
    ]);
    expect(registry.live).toEqual([7]);
    registry.forget(one.id);
    expect([told(registry.birth(one, 0, 0)), registry.live, registry.remembered]).toEqual(["nothing", [], 0]);
  });

  it("threat_33_a_known_id_with_another_secret_or_name_gets_nowhere", () => {
    const registry = new Registry<number>(LIMITS);
    registry.insert(identity(1), 7);
    expect(told(registry.birth(identity(1, 2), 0, 0))).toBe("forbidden");
    expect(told(registry.birth(identity(1, 1, "OTHER"), 0, 0))).toBe("forbidden");
    expect(told(registry.join(identity(1).id, "OTHER", 0))).toBe("nothing");
    expect(told(registry.join(identity(2).id, undefined, 0))).toBe("nothing");
    registry.refuse(identity(1), WHY, SECOND, 0);
    expect(told(registry.birth(identity(1, 2), 0, 0)), "of a stream that ended, too").toBe("forbidden");
  });

  it("refuses an open with too many early bytes", () => {
    const registry = new Registry<number>(LIMITS);
    expect(told(registry.birth(identity(1), 65_537, 0))).toBe("bad_request");
    expect(told(registry.birth(identity(1), 65_536, 0))).toBe("nothing");
  });

  it("repeats a refusal until the hold is over", () => {
    const registry = new Registry<number>(LIMITS);
    registry.refuse(identity(1), WHY, 120 * SECOND, 0);
    expect(told(registry.birth(identity(1), 0, 180 * SECOND - 1))).toBe("busy");
    expect(["known", "ended"]).not.toContain(told(registry.join(identity(1).id, undefined, 0)));
    expect(told(registry.birth(identity(1), 0, 180 * SECOND))).toBe("nothing");
    expect(registry.remembered).toBe(0);
  });

  it("lets the hold of one not wait for that of an older one", () => {
    const registry = new Registry<number>(LIMITS);
    registry.refuse(identity(1), WHY, 100 * SECOND, 0);
    registry.refuse(identity(2), WHY, SECOND, 0);
    expect(told(registry.birth(identity(2), 0, 61 * SECOND))).toBe("nothing");
    expect(told(registry.birth(identity(1), 0, 61 * SECOND))).toBe("busy");
  });

  it("says gone of a stream that was lost, and gives one that ended otherwise back once", () => {
    const registry = new Registry<number>(LIMITS);
    const grave = { received: 5, total: undefined, base: 3, hold: 10, expires: 10 };
    registry.insert(identity(1), 7);
    registry.bury({ ...grave, identity: identity(1), outcome: { type: "lost", received: 5, base: 3 } });
    expect([registry.live, registry.remembered]).toEqual([[], 1]);
    expect(told(registry.birth(identity(1), 0, 9))).toBe("gone");
    const tombstone = { ...grave, identity: identity(2), outcome: { type: "clean" } } as const;
    registry.bury(tombstone);
    expect(registry.join(identity(2).id, "NAME", 9)).toEqual({ type: "ended", tombstone });
    expect(registry.remembered).toBe(1);
  });

  it("threat_09_forgets_the_oldest_of_too_many_that_ended", () => {
    const registry = new Registry<number>({ ...LIMITS, tombstonesMax: 100 });
    for (let number = 0; number < 110; number++) registry.refuse(identity(number), WHY, SECOND, 0);
    expect(registry.remembered).toBe(100);
    expect([9, 10, 109].map((number) => told(registry.birth(identity(number), 0, 0)))).toEqual([
      "nothing",
      "busy",
      "busy",
    ]);
    expect(told(registry.birth(identity(500), 0, 61 * SECOND))).toBe("nothing");
    expect(registry.remembered).toBe(0);
  });
});

describe("a newcomer", () => {
  it("threat_09_a_session_has_64_of_them_and_gets_their_places_back_once", () => {
    const unproven = new Unproven();
    const closed: number[] = [];
    const admit = (which: number) => unproven.admit(LIMITS, () => closed.push(which));
    const passes = Array.from({ length: 64 }, (_, which) => admit(which) ?? expect.fail("too many"));
    passes[0]?.said();
    // One more takes the place of the oldest that has said nothing.
    const newest = admit(64) ?? expect.fail("too many");
    expect([closed, unproven.count]).toEqual([[1], 64]);
    for (const pass of [...passes, newest]) pass.said();
    expect([admit(65), closed]).toEqual([undefined, [1]]);
    passes[0]?.free();
    passes[0]?.free();
    expect(unproven.count).toBe(63);
    expect(admit(66)).toBeDefined();
    for (const pass of [...passes, newest]) pass.free();
    expect(unproven.count).toBe(1);
  });

  it("threat_33_says_join_first_or_is_closed", () => {
    const unproven = new Unproven();
    const newcomer = () => new Newcomer(unproven.admit(LIMITS, () => {}) ?? expect.fail("too many"), LIMITS, 5);
    for (const other of [[5], [6], [7, 1], [1, 0, 1, 9], [12]]) {
      expect(() => newcomer().received(Uint8Array.from(other)), `${other}`).toThrow();
    }
    expect(newcomer().deadline).toBe(5 + 10 * SECOND);
  });

  it("may say it in pieces, and what comes behind it waits", () => {
    const newcomer = new Newcomer(new Unproven().admit(LIMITS, () => {}) ?? expect.fail("too many"), LIMITS, 0);
    expect(newcomer.received(Uint8Array.from(join.slice(0, 10)))).toBeUndefined();
    const said = newcomer.received(Uint8Array.from([...join.slice(10), 6]));
    expect([said?.stream, said?.nonce, said?.decoder.rest]).toEqual([filled(16, 7), filled(16, 3), Uint8Array.of(6)]);
  });
});
