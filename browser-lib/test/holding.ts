// A server that holds a name, over connections in memory.

import { type ListenOptions, StreamServer } from "../src/index.ts";
import { dial, type FarStream } from "./peer.ts";

export const LISTEN = "/browser-server/listen/NAME";
export const LEASE = { name: "NAME", instance: "40".repeat(16), generation: 7, mac: "ab".repeat(32) };

/** What a server tells, as words. */
export function record(server: StreamServer): string[] {
  const seen: string[] = [];
  server.on("listening", ({ name, id }) => seen.push(`listening ${name} ${id}`));
  server.on("suspended", () => seen.push("suspended"));
  server.on("resumed", ({ name, id }) => seen.push(`resumed ${name} ${id}`));
  server.on("error", ({ code }) => seen.push(code));
  server.on("close", () => seen.push("close"));
  return seen;
}

/** A server on a connection whose proxy gave it the name and a lease. */
export async function holding(options: ListenOptions = {}, dialed = dial()) {
  const server = StreamServer(dialed.mdm, (stream) => stream.pipe(stream));
  const seen = record(server);
  server.listen("NAME", options);
  const control = await dialed.peer.opened(LISTEN);
  (await dialed.peer.opened("/session")).frame({ session: "s" });
  control.frame({ id: "claim", lease: LEASE });
  await server.listening;
  return { ...dialed, server, seen, control };
}

/** What a claim showed. */
export const asked = ({ first }: FarStream) => ({ attempt: first?.attempt, lease: first?.lease });
/** The same for the lease of {@link holding}. */
export const shown = (attempt: number) => ({ attempt, lease: LEASE });
