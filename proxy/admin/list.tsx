// One table with its search, and the details of the row that was chosen.

import { useEffect, useState } from "preact/hooks";
import { type Action, RESERVE } from "./action.ts";
import { Actions } from "./actions.tsx";
import { Details } from "./details.tsx";
import { field } from "./field.ts";
import { Grid } from "./grid.tsx";
import { KINDS, OF_NODES } from "./kind.ts";
import type { Sort } from "./order.ts";
import { count } from "./quantity.ts";
import { type Route, routeTo } from "./route.ts";
import type { State } from "./state.ts";
import type { Me, TableName } from "./wire.ts";

interface Props {
  readonly table: TableName;
  readonly route: Route;
  readonly state: State;
  readonly me: Me | undefined;
  readonly isPhone: boolean;
  /** As it was chosen for this table before. */
  readonly sort: Sort;
  onSort(sort: Sort): void;
  onAct(action: Action): void;
}

export function List({ table, route, state, me, isPhone, sort, onSort, onAct }: Props) {
  const kind = (state.history.last?.missing ? OF_NODES : KINDS)[table];
  const { rows } = state.tables[table];
  // Of events nothing is told until there is one.
  const isTold = state.tables[table].isTold || table === "events";
  const [search, setSearch] = useState(route.search);
  // A link may bring another.
  useEffect(() => setSearch(route.search), [route.search]);
  const back = routeTo(table, undefined, search, route.sort);
  const go = (key: string) => location.assign(routeTo(table, key, search, route.sort));
  const type = (text: string): void => {
    setSearch(text);
    history.replaceState(null, "", routeTo(table, route.key, text, route.sort));
  };
  const sortBy = (sort: Sort): void => {
    onSort(sort);
    location.replace(routeTo(table, route.key, search, sort));
  };
  const isShort = isPhone && route.key !== undefined;
  const found = isTold ? `${count(rows.size)} in all` : "Loading …";
  const empty = search ? `Nothing here has “${search}”.` : kind.empty;
  return (
    <div class={`list ${route.key === undefined ? "" : "split"}`}>
      {!isShort && (
        <section class="rows" aria-labelledby="list-title">
          <div class="tools">
            <h2 id="list-title">
              {kind.title} <small>{found}</small>
            </h2>
            <label class="search">
              <span>Search</span>
              <input
                type="search"
                value={search}
                placeholder={kind.hint}
                autocomplete="off"
                spellcheck={false}
                onInput={({ currentTarget }) => type(currentTarget.value)}
              />
            </label>
            {isPhone && <SortBy table={table} sort={sort} onSort={sortBy} />}
            {table === "names" && me?.mayAct && <Actions actions={[RESERVE]} me={me} onAct={onAct} />}
          </div>
          <Grid
            id={table}
            kind={kind}
            rows={rows}
            now={state.now}
            search={search}
            sort={sort}
            selected={route.key}
            isPhone={isPhone}
            empty={isTold ? empty : "Loading …"}
            onSelect={go}
            onSort={sortBy}
          />
        </section>
      )}
      {route.key !== undefined && (
        <Details
          key={route.key}
          table={table}
          row={rows.get(route.key)}
          now={state.now}
          me={me}
          isPhone={isPhone}
          back={back}
          onAct={onAct}
        />
      )}
    </div>
  );
}

/** On a phone there are no heads of columns. */
function SortBy({ table, sort, onSort }: { table: TableName; sort: Sort; onSort(sort: Sort): void }) {
  return (
    <label class="sort">
      <span>Sort by</span>
      <select
        value={`${sort.field} ${sort.isDescending}`}
        onChange={({ currentTarget }) => {
          const [field = "", isDescending] = currentTarget.value.split(" ");
          onSort({ field, isDescending: isDescending === "true" });
        }}
      >
        {KINDS[table].columns.flatMap(({ field: name, title }) =>
          [false, true].map((isDescending) => (
            <option key={`${name} ${isDescending}`} value={`${name} ${isDescending}`}>
              {title ?? field(name).title} {isDescending !== (field(name).isBackward ?? false) ? "↓" : "↑"}
            </option>
          )),
        )}
      </select>
    </label>
  );
}
