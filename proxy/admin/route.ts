// Where in the page one is: in the address behind the #, so that links, the back button and bookmarks work.

import { TABLES, type TableName } from "./wire.ts";

export interface Route {
  readonly view: "overview" | TableName;
  /** The row whose details are shown. */
  readonly key: string | undefined;
  readonly search: string;
}

/** What cannot be read is the overview. */
export function readRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [name, key] = path.split("/").map(decode);
  const view = TABLES.find((table) => table === name) ?? "overview";
  return {
    view,
    key: view === "overview" ? undefined : key || undefined,
    search: new URLSearchParams(query).get("q") ?? "",
  };
}

export function routeTo(view: Route["view"], key?: string, search?: string): string {
  const query = search ? `?${new URLSearchParams({ q: search })}` : "";
  return `#/${view}${key === undefined ? "" : `/${encodeURIComponent(key)}`}${query}`;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
