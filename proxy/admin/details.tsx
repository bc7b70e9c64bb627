// All that is known of one row, what it belongs to, and what can be done to it.

import { useEffect, useRef } from "preact/hooks";
import { type Action, actionsOn } from "./action.ts";
import { Actions } from "./actions.tsx";
import { field, wholeText } from "./field.ts";
import { KINDS } from "./kind.ts";
import { Members } from "./members.tsx";
import { routeTo } from "./route.ts";
import type { Me, Row, TableName } from "./wire.ts";

interface Props {
  readonly table: TableName;
  readonly row: Row | undefined;
  readonly now: number;
  readonly me: Me | undefined;
  readonly isPhone: boolean;
  /** Where "close" leads. */
  readonly back: string;
  onAct(action: Action): void;
}

/** What we add to rows, or what stands in another field already. */
const OURS = ["toldAt", "key", "number"];
/** What comes first. */
const FIRST = ["name", "id", "text", "state"];

export function Details({ table, row: present, now, me, isPhone, back, onAct }: Props) {
  const kept = useRef<Row>(undefined);
  const heading = useRef<HTMLHeadingElement>(null);
  if (present) kept.current = present;
  const row = present ?? kept.current;
  const { one } = KINDS[table];
  useEffect(() => heading.current?.focus(), []);
  return (
    <aside class="details" aria-labelledby="details-title">
      <header>
        <h2 id="details-title" ref={heading} tabIndex={-1}>
          {one}
          {row && <bdi>{title(row)}</bdi>}
        </h2>
        <a class="button" href={back} aria-label="Close the details">
          {isPhone ? "Back" : "Close"}
        </a>
      </header>
      {!present && (
        <p class="note">{row ? "This is gone. It is shown as it last was." : "There is no such row now."}</p>
      )}
      {row && (
        <>
          <dl>
            {fieldsOf(row).map((name) => (
              <Fact key={name} name={name} row={row} table={table} now={now} />
            ))}
          </dl>
          <Related table={table} row={row} />
          {present && <Actions actions={actionsOn(table, row)} me={me} onAct={onAct} />}
          {table === "rooms" && present && <Members room={row} now={now} me={me} isPhone={isPhone} onAct={onAct} />}
        </>
      )}
    </aside>
  );
}

function Fact({ name, row, table, now }: { name: string; row: Row; table: TableName; now: number }) {
  const { title, link, isCode } = field(name);
  const column = KINDS[table].columns.find((column) => column.field === name);
  const value = row[name];
  const text = wholeText(name, row, now);
  const isLink = link && !(name === "name" && column?.isPlain) && typeof value === "string" && value !== "";
  return (
    <div>
      <dt>{column?.title ?? title}</dt>
      <dd class={isCode ? "code" : ""}>{isLink ? <a href={link(value, row)}>{text}</a> : <bdi>{text}</bdi>}</dd>
    </div>
  );
}

/** Where else there is something of this row. */
function Related({ table, row }: { table: TableName; row: Row }) {
  const [of, views] = RELATED[table] ?? ["", []];
  if (views.length === 0) return null;
  return (
    <p class="related">
      {views.map((view) => (
        <a key={view} href={routeTo(view, undefined, `"${row[of]}"`)}>
          Its {view}
        </a>
      ))}
    </p>
  );
}

/** By which field the rows of a table are found in others. */
const RELATED: Partial<Record<TableName, readonly [field: string, views: readonly TableName[]]>> = {
  sessions: ["id", ["streams", "names", "events"]],
  names: ["name", ["streams", "events"]],
  channels: ["name", ["streams", "events"]],
  rooms: ["name", ["streams", "events"]],
};

function title(row: Row): string {
  return String(row.name ?? row.kind ?? row.id ?? "");
}

function fieldsOf(row: Row): string[] {
  const names = Object.keys(row).filter((name) => !OURS.includes(name));
  return [...FIRST.filter((name) => names.includes(name)), ...names.filter((name) => !FIRST.includes(name))];
}
