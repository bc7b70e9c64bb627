// What the admin page shows of a table: which rows, in what order, and which of them are in sight.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { order, turn } from "../../../proxy/admin/order.ts";
import { move, pane, reveal } from "../../../proxy/admin/pane.ts";
import { size } from "../../../proxy/admin/quantity.ts";
import { readRoute, routeTo } from "../../../proxy/admin/route.ts";

const rows = [
  { id: "1", name: "beta", clients: 10, sub: null },
  { id: "2", name: "Alpha", clients: 9, sub: "ada" },
  { id: "3", name: "gamma ray", clients: 100 },
];
const ids = (search: string, field: string, isDescending = false) =>
  order(rows, search, ["name", "sub"], { field, isDescending }).map(({ id }) => id);

describe("order", () => {
  test("numbers as numbers, in either direction, and what is not there comes last", () => {
    expect(ids("", "clients")).toEqual(["2", "1", "3"]);
    expect(ids("", "clients", true)).toEqual(["3", "1", "2"]);
    expect(ids("", "sub")).toEqual(["2", "1", "3"]);
    expect(ids("", "sub", true)).toEqual(["2", "1", "3"]);
  });

  test("every word has to be somewhere, in any case", () => {
    expect(ids("ALPHA", "id")).toEqual(["2"]);
    expect(ids("ray gam", "id")).toEqual(["3"]);
    expect(ids("ada alpha", "id")).toEqual(["2"]);
    expect(ids("ada beta", "id")).toEqual([]);
    expect(ids("  ", "id")).toEqual(["1", "2", "3"]);
  });

  test("what is in quotes has to be all of a field, as it is written", () => {
    expect(ids('"gamma ray"', "id")).toEqual(["3"]);
    for (const other of ['"gamma"', '"alpha"', '"beta gamma"', '""']) expect(ids(other, "id"), other).toEqual([]);
    const odd = [{ name: 'say "hi"' }, { name: "hi" }];
    expect(order(odd, `"${odd[0]?.name}"`, ["name"], { field: "name", isDescending: false })).toEqual([odd[0]]);
  });

  test("10,000 rows are sorted by any field", () => {
    const many = Array.from({ length: 10_000 }, (_, n) => ({
      id: String((n * 7919) % 10_000),
      n: (n * 104_729) % 10_000,
    }));
    for (const field of ["id", "n"]) {
      const sorted = order(many, "", [], { field, isDescending: false });
      expect(sorted.length).toBe(10_000);
      expect(sorted[0]?.[field as "id"]).toBe(field === "id" ? "0" : 0);
    }
  });

  test("a heading turns the order, and a new one begins with the largest number or the first word", () => {
    const byName = turn({ field: "clients", isDescending: true }, "name", false);
    expect(byName).toEqual({ field: "name", isDescending: false });
    expect(turn(byName, "name", false).isDescending).toBe(true);
    expect(turn(byName, "clients", true)).toEqual({ field: "clients", isDescending: true });
  });
});

describe("pane", () => {
  test("has every row that is in sight, whatever is scrolled, and few more", () => {
    fc.assert(
      fc.property(fc.nat(400_000), fc.nat(2000), fc.nat(10_000), (scrolled, height, count) => {
        const { first, end } = pane(scrolled, height, 36, count);
        expect(first).toBeGreaterThanOrEqual(0);
        expect(end).toBeLessThanOrEqual(count);
        expect(end - first).toBeLessThanOrEqual(height / 36 + 18);
        for (const y of [scrolled, scrolled + height - 1]) {
          const at = Math.floor(y / 36);
          if (height > 0 && at < count) expect(first <= at && at < end).toBe(true);
        }
      }),
    );
  });

  test("keys move within the rows, and scroll only as far as is needed", () => {
    const to = (key: string, at: number) => move(key, at, 100, 20);
    expect([to("ArrowDown", -1), to("ArrowDown", 99), to("ArrowUp", 0), to("ArrowUp", 5)]).toEqual([0, 99, 0, 4]);
    expect([to("PageDown", 5), to("PageUp", 5), to("Home", 50), to("End", 0)]).toEqual([25, 0, 0, 99]);
    expect([to("a", 5), move("End", 0, 0, 20)]).toEqual([undefined, undefined]);
    expect([reveal(0, 500, 400, 36), reveal(20, 500, 400, 36), reveal(99, 500, 400, 36)]).toEqual([0, 500, 3200]);
  });
});

test("where one is survives the address, whatever the key, the search and the order are", () => {
  const sorts = fc.option(fc.record({ field: fc.constantFrom("name", "since_ms"), isDescending: fc.boolean() }), {
    nil: undefined,
  });
  fc.assert(
    fc.property(
      fc.constantFrom("names", "streams" as const),
      fc.string({ unit: "grapheme", minLength: 1 }),
      fc.string(),
      sorts,
      (view, key, search, sort) => {
        const read = readRoute(routeTo(view, key, search, sort));
        expect(read).toEqual({ view, key, search, sort });
      },
    ),
  );
  expect(readRoute("#/names?sort=a b").sort).toBeUndefined();
  expect(readRoute(routeTo("token")).view).toBe("token");
  expect(readRoute("#/nowhere/1").view).toBe("overview");
  expect(readRoute("#/names/%E0%A4%A").key).toBeUndefined();
});

test("sizes read as bss admin has them", () => {
  // `proxy/src/shell/admin/show.rs` has the same.
  const told = { 0: "0 B", 999: "999 B", 1000: "1.0 kB", 99949: "99.9 kB", 99950: "100 kB", 999500: "1.0 MB" };
  for (const [bytes, text] of Object.entries(told)) expect(size(Number(bytes))).toBe(text);
  expect(size(2 ** 30)).toBe("1.1 GB");
});
