// What the proxy tells this page, line by line. What is no line that we know is passed over: the proxy may be newer than a page that stayed open.

export const TABLES = ["names", "sessions", "streams", "channels", "rooms", "events"] as const;

export type TableName = (typeof TABLES)[number];

export type Value = string | number | boolean | null | undefined;

/** A row of a table: its fields are read by name, and may be missing. */
export type Row = Readonly<Record<string, Value>>;

/** What is new in a table: all of it (`reset`, the first part), or the rows that are new or changed and the keys of those that are gone. */
export interface Update {
  readonly table: TableName;
  readonly reset: boolean;
  readonly rows: readonly Row[];
  readonly gone: readonly string[];
}

/** Counts, and in `texts` and `refusals` what is no count. */
export interface Overview {
  readonly counts: Readonly<Record<string, number>>;
  readonly version: string;
  readonly isReady: boolean;
  readonly reason: string | undefined;
  readonly isDraining: boolean;
  /** How many were refused, by reason. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Which of several nodes this one is, and of how many; nothing where there is one. */
  readonly node: string | undefined;
  /** Of several nodes those that did not answer; nothing where there is one. */
  readonly missing: readonly unknown[] | undefined;
}

export interface Line {
  readonly overview?: Overview;
  readonly update?: Update;
}

/** Who we are to the proxy, and what we may do. */
export interface Me {
  readonly mayAct: boolean;
  readonly sub: string | undefined;
  readonly version: string;
}

/** Reads one line. Throws `SyntaxError` for what is no JSON. */
export function readLine(text: string): Line {
  const line = fields(JSON.parse(text));
  if (line.overview) return { overview: readOverview(fields(line.overview)) };
  const table = TABLES.find((name) => name === line.table);
  if (!table) return {};
  const gone = list(line.gone).filter((key) => typeof key === "string");
  return { update: { table, reset: line.reset === true, rows: readRows(line.rows), gone } };
}

/** The rows of a list, without what is none. */
export function readRows(value: unknown): Row[] {
  return list(value).filter((row): row is Row => typeof row === "object" && row !== null);
}

export function readMe(value: unknown): Me {
  const { act, sub, version } = fields(value);
  return { mayAct: act === true, sub: text(sub), version: text(version) ?? "" };
}

/** What names a row among those of its table. */
export function keyOf(row: Row): string {
  return String(row.key ?? row.id ?? row.name);
}

/** The fields of an object, and none of what is no object. */
export function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function readOverview(said: Readonly<Record<string, unknown>>): Overview {
  return {
    counts: numbers(said),
    version: text(said.version) ?? "",
    isReady: said.ready === true,
    reason: text(said.ready_reason),
    isDraining: said.draining === true,
    refusals: numbers(fields(said.refusals)),
    node: said.node ? `${said.node} of ${Object.keys(fields(said.nodes)).length + 1}` : undefined,
    missing: said.missing ? list(said.missing) : undefined,
  };
}

function numbers(from: Readonly<Record<string, unknown>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(from).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
  );
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
