// All that the proxy told, and what becomes of it with the next lines.

import { type History, NOTHING, record } from "./history.ts";
import { EMPTY, merge, settle, type Table } from "./table.ts";
import { type Line, type Overview, type Row, TABLES, type TableName, type Update } from "./wire.ts";

export interface State {
  readonly tables: Readonly<Record<TableName, Table>>;
  readonly history: History;
  /** Milliseconds since 1970 by the proxy's clock, as of the last overview. */
  readonly now: number;
  /** Seconds between the last two overviews. */
  readonly seconds: number;
  /** Events so far: those of a proxy that does not number them have no key of their own. */
  readonly events: number;
}

/** As many events as the proxy keeps, too. */
const EVENTS_MAX = 1000;

export const START: State = {
  tables: Object.fromEntries(TABLES.map((name) => [name, EMPTY])) as unknown as Record<TableName, Table>,
  history: NOTHING,
  now: 0,
  seconds: 1,
  events: 0,
};

export function reduce(state: State, lines: readonly Line[]): State {
  let next = state;
  for (const { overview, update } of lines) {
    if (overview) next = look(next, overview);
    if (update) next = hear(next, update);
  }
  return next;
}

/** The proxy tells from the start, or another one does. */
export function forget(state: State): State {
  return { ...state, tables: START.tables };
}

function look(state: State, overview: Overview): State {
  const now = overview.counts.now_ms ?? 0;
  // Of the second before, all is told by now.
  const all = Object.entries(state.tables).map(([name, table]) => [name, settle(table, state.now)]);
  const tables = Object.fromEntries(all) as State["tables"];
  const seconds = state.now ? Math.max(1, (now - state.now) / 1000) : 1;
  return { ...state, tables, now, seconds, history: record(state.history, overview) };
}

function hear(state: State, update: Update): State {
  const { tables } = state;
  if (update.table !== "events") {
    return { ...state, tables: { ...tables, [update.table]: merge(tables[update.table], update, state) } };
  }
  const rows = update.rows.map((row, at) => ({ key: `${row.number ?? state.events + at}`, ...row }));
  const all = merge(tables.events, { ...update, rows }, state);
  const kept = new Map([...all.rows].slice(-EVENTS_MAX));
  return { ...state, tables: { ...tables, events: { ...all, rows: kept } }, events: state.events + rows.length };
}

/** Rows in the order in which they were first told. */
export function rowsOf({ tables }: State, name: TableName): Iterable<Row> {
  return tables[name].rows.values();
}
