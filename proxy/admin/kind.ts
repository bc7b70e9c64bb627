// The tables: which columns they have, how they are sorted at first, what is searched, and what is said of one that is empty.

import type { Sort } from "./order.ts";
import type { TableName } from "./wire.ts";

export interface Column {
  readonly field: string;
  /** As CSS has it, for a grid. */
  readonly width: string;
  readonly title?: string;
  /** Does not lead anywhere in this table, although it does in others. */
  readonly isPlain?: boolean;
  /** What stands there where it has no value. */
  readonly instead?: string;
}

export interface Kind {
  readonly title: string;
  /** What one row is called. */
  readonly one: string;
  readonly columns: readonly Column[];
  /** On a phone a row has two lines: this field above, and these below. */
  readonly phone: readonly [main: string, ...side: string[]];
  readonly sort: Sort;
  readonly searched: readonly string[];
  readonly hint: string;
  readonly empty: string;
}

const NUMBER = "6rem";
const SIZE = "5.75rem";
const ID = "6.75rem";
const TEXT = "minmax(9rem, 2fr)";

const TRAFFIC: readonly Column[] = [
  { field: "rate", width: NUMBER },
  { field: "received", width: SIZE },
  { field: "sent", width: SIZE },
  { field: "queue", width: SIZE },
];

export const KINDS: Readonly<Record<TableName, Kind>> = {
  names: {
    title: "Names",
    one: "Name",
    columns: [
      { field: "name", width: TEXT, isPlain: true },
      { field: "prefix", width: "minmax(7rem, 1fr)" },
      { field: "state", width: "7rem" },
      { field: "session", width: ID, title: "Owner" },
      { field: "clients", width: "6rem" },
      { field: "since_ms", width: "7rem" },
      ...TRAFFIC.slice(0, 3),
    ],
    phone: ["name", "state", "clients", "rate"],
    sort: { field: "name", isDescending: false },
    searched: ["name", "prefix", "session", "state"],
    hint: "Name, prefix, owner or state",
    empty: "Nobody serves under a name. A tab does with StreamServer(mdm).listen(name), a program with “bss listen”.",
  },
  sessions: {
    title: "Sessions",
    one: "Session",
    columns: [
      { field: "id", width: ID },
      { field: "address", width: "minmax(11.5rem, 1fr)" },
      { field: "sub", width: "minmax(6rem, 1fr)" },
      { field: "since_ms", width: "7rem" },
      { field: "rtt_ms", width: NUMBER },
      { field: "streams", width: "5.5rem" },
      { field: "names", width: "5rem" },
      ...TRAFFIC,
      { field: "user_agent", width: "minmax(8rem, 1.5fr)" },
    ],
    phone: ["address", "id", "streams", "rate"],
    sort: { field: "since_ms", isDescending: true },
    searched: ["id", "address", "sub", "user_agent"],
    hint: "Id, address, identity or program",
    empty: "Nobody is connected to this proxy.",
  },
  streams: {
    title: "Streams",
    one: "Stream",
    columns: [
      { field: "id", width: "7.5rem" },
      { field: "name", width: TEXT, instead: "path" },
      { field: "opener", width: ID },
      { field: "acceptor", width: "7.5rem" },
      { field: "kind", width: "6rem" },
      { field: "since_ms", width: "7rem" },
      ...TRAFFIC,
    ],
    phone: ["name", "id", "kind", "rate"],
    sort: { field: "since_ms", isDescending: true },
    searched: ["id", "name", "path", "opener", "acceptor", "kind"],
    hint: "Id, name, path, session or kind",
    empty: "There is no stream. One begins when somebody connects to a name.",
  },
  channels: {
    title: "Channels",
    one: "Channel",
    columns: [
      { field: "name", width: TEXT, isPlain: true },
      { field: "publishers", width: "7rem" },
      { field: "subscribers", width: "7.5rem" },
      { field: "policy", width: "7rem" },
      { field: "since_ms", width: "7rem" },
      ...TRAFFIC,
    ],
    phone: ["name", "publishers", "subscribers", "rate"],
    sort: { field: "name", isDescending: false },
    searched: ["name", "policy"],
    hint: "Name or policy",
    empty: "There is no channel. One begins with its first publisher or subscriber.",
  },
  rooms: {
    title: "Rooms",
    one: "Room",
    columns: [
      { field: "name", width: TEXT, isPlain: true },
      { field: "members", width: "7rem" },
      { field: "emits", width: "7rem" },
      { field: "since_ms", width: "7rem" },
    ],
    phone: ["name", "members", "emits", "since_ms"],
    sort: { field: "name", isDescending: false },
    searched: ["name"],
    hint: "Name",
    empty: "Nobody is in a room. One begins with its first member.",
  },
  events: {
    title: "Events",
    one: "Event",
    columns: [
      { field: "at_ms", width: "6rem" },
      { field: "kind", width: "10rem" },
      { field: "text", width: "minmax(14rem, 4fr)" },
      { field: "name", width: "minmax(8rem, 1fr)", isPlain: true },
      { field: "session", width: ID },
    ],
    phone: ["kind", "at_ms", "name", "text"],
    sort: { field: "at_ms", isDescending: true },
    searched: ["kind", "text", "name", "session"],
    hint: "Kind, text, name or session",
    empty: "Nothing happened yet. Sessions, names, channels and rooms that come and go are told here.",
  },
};

/** The same where rows are of several nodes. */
export const OF_NODES = Object.fromEntries(
  Object.entries(KINDS).map(([table, kind]) => [
    table,
    { ...kind, columns: [...kind.columns, { field: "node", width: ID }], searched: [...kind.searched, "node"] },
  ]),
) as unknown as typeof KINDS;

/** Who is in a room. */
export const MEMBERS: Kind = {
  title: "Members",
  one: "Member",
  columns: [
    { field: "id", width: "minmax(5.25rem, 1fr)" },
    { field: "alias", width: "minmax(4.5rem, 1fr)" },
    { field: "session", width: "5.25rem" },
    { field: "since_ms", width: "6.75rem" },
  ],
  phone: ["id", "alias", "session", "since_ms"],
  sort: { field: "since_ms", isDescending: false },
  searched: ["id", "alias", "session"],
  hint: "Id, alias or session",
  empty: "Nobody is in this room.",
};
