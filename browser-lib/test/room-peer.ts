// The proxy's end of a room, as a test says it.

import { msgpack } from "../src/msgpack.ts";
import { integers } from "../src/resume/record.ts";
import { type JoinedRoom, type JoinOptions, Room } from "../src/room/index.ts";
import { dial, type FarStream, type Peer } from "./peer.ts";

export const ID = "00112233-4455-6677-8899-aabbccddeeff";
export const SECRET = "0123456789abcdef0123456789abcdef";
export const PATH = "/room/join/NAME";

/** A record: numbers are integers, text and bytes lie there as they are, behind their length. */
export function record(type: number, ...fields: (number | string | Uint8Array)[]): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(type)];
  const integer = (value: number) => {
    const out: number[] = [];
    integers(out, 0, value);
    parts.push(Uint8Array.from(out.slice(1)));
  };
  for (const field of fields) {
    if (typeof field === "number") integer(field);
    else {
      const bytes = typeof field === "string" ? new TextEncoder().encode(field) : field;
      integer(bytes.length);
      parts.push(bytes);
    }
  }
  return new Uint8Array(Buffer.concat(parts));
}

const json = (value: unknown) => JSON.stringify(value);
const pack = (value: unknown) => msgpack.encode(value);

/** What the proxy tells a member. */
export const tells = {
  event: (from: number, name: string, ...args: unknown[]) => record(1, from, 0, name, pack(args)),
  volatile: (from: number, name: string, ...args: unknown[]) => record(1, from, 1, name, pack(args)),
  raw: (from: number, name: string, body: Uint8Array) => record(1, from, 0, name, body),
  ask: (from: number, ask: number, name: string, ...args: unknown[]) => record(1, from, 2, ask, name, pack(args)),
  answer: (ref: number, from: number, value: unknown) => record(2, ref, from, 0, pack(value)),
  refusal: (ref: number, from: number, code: number, text = "") => record(2, ref, from, code, text),
  asked: (ref: number, ...numbers: number[]) => record(3, ref, numbers.length, ...numbers),
  member: (number: number, who: object = { id: `m${number}` }, live = 1) => record(4, number, live, json(who)),
  joined: (number: number, who: object = { id: `m${number}` }) => record(5, number, json(who)),
  profile: (number: number, profile: unknown) => record(6, number, json(profile)),
  live: (number: number, live: number) => record(7, number, live),
  leaving: (number: number, code: number, text: string, rooms: string[]) => record(8, number, code, text, json(rooms)),
  left: (number: number, code: number, text = "") => record(9, number, code, text),
  lost: (count: number) => record(10, count),
  got: (count: number) => record(11, count),
  refused: (code: number, text = "") => record(12, code, text),
  moved: (name: string) => record(13, json({ name })),
  end: (code: number, text = "") => record(14, code, text),
};

/** The reply to who joins: a new seat, unless it is said how else. */
export function reply(terms: object = {}) {
  const room = { name: "NAME", number: 1, secret: SECRET, resumed: false, got: 0, lost: 0, members: 1, public: false };
  return { id: ID, room: { ...room, grace_ms: 120_000, event_bytes_max: 1 << 20, ...terms } };
}

/** Takes who joins: a new seat, ourselves and members of those numbers there. */
export function take(far: FarStream, ...others: number[]): FarStream {
  far.frame(reply({ members: 1 + others.length }));
  for (const number of others) far.send(tells.member(number));
  return far.send(tells.member(1, { id: ID }));
}

/** Gives a seat back that was shown; there is nothing new. */
export function resume(far: FarStream, got: number, terms: object = {}): FarStream {
  return far.frame(reply({ resumed: true, got, members: 0, ...terms }));
}

/** The newest join on a connection. */
export async function joining(peer: Peer, path = PATH): Promise<FarStream> {
  return await peer.opened(path);
}

/** A room that we are in with members of those numbers, and the far end of its stream. */
export async function joined(options: JoinOptions = {}, ...others: number[]) {
  const dialed = dial();
  (await dialed.peer.opened("/session")).frame({});
  const room = Room(dialed.mdm).join("NAME", options);
  const far = take(await joining(dialed.peer), ...others);
  await room.joined;
  return { ...dialed, room, far };
}

/** What a member said, as objects; values as they are. */
export function heard({ bytes }: FarStream): Record<string, unknown>[] {
  const said: Record<string, unknown>[] = [];
  let at = 0;
  const integer = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
    }
  };
  const blob = () => {
    const length = integer();
    at += length;
    return bytes.slice(at - length, at);
  };
  const text = () => new TextDecoder().decode(blob());
  const numbers = () => Array.from({ length: integer() }, integer);
  while (at < bytes.length) {
    const type = integer();
    if (type === 1) {
      const kind = integer();
      const [ref, timeout] = kind & 2 ? [integer(), integer()] : [];
      const to = kind & 4 ? numbers() : undefined;
      const except = kind & 8 ? numbers() : undefined;
      const event = text();
      const args = msgpack.decode(blob());
      said.push({ event, args, ...(ref && { ref, timeout }), ...(to && { to }), ...(except && { except }) });
      if (kind & 1) Object.assign(said.at(-1) ?? {}, { volatile: true });
      if (kind & 16) Object.assign(said.at(-1) ?? {}, { everywhere: true });
    } else if (type === 2) {
      const [ask, code] = [integer(), integer()];
      said.push(code === 0 ? { ask, value: msgpack.decode(blob()) } : { ask, code, text: text() });
    } else if (type === 3) said.push({ profile: JSON.parse(text()) });
    else if (type === 4) said.push({ got: integer() });
    else said.push({ leave: integer(), text: text() });
  }
  return said;
}

/** What was emitted, and how often. */
export function events(far: FarStream): unknown[] {
  return heard(far).flatMap(({ event, args }) => (event ? [[event, ...(args as unknown[])]] : []));
}

/** What a room tells of itself, as words. */
export function told(room: JoinedRoom): unknown[] {
  const seen: unknown[] = [];
  const see = (...words: unknown[]) => seen.push(words.length > 1 ? words : words[0]);
  room.on("join", ({ id }) => see("join", id));
  room.on("leave", ({ id }, { code, message }) => see("leave", id, code, message));
  room.on("disconnecting", ({ id }, { code }, rooms) => see("disconnecting", id, code, rooms));
  room.on("live", ({ id, live }) => see("live", id, live));
  room.on("profile", ({ id, profile }) => see("profile", id, profile));
  room.on("lost", (count) => see("lost", count));
  room.on("suspended", () => see("suspended"));
  room.on("resumed", () => see("resumed"));
  room.on("moved", (name) => see("moved", name));
  room.on("drain", () => see("drain"));
  room.on("error", ({ code }) => see("error", code));
  room.on("close", () => see("close"));
  return seen;
}
