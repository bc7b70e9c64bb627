// What can be done to a row: how it is asked, what is filled in, and the request that does it.

import { path, type Request } from "./ask.ts";
import { shortId } from "./field.ts";
import { keyOf, type Row, type TableName } from "./wire.ts";

export interface Input {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly kind: "text" | "json" | "number";
}

export interface Action {
  /** On the button. */
  readonly label: string;
  /** What will happen, to what. */
  readonly what: string;
  readonly inputs: readonly Input[];
  /** What is said when it is done. */
  readonly done: string;
  /** What does it. Throws `SyntaxError` for an input that cannot be read. */
  request(inputs: Readonly<Record<string, string>>): Request;
}

const RESUMABLE =
  " and does not go on over the proxy. Its client hears that it is lost, and its server when it has waited for it; a stream with another way, as a direct connection, goes on there.";

/** What can be done to a row of a table. */
export function actionsOn(table: TableName, row: Row): Action[] {
  const key = keyOf(row);
  switch (table) {
    case "streams":
      return [
        plain(
          "Reset this stream",
          `Stream ${shortId(key)}${row.name ? ` to “${row.name}”` : ""} is reset${row.resumable ? RESUMABLE : ": both ends hear “forbidden”, and what is under way is lost."}`,
          "The stream was reset.",
          { method: "DELETE", path: path("streams", key) },
        ),
      ];
    case "sessions":
      return [
        plain(
          "Close this session",
          `Session ${shortId(key)} from ${row.address ?? "an unknown address"} is closed with its ${row.streams ?? 0} streams and ${row.names ?? 0} names. A peer with our library comes back unless its token is refused.`,
          "The session was closed.",
          { method: "DELETE", path: path("sessions", key) },
        ),
      ];
    case "names":
      return onName(row, key);
    case "rooms":
      return [emit(String(row.name))];
    default:
      return [];
  }
}

/** What can be done to a member of a room. */
export function actionsOnMember(room: string, row: Row): Action[] {
  const id = keyOf(row);
  const who = row.alias ? `“${row.alias}” (${shortId(id)})` : shortId(id);
  const at = path("rooms", room, "members", id);
  return [
    plain(
      "Remove this member",
      `Member ${who} is removed from the room “${room}”. The others hear that it left.`,
      "The member was removed.",
      { method: "DELETE", path: at },
    ),
    {
      label: "Move to another room",
      what: `Member ${who} leaves the room “${room}” and joins another.`,
      inputs: [{ name: "room", label: "The other room", value: "", kind: "text" }],
      done: "The member was moved.",
      request: ({ room = "" }) => ({ method: "PUT", path: at, body: { room } }),
    },
  ];
}

export const RESERVE: Action = {
  label: "Reserve a name",
  what: "Nobody may claim the name from then on, until it is given free here or the proxy ends. Who serves under it now goes on.",
  inputs: [{ name: "name", label: "Name", value: "", kind: "text" }],
  done: "The name is reserved.",
  request: ({ name = "" }) => ({ method: "PUT", path: path("reserved", name) }),
};

export const DRAIN: Action = {
  label: "Drain this proxy",
  what: "The proxy takes no new sessions and asks all peers to come back later, or to another one. It ends when they have gone, or at the deadline.",
  inputs: [
    { name: "deadline_s", label: "Deadline in seconds, or nothing for the proxy’s own", value: "", kind: "number" },
  ],
  done: "The proxy drains.",
  request: ({ deadline_s }) => ({
    method: "POST",
    path: "drain",
    body: deadline_s ? { deadline_s: Number(deadline_s) } : {},
  }),
};

function onName(row: Row, key: string): Action[] {
  const called = `“${row.name}”`;
  const at = path("reserved", key);
  const release: Request = { method: "DELETE", path: path("names", key) };
  return [
    ...(row.state === "reserved"
      ? []
      : [
          plain(
            "Release this name",
            `The claim on the name ${called} ends: no new clients reach its owner by it, and somebody else may claim it. The owner’s session stays.`,
            "The name was released.",
            release,
          ),
        ]),
    row.reserved || row.state === "reserved"
      ? plain("Give the name free", `Whoever comes first may claim the name ${called} again.`, "The name is free.", {
          method: "DELETE",
          path: at,
        })
      : plain(
          "Reserve this name",
          `Nobody may claim the name ${called} from now on, until it is given free here or the proxy ends. Who serves under it now goes on.`,
          "The name is reserved.",
          { method: "PUT", path: at },
        ),
  ];
}

function emit(room: string): Action {
  return {
    label: "Emit to this room",
    what: `All members of the room “${room}” hear this event, from the proxy.`,
    inputs: [
      { name: "event", label: "Event", value: "", kind: "text" },
      { name: "args", label: "Arguments, a JSON list", value: "[]", kind: "json" },
    ],
    done: "The event was sent to the room.",
    request: ({ event = "", args = "" }) => {
      const list: unknown = JSON.parse(args);
      if (!Array.isArray(list)) throw new SyntaxError('the arguments are a list, as [1, "two"]');
      return { method: "POST", path: path("rooms", room, "emit"), body: { event, args: list } };
    },
  };
}

function plain(label: string, what: string, done: string, request: Request): Action {
  return { label, what, inputs: [], done, request: () => request };
}
