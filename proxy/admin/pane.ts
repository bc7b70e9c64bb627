// Which rows of a long list are in sight.

export interface Pane {
  readonly first: number;
  /** One behind the last. */
  readonly end: number;
}

/** So many rows are kept beyond either edge, for what is scrolled before the next frame. */
const BEYOND = 8;

export function pane(scrolled: number, height: number, rowHeight: number, count: number): Pane {
  const first = Math.max(0, Math.floor(scrolled / rowHeight) - BEYOND);
  const end = Math.min(count, Math.ceil((scrolled + height) / rowHeight) + BEYOND);
  return { first: Math.min(first, Math.max(0, end)), end: Math.max(0, end) };
}

/** How far to scroll so that this row is in sight: not at all if it is. */
export function reveal(at: number, scrolled: number, height: number, rowHeight: number): number {
  const top = at * rowHeight;
  if (top < scrolled) return top;
  return Math.max(scrolled, top + rowHeight - height);
}

/** Where a key leads from row `at` of `count`; nothing for a key that leads nowhere. */
export function move(key: string, at: number, count: number, page: number): number | undefined {
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: count - 1 }[
    key
  ];
  return to === undefined || count === 0 ? undefined : Math.min(count - 1, Math.max(0, to));
}
