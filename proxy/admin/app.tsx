// The page: where one is, how the connection is, and the view that is asked for.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Action } from "./action.ts";
import { Confirm } from "./confirm.tsx";
import { Entrance } from "./entrance.tsx";
import { KINDS } from "./kind.ts";
import { List } from "./list.tsx";
import type { Sort } from "./order.ts";
import { Overview } from "./overview.tsx";
import { count } from "./quantity.ts";
import { type Route, readRoute, routeTo } from "./route.ts";
import { Status } from "./status.tsx";
import { Store } from "./store.ts";
import { TABLES, type TableName } from "./wire.ts";

const PHONE = "(max-width: 44rem)";
const DARK = "(prefers-color-scheme: dark)";

export function App() {
  const [, setTurn] = useState(0);
  const store = useMemo(() => new Store(() => setTurn((turn) => turn + 1)), []);
  const route = useRoute();
  const [sorts, setSorts] = useState<Partial<Record<TableName, Sort>>>({});
  const [action, setAction] = useState<Action>();
  const [done, setDone] = useState("");
  const [isPhone, isDark] = [useMedia(PHONE), useMedia(DARK)];
  const { view } = route;

  useEffect(() => void store.enter(), [store]);
  // What was done is said until one looks elsewhere.
  useEffect(() => setDone(""), [route]);
  const table = TABLES.find((table) => table === view);
  useEffect(() => store.watch(table && table !== "events" ? [table, "events"] : ["events"]), [store, table]);

  const { state, me, door, connection } = store;
  const onAct = (action: Action): void => {
    setDone("");
    setAction(action);
  };
  const isIn = door.kind === "open";
  return (
    <>
      <header class="bar">
        <h1>
          <a href={routeTo("overview")}>browser-stream-server</a> <small>admin{me && `, ${me.version}`}</small>
        </h1>
        {isIn && <Status connection={connection} onHurry={() => store.hurry()} />}
      </header>
      {isIn && <Views view={view} isPhone={isPhone} counts={state.history.last?.counts ?? {}} />}
      <main>
        {!isIn || view === "token" ? (
          <Entrance
            door={isIn ? { kind: "token", problem: undefined } : door}
            onToken={(token) => {
              if (view === "token") location.replace(routeTo("overview"));
              void store.show(token);
            }}
          />
        ) : !table ? (
          <Overview state={state} me={me} isDark={isDark} onAct={onAct} />
        ) : (
          <List
            key={table}
            table={table}
            route={route}
            state={state}
            me={me}
            isPhone={isPhone}
            sort={route.sort ?? sorts[table] ?? KINDS[table].sort}
            onSort={(sort) => setSorts({ ...sorts, [table]: sort })}
            onAct={onAct}
          />
        )}
      </main>
      <p class="done" role="status">
        {done}
      </p>
      {action && (
        <Confirm
          action={action}
          onClose={(done = "") => {
            setAction(undefined);
            setDone(done);
          }}
        />
      )}
    </>
  );
}

interface ViewsProps {
  readonly view: Route["view"];
  readonly isPhone: boolean;
  readonly counts: Readonly<Record<string, number>>;
}

function Views({ view, isPhone, counts }: ViewsProps) {
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // Not all of them are in sight on a phone.
    if (isPhone)
      nav.current?.querySelector(`[href="${routeTo(view)}"]`)?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [view, isPhone]);
  return (
    <nav aria-label="Views" ref={nav}>
      {(["overview", ...TABLES] as const).map((name) => (
        <a key={name} href={routeTo(name)} aria-current={name === view ? "page" : undefined}>
          {name === "overview" ? "Overview" : KINDS[name].title}
          {counts[name] !== undefined && <small>{count(counts[name])}</small>}
        </a>
      ))}
    </nav>
  );
}

function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const look = () => setHash(location.hash);
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  return useMemo(() => readRoute(hash), [hash]);
}

function useMedia(query: string): boolean {
  const media = useMemo(() => matchMedia(query), [query]);
  const [is, set] = useState(media.matches);
  useEffect(() => {
    const look = () => set(media.matches);
    media.addEventListener("change", look);
    return () => media.removeEventListener("change", look);
  }, [media]);
  return is;
}
