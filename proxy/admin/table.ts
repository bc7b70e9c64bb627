// The rows of one table as they come, change and go. Pure: each step makes a new table and leaves the old one as it was.

import { keyOf, type Row, type Update } from "./wire.ts";

export interface Table {
  readonly rows: ReadonlyMap<string, Row>;
  /** Whether all rows were told since the table is watched. */
  readonly isTold: boolean;
}

/** When something was told: the proxy's clock as of the last overview, and how many seconds before that the one before was. */
export interface Tick {
  readonly now: number;
  readonly seconds: number;
}

export const EMPTY: Table = { rows: new Map(), isTold: false };

/** Adds to each row its `rate`, bytes per second. What it had at the last tick is known, for rows that do not change are not told. */
export function merge(table: Table, update: Update, { now, seconds }: Tick): Table {
  const rows = new Map(update.reset ? [] : table.rows);
  for (const row of update.rows) {
    const key = keyOf(row);
    const before = update.reset ? undefined : table.rows.get(key);
    rows.set(key, { ...row, ...rate(before, row, seconds), toldAt: now });
  }
  for (const key of update.gone) rows.delete(key);
  return { rows, isTold: table.isTold || update.reset };
}

/** Nothing goes over the rows that were last told before this time. */
export function settle(table: Table, time: number): Table {
  const still = [...table.rows].filter(([, { rate, toldAt }]) => rate && Number(toldAt) < time);
  if (still.length === 0) return table;
  const rows = new Map(table.rows);
  for (const [key, row] of still) rows.set(key, { ...row, rate: 0 });
  return { ...table, rows };
}

function rate(before: Row | undefined, now: Row, seconds: number): { rate?: number } {
  if (now.received === undefined) return {};
  // An id that came back counts from nothing again.
  return { rate: before ? Math.max(0, (bytes(now) - bytes(before)) / seconds) : 0 };
}

function bytes({ received, sent }: Row): number {
  return Number(received ?? 0) + Number(sent ?? 0);
}
