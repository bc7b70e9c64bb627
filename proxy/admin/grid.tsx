// biome-ignore-all lint/a11y/useSemanticElements: a <table> cannot lay out the few rows of it that are there
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid itself has the focus, and says which row is active
// A table of any length: only the rows in sight are in the page, each of the same height. It is moved in by keys, as a grid.

import { Component } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { cellText, field } from "./field.ts";
import type { Column, Kind } from "./kind.ts";
import { order, type Sort, turn } from "./order.ts";
import { move, pane, reveal } from "./pane.ts";
import { keyOf, type Row } from "./wire.ts";

/** In pixels, as in the style sheet: on a phone a row has two lines. */
const ROW = 36;
const PHONE_ROW = 64;
const HEAD = 36;

interface Props {
  /** In the page, for what stands in the grid. */
  readonly id: string;
  readonly kind: Kind;
  readonly rows: ReadonlyMap<string, Row>;
  readonly now: number;
  readonly search: string;
  readonly sort: Sort;
  readonly selected: string | undefined;
  readonly isPhone: boolean;
  /** Said where there is no row. */
  readonly empty: string;
  onSelect(key: string): void;
  onSort(sort: Sort): void;
}

export function Grid({ id, kind, rows, now, search, sort, selected, isPhone, empty, onSelect, onSort }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const [sight, setSight] = useState({ scrolled: 0, height: 800 });
  const [active, setActive] = useState<string>();
  const all = useMemo(() => order(rows.values(), search, kind.searched, sort), [rows, search, kind, sort]);
  const [rowHeight, head] = isPhone ? [PHONE_ROW, 0] : [ROW, HEAD];
  const { first, end } = pane(sight.scrolled, sight.height, rowHeight, all.length);
  const current = active ?? selected;
  const at = useMemo(() => all.findIndex((row) => keyOf(row) === current), [all, current]);

  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const look = () => setSight({ scrolled: box.scrollTop, height: box.clientHeight - head });
    const observer = new ResizeObserver(look);
    observer.observe(box);
    box.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      box.removeEventListener("scroll", look);
    };
  }, [head]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const box = scroller.current;
    if (!box || event.target !== box || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = all[at];
    if (event.key === "Enter" && row) onSelect(keyOf(row));
    else {
      const height = box.clientHeight - head;
      const to = move(event.key, at, all.length, Math.max(1, Math.floor(height / rowHeight) - 1));
      const next = to === undefined ? undefined : all[to];
      if (to === undefined || !next) return;
      box.scrollTop = reveal(to, box.scrollTop, height, rowHeight);
      setSight({ scrolled: box.scrollTop, height });
      setActive(keyOf(next));
    }
    event.preventDefault();
  };

  const onClick = (event: MouseEvent): void => {
    const target = event.target as Element;
    const line = target.closest<HTMLElement>("[data-at]");
    const row = line && all[Number(line.dataset.at)];
    if (!row || target.closest("a")) return;
    setActive(keyOf(row));
    onSelect(keyOf(row));
  };

  const shown = Array.from({ length: Math.max(0, end - first) }, (_, n) => first + n);
  const columns = kind.columns.map(({ width }) => width).join(" ");
  return (
    <div
      ref={scroller}
      class={`grid ${isPhone ? "phone" : ""}`}
      role="grid"
      tabIndex={0}
      aria-label={kind.title}
      aria-rowcount={all.length + 1}
      aria-colcount={kind.columns.length}
      aria-activedescendant={at >= first && at < end ? `${id}-${at % shown.length}` : undefined}
      style={{ "--columns": columns }}
      onKeyDown={onKeyDown}
      onClick={onClick}
    >
      <div role="rowgroup" class="head">
        <div role="row" aria-rowindex={1} class="line">
          {kind.columns.map((column) => (
            <Head key={column.field} column={column} sort={sort} onSort={onSort} />
          ))}
        </div>
      </div>
      <div role="rowgroup" class="body" style={{ blockSize: `${all.length * rowHeight}px` }}>
        {shown.map((n) => {
          const row = all[n];
          if (!row) return null;
          // A line of the page is used again for another row when it is out of sight.
          const slot = n % shown.length;
          const isSelected = keyOf(row) === selected;
          return (
            <Line
              key={slot}
              {...{ kind, row, now, isSelected }}
              id={`${id}-${slot}`}
              at={n}
              top={n * rowHeight}
              isActive={n === at}
            />
          );
        })}
      </div>
      {all.length === 0 && <p class="empty">{empty}</p>}
    </div>
  );
}

function Head({ column, sort, onSort }: { column: Column; sort: Sort; onSort(sort: Sort): void }) {
  const { title, isNumber = false, isBackward = false } = field(column.field);
  const isSorted = sort.field === column.field;
  const direction = sort.isDescending !== isBackward ? "descending" : "ascending";
  return (
    <div role="columnheader" class={isNumber ? "number" : ""} aria-sort={isSorted ? direction : "none"}>
      <button type="button" onClick={() => onSort(turn(sort, column.field, isNumber))}>
        {column.title ?? title}
      </button>
    </div>
  );
}

interface LineProps {
  readonly id: string;
  readonly kind: Kind;
  readonly row: Row;
  readonly now: number;
  readonly at: number;
  /** In pixels. */
  readonly top: number;
  readonly isActive: boolean;
  readonly isSelected: boolean;
}

/** A row, made anew only where something of it is another: most only stay where they are while the table is scrolled. */
class Line extends Component<LineProps> {
  override shouldComponentUpdate(next: LineProps): boolean {
    return (Object.keys(next) as (keyof LineProps)[]).some((name) => next[name] !== this.props[name]);
  }

  override render({ id, kind, row, now, at, top, isActive, isSelected }: LineProps) {
    return (
      <div
        id={id}
        role="row"
        aria-rowindex={at + 2}
        aria-selected={isSelected}
        class={`line ${isActive ? "active" : ""} ${isSelected ? "selected" : ""}`}
        data-at={at}
        style={{ transform: `translateY(${top}px)` }}
      >
        {kind.columns.map((column) => (
          <Cell key={column.field} column={column} row={row} now={now} place={kind.phone.indexOf(column.field)} />
        ))}
      </div>
    );
  }
}

function Cell({ column, row, now, place }: { column: Column; row: Row; now: number; place: number }) {
  const { isNumber, isCode, link, title } = field(column.field);
  const value = row[column.field];
  const text = cellText(value ? column.field : (column.instead ?? column.field), row, now);
  const name = `${isNumber ? "number " : ""}${isCode ? "code " : ""}${place < 0 ? "wide" : place === 0 ? "main" : "side"}`;
  const isLink = link && !column.isPlain && typeof value === "string" && value !== "";
  return (
    <div role="gridcell" class={name} data-title={column.title ?? title}>
      {isLink ? (
        <a href={link(value, row)} tabIndex={-1}>
          {text}
        </a>
      ) : (
        text
      )}
    </div>
  );
}
