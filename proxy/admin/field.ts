// What the fields of rows are called, how they read, and where they lead.

import { age, clock, count, moment, rate, size } from "./quantity.ts";
import { routeTo } from "./route.ts";
import type { Row, Value } from "./wire.ts";

export interface Field {
  readonly title: string;
  /** What stands in a cell; the value itself unless stated. */
  readonly text?: (value: Value, now: number) => string;
  /** The same where there is room for all of it. */
  readonly whole?: (value: Value, now: number) => string;
  readonly isNumber?: boolean;
  /** What is shown grows as the value falls. */
  readonly isBackward?: boolean;
  /** Ids and addresses. */
  readonly isCode?: boolean;
  /** Where a value leads. */
  readonly link?: (value: string, row: Row) => string;
}

/** What is not there. */
const NONE = "–";

const number: Pick<Field, "isNumber" | "text"> = { isNumber: true, text: (value) => said(value, count) };
const bytes: Pick<Field, "isNumber" | "text"> = { isNumber: true, text: (value) => said(value, size) };
const since: Pick<Field, "isNumber" | "isBackward" | "text" | "whole"> = {
  isNumber: true,
  isBackward: true,
  text: (value, now) => said(value, (ms) => age(now - ms)),
  whole: (value, now) => said(value, (ms) => `${age(now - ms)}, since ${moment(ms)}`),
};
const session: Pick<Field, "isCode" | "text" | "link"> = {
  isCode: true,
  text: (value) => (typeof value === "string" ? shortId(value) : NONE),
  link: (id) => routeTo("sessions", id),
};

const FIELDS: Readonly<Record<string, Field>> = {
  acceptor: { ...session, title: "Accepted by" },
  address: { title: "Address", isCode: true },
  alias: { title: "Alias" },
  at_ms: { title: "Time", isNumber: true, text: (value) => said(value, clock), whole: (value) => said(value, moment) },
  clients: { ...number, title: "Clients" },
  emits: { ...number, title: "Emits" },
  generation: { ...number, title: "Generation" },
  id: { title: "Id", isCode: true, text: (value) => shortId(String(value)) },
  kind: { title: "Kind" },
  live: { title: "Connected", text: (value) => (typeof value === "number" ? count(value) : yesNo(value)) },
  members: { ...number, title: "Members" },
  name: { title: "Name", link: nameLink },
  names: { ...number, title: "Names" },
  node: { title: "Node", isCode: true },
  opener: { ...session, title: "Opened by" },
  path: { title: "Path", isCode: true },
  policy: { title: "Policy" },
  prefix: { title: "Prefix", isCode: true },
  publishers: { ...number, title: "Publishers" },
  queue: { ...bytes, title: "Queue" },
  rate: { title: "Rate", isNumber: true, text: (value) => said(value, rate) },
  received: { ...bytes, title: "Received" },
  reserved: { title: "Reserved", text: yesNo },
  resumable: { title: "Survives drops", text: yesNo },
  rtt_ms: {
    title: "Round trip",
    isNumber: true,
    text: (value) => said(value, (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`),
  },
  sent: { ...bytes, title: "Sent" },
  session: { ...session, title: "Session" },
  since_ms: { ...since, title: "Age" },
  state: { title: "State" },
  streams: { ...number, title: "Streams" },
  sub: { title: "Identity" },
  subscribers: { ...number, title: "Subscribers" },
  text: { title: "What happened" },
  user_agent: { title: "Program" },
};

/** A field of rows; one that we do not know goes by its own name. */
export function field(name: string): Field {
  return FIELDS[name] ?? { title: name };
}

/** What stands in a cell. */
export function cellText(name: string, row: Row, now: number): string {
  const { text = plain } = field(name);
  return text(row[name], now);
}

/** The same, whole, for the details. */
export function wholeText(name: string, row: Row, now: number): string {
  const { whole, text = plain, isCode } = field(name);
  if (whole) return whole(row[name], now);
  return isCode ? plain(row[name]) : text(row[name], now);
}

/** Where a stream's name lives stands in its path; that of a channel or a room is in a table of its own. */
function nameLink(name: string, { prefix, path, kind }: Row): string {
  if (kind === "channel" || kind === "room") return routeTo(`${kind}s`, name);
  return routeTo("names", `${prefix ?? String(path ?? "").split(/\/(?:connect|listen|watch)\//)[0]}/${name}`);
}

/** The first part of an id is enough to tell a few apart; that of a stream goes on behind its session. */
export function shortId(id: string): string {
  const [session = "", stream] = id.split(":");
  return `${session.slice(0, 8)}${stream === undefined ? "" : `:${stream}`}`;
}

function yesNo(value: Value): string {
  return value === true ? "yes" : "no";
}

function plain(value: Value): string {
  return value === null || value === undefined || value === "" ? NONE : String(value);
}

function said(value: Value, words: (number: number) => string): string {
  return typeof value === "number" ? words(value) : NONE;
}
