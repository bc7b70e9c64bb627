// Where in the page one is: in the address behind the #, so that links, the back button and bookmarks work.

import type { Sort } from "./order.ts";
import { TABLES, type TableName } from "./wire.ts";

export interface Route {
  readonly view: "overview" | "token" | TableName;
  /** The row whose details are shown. */
  readonly key: string | undefined;
  readonly search: string;
  /** By what the rows are sorted, where it was chosen. */
  readonly sort?: Sort | undefined;
}

/** What cannot be read is the overview. */
export function readRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [name, key] = path.split("/").map(decode);
  const view = name === "token" ? name : (TABLES.find((table) => table === name) ?? "overview");
  const asked = new URLSearchParams(query);
  const [, minus, field] = /^(-?)(\w+)$/.exec(asked.get("sort") ?? "") ?? [];
  return {
    view,
    key: view === "overview" ? undefined : key || undefined,
    search: asked.get("q") ?? "",
    sort: field === undefined ? undefined : { field, isDescending: minus === "-" },
  };
}

export function routeTo(view: Route["view"], key?: string, search = "", sort?: Sort): string {
  const asked = new URLSearchParams();
  if (search) asked.set("q", search);
  if (sort) asked.set("sort", `${sort.isDescending ? "-" : ""}${sort.field}`);
  return `#/${view}${key === undefined ? "" : `/${encodeURIComponent(key)}`}${asked.size ? `?${asked}` : ""}`;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
