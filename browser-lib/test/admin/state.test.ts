// What the admin page makes of the proxy's lines.

import { describe, expect, test } from "vitest";
import { NOTHING, newest, record, SECONDS } from "../../../proxy/admin/history.ts";
import { age, rate, size } from "../../../proxy/admin/quantity.ts";
import { forget, reduce, START } from "../../../proxy/admin/state.ts";
import { type Overview, readLine, readMe } from "../../../proxy/admin/wire.ts";

const line = (value: unknown) => readLine(JSON.stringify(value));
const overview = (now: number, received: number, more = {}): Overview =>
  line({ overview: { now_ms: now, received, sent: 0, sessions: 2, ...more } }).overview as Overview;

describe("lines", () => {
  test("of a newer proxy are passed over, and rows that are none", () => {
    expect(line({ weather: "fine" })).toEqual({});
    expect(line({ table: "planets", rows: [] })).toEqual({});
    expect(line({ table: "rooms", rows: [1, null, { name: "a" }], gone: [2, "b"] }).update).toEqual({
      table: "rooms",
      reset: false,
      rows: [{ name: "a" }],
      gone: ["b"],
    });
    expect(() => readLine("{")).toThrow(SyntaxError);
    expect(readMe(null)).toEqual({ mayAct: false, sub: undefined, version: "" });
    expect(readMe({ act: true, sub: "ada", version: "1.2.3" })).toEqual({ mayAct: true, sub: "ada", version: "1.2.3" });
  });

  test("of one of several nodes say which that is, and of how many", () => {
    expect(overview(5000, 0).node).toBeUndefined();
    expect(overview(5000, 0, { node: "0123abcd", nodes: { "4567.0": "a:1", "89ab.0": "b:1" } }).node).toBe(
      "0123abcd of 3",
    );
  });

  test("make rates of totals, over the time between two of them", () => {
    const stream = (received: number) => line({ table: "streams", rows: [{ id: "a", received, sent: 0 }] });
    const first = reduce(START, [line({ overview: { now_ms: 5000 } }), stream(0)]);
    const second = reduce(first, [line({ overview: { now_ms: 7000 } }), stream(4000)]);
    expect(second.tables.streams.rows.get("a")?.rate).toBe(2000);
    const third = reduce(second, [line({ overview: { now_ms: 8000 } }), line({ overview: { now_ms: 9000 } })]);
    expect(third.tables.streams.rows.get("a")?.rate).toBe(0);
    expect(third.now).toBe(9000);
  });

  test("of events are kept in order, the last thousand, also where two are the same", () => {
    const event = { at_ms: 1, kind: "session.began", text: "x" };
    const many = Array.from({ length: 700 }, (_, n) => ({ ...event, text: String(n) }));
    let state = reduce(START, [line({ table: "events", reset: true, rows: [event, event] })]);
    expect(state.tables.events.rows.size).toBe(2);
    state = reduce(state, [line({ table: "events", rows: many }), line({ table: "events", rows: many })]);
    const rows = [...state.tables.events.rows.values()];
    expect(rows.length).toBe(1000);
    expect([rows[0]?.text, rows.at(-1)?.text]).toEqual(["400", "699"]);
  });

  test("of another connection begin anew, and the charts go on", () => {
    const state = reduce(START, [
      line({ overview: { now_ms: 5000 } }),
      line({ table: "rooms", reset: true, rows: [{ name: "a" }] }),
    ]);
    const left = forget(state);
    expect([left.tables.rooms.rows.size, left.tables.rooms.isTold, left.history.time]).toEqual([0, false, [5]]);
  });
});

describe("history", () => {
  test("holds rates and counts of the last minutes, and no more", () => {
    let history = NOTHING;
    for (let n = 0; n <= 2 * SECONDS; n++) history = record(history, overview(1_000_000 + n * 1000, n * 500));
    expect(history.time.length).toBe(SECONDS + 1);
    expect(newest(history, "received_rate")).toBe(500);
    expect(newest(history, "sessions")).toBe(2);
    for (const values of Object.values(history.lines)) expect(values.length).toBe(history.time.length);
  });

  test("says nothing of a pause, nor of a proxy that began anew, and rates are those of a whole second", () => {
    let history = record(record(NOTHING, overview(1_000_000, 0)), overview(1_001_000, 700));
    history = record(history, overview(1_001_200, 10_000));
    expect([history.time.length, history.last?.counts.received]).toEqual([2, 10_000]);
    history = record(history, overview(1_002_000, 1700));
    expect(newest(history, "received_rate")).toBe(1000);
    history = record(history, overview(1_010_000, 9000));
    expect(history.lines.received_rate?.slice(-2)).toEqual([null, null]);
    history = record(history, overview(1_011_000, 5));
    expect(newest(history, "received_rate")).toBeUndefined();
    expect(newest(history, "rss")).toBeUndefined();
    expect(record(history, overview(5000, 0)).time, "a clock that is set back").toEqual([5]);
  });
});

test("quantities are short and say their unit", () => {
  expect([0, 999, 999.6, 1234, 99_960, 1e9].map(size)).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "1.2 kB",
    "100 kB",
    "1.0 GB",
  ]);
  expect(rate(1500)).toBe("1.5 kB/s");
  expect([-5, 59_000, 61_000, 7_260_000, 180_000_000].map(age)).toEqual([
    "0 s",
    "59 s",
    "1 min 1 s",
    "2 h 1 min",
    "2 d 2 h",
  ]);
});
