// The rows of the admin page as they are told: what a table is after that, and at what rate bytes go over each row.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EMPTY, merge, settle, type Table } from "../../../proxy/admin/table.ts";
import { keyOf, type Row, type Update } from "../../../proxy/admin/wire.ts";

const update = (more: Partial<Update>): Update => ({ table: "streams", reset: false, rows: [], gone: [], ...more });
const told = (table: Table, more: Partial<Update>, now = 1000, seconds = 1) =>
  merge(table, update(more), { now, seconds });
const stream = (id: string, received = 0, sent = 0): Row => ({ id, received, sent });
const rateOf = (table: Table, key: string) => table.rows.get(key)?.rate;

describe("rows", () => {
  test("come, change and go, and the table before stays as it was", () => {
    const first = told(EMPTY, { reset: true, rows: [stream("a", 1), stream("b", 2)] });
    const second = told(first, { rows: [stream("b", 3), stream("c", 4)], gone: ["a"] });
    expect([...first.rows.keys()]).toEqual(["a", "b"]);
    expect([...second.rows.values()].map(({ id, received }) => [id, received])).toEqual([
      ["b", 3],
      ["c", 4],
    ]);
    expect(EMPTY.rows.size).toBe(0);
  });

  test("that are told in parts are all there: only the first part begins anew", () => {
    const first = told(EMPTY, { reset: true, rows: [stream("old")] });
    const parts = told(told(first, { reset: true, rows: [stream("a")] }), { rows: [stream("b")] });
    expect([...parts.rows.keys()]).toEqual(["a", "b"]);
    expect(parts.isTold).toBe(true);
  });

  test("that come before the table was told are not all there is", () => {
    expect(told(EMPTY, { rows: [stream("a")] }).isTold).toBe(false);
  });

  test("are found by key, id or name", () => {
    expect([{ key: "/a/b", name: "b" }, { id: "1", name: "x" }, { name: "room" }].map(keyOf)).toEqual([
      "/a/b",
      "1",
      "room",
    ]);
  });

  test("whatever is told in whatever order is what a plain map holds", () => {
    const key = fc.constantFrom("a", "b", "c", "d");
    const step = fc.record({ reset: fc.boolean(), set: fc.array(key), gone: fc.array(key) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const model = new Map<string, number>();
        let table = EMPTY;
        for (const [n, { reset, set, gone }] of steps.entries()) {
          if (reset) model.clear();
          for (const id of set) model.set(id, n);
          for (const id of gone) model.delete(id);
          table = told(table, { reset, rows: set.map((id) => stream(id, n)), gone });
        }
        expect(new Map([...table.rows].map(([id, row]) => [id, row.received]))).toEqual(model);
      }),
    );
  });
});

describe("a row's rate", () => {
  test("is what went over it since the tick before, both ways", () => {
    const first = told(EMPTY, { reset: true, rows: [stream("a", 1000, 500)] });
    expect(rateOf(first, "a")).toBe(0);
    expect(rateOf(told(first, { rows: [stream("a", 3000, 1500)] }, 3000, 2), "a")).toBe(1500);
  });

  test("is zero again when a second told nothing of it", () => {
    const first = told(EMPTY, { reset: true, rows: [stream("a"), stream("b")] }, 1000);
    const second = told(first, { rows: [stream("a", 10), stream("b", 10)] }, 2000);
    const third = told(settle(second, 2000), { rows: [stream("a", 20)] }, 3000);
    expect([rateOf(third, "a"), rateOf(third, "b")]).toEqual([10, 10]);
    const fourth = settle(third, 3000);
    expect([rateOf(fourth, "a"), rateOf(fourth, "b")]).toEqual([10, 0]);
    expect(settle(fourth, 3000)).toBe(fourth);
  });

  test("is not made of what was told long ago, before the table was told again", () => {
    const first = told(EMPTY, { reset: true, rows: [stream("a")] });
    expect(rateOf(told(first, { reset: true, rows: [stream("a", 9000)] }, 60_000), "a")).toBe(0);
  });

  test("is never negative, and nothing for rows that count no bytes", () => {
    const first = told(EMPTY, { reset: true, rows: [stream("a", 1000), { name: "lobby" }] });
    const second = told(first, { rows: [stream("a", 5), { name: "lobby" }] });
    expect([rateOf(second, "a"), rateOf(second, "lobby")]).toEqual([0, undefined]);
  });
});
