// What is given away a second, in turns, and not at all where it must not be.

import { afterEach, describe, expect, it, vi } from "vitest";
import { Policy } from "../../src/swarm/policy.ts";
import { SLICE, Uplink } from "../../src/swarm/uplink.ts";
import { holdClock } from "../clock.ts";

holdClock();
afterEach(() => void vi.unstubAllGlobals());

const RATE = 160 * 1024;

/** Takes slices for somebody, and notes each. */
async function take(uplink: Uplink, who: string, count: number, got: string[]): Promise<void> {
  for (let slice = 0; slice < count; slice++) {
    await uplink.take(SLICE);
    got.push(who);
  }
}

describe("the bucket", () => {
  it("gives as much as is allowed in a second, and no more", async () => {
    const uplink = new Uplink(RATE);
    const got: string[] = [];
    void take(uplink, "a", 100, got);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(got.length).toBeGreaterThanOrEqual(49);
    expect(got.length).toBeLessThanOrEqual(51);
  });

  it("gives to each in turn", async () => {
    const uplink = new Uplink(RATE);
    const got: string[] = [];
    for (const who of ["a", "b", "c"]) void take(uplink, who, 10, got);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(got.slice(0, 9).join("")).toBe("abcabcabc");
  });

  it("makes nobody wait where there is no limit", () => {
    expect(new Uplink(Number.POSITIVE_INFINITY).take(SLICE)).toBeUndefined();
  });

  it("promises what it can send within two seconds, and one piece at least", () => {
    const uplink = new Uplink(RATE);
    expect([uplink.promise(256 * 1024), uplink.promise(256 * 1024)]).toEqual([true, false]);
    uplink.settle(256 * 1024);
    expect(uplink.promise(256 * 1024)).toBe(true);
    expect(new Uplink(0).promise(1)).toBe(false);
  });

  it("goes on at another rate as soon as that is set", async () => {
    const uplink = new Uplink(0);
    const got: string[] = [];
    void take(uplink, "a", 100, got);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(got).toEqual([]);
    uplink.rate = RATE;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(got.length).toBeGreaterThanOrEqual(9);
  });
});

describe("what may be given", () => {
  /** A page and its network. */
  function page(fields: { hidden?: boolean; saveData?: boolean; type?: string } = {}) {
    const document = Object.assign(new EventTarget(), { hidden: fields.hidden ?? false });
    const connection = Object.assign(new EventTarget(), { saveData: fields.saveData ?? false, type: fields.type });
    vi.stubGlobal("document", document);
    vi.stubGlobal("navigator", { connection });
    return { document, connection };
  }

  it.each([
    ["a page that is seen gives all", {}, "none", RATE, true],
    ["a hidden page gives half, and tells of no new contents", { hidden: true }, "hidden", RATE / 2, false],
    ["a device that saves data gives nothing", { saveData: true }, "saves-data", 0, false],
    ["a phone on its own network gives nothing", { type: "cellular" }, "cellular", 0, false],
  ])("%s", (_, fields, reserve, rate, announces) => {
    page(fields);
    const policy = new Policy(true, RATE, () => {});
    expect([policy.reserve, policy.rate, policy.announces]).toEqual([reserve, rate, announces]);
  });

  it("a swarm that does not serve gives nothing", () => {
    page();
    expect([new Policy(false, RATE, () => {}).gives, new Policy(true, 0, () => {}).gives]).toEqual([false, false]);
  });

  it("each change is told, until it is closed", () => {
    const { document, connection } = page();
    const changed = vi.fn();
    const policy = new Policy(true, RATE, changed);
    document.dispatchEvent(new Event("visibilitychange"));
    connection.dispatchEvent(new Event("change"));
    policy.close();
    connection.dispatchEvent(new Event("change"));
    expect(changed).toHaveBeenCalledTimes(2);
  });
});
