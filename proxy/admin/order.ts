// Which rows of a table are shown, and in what order.

import type { Row, Value } from "./wire.ts";

export interface Sort {
  readonly field: string;
  readonly isDescending: boolean;
}

/** The rows that have every word of `search` in one of these fields, in any case, or where it is in quotes all of it as one of them, sorted. */
export function order(rows: Iterable<Row>, search: string, searched: readonly string[], sort: Sort): Row[] {
  const [, exact] = /^"(.*)"$/s.exec(search) ?? [];
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const is = (row: Row): boolean =>
    exact === undefined ? has(row, searched, words) : searched.some((field) => row[field] === exact);
  const found = [...rows].filter((row) => words.length === 0 || is(row));
  const { field, isDescending } = sort;
  const sign = isDescending ? -1 : 1;
  return found.sort((a, b) => compare(a[field], b[field], sign));
}

/** The other direction for the same field; a new field begins with its smallest, or for numbers with its largest. */
export function turn(sort: Sort, field: string, isNumber: boolean): Sort {
  return { field, isDescending: sort.field === field ? !sort.isDescending : isNumber };
}

function has(row: Row, searched: readonly string[], words: readonly string[]): boolean {
  // No word has a line break in it.
  const text = searched
    .map((field) => row[field] ?? "")
    .join("\n")
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

/** What is not there comes last in either direction. */
function compare(a: Value, b: Value, sign: number): number {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  return a < b ? -sign : sign;
}
