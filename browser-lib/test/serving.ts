// A server over a scripted proxy, and its clients.

import { type MuxDemuxOptions, type Stream, StreamServer, type StreamServerOptions } from "../src/index.ts";
import { dial, type FarStream, type Peer } from "./peer.ts";

export const LISTEN = "/browser-server/listen/NAME";
export const ACCEPT = "/browser-server/accept/NAME";

export async function serve(
  options: StreamServerOptions = {},
  callback?: (stream: Stream) => unknown,
  dialing: MuxDemuxOptions = {},
) {
  const { mdm, peer } = dial(dialing);
  const server = StreamServer(mdm, options, callback).listen("NAME");
  const control = await peer.opened(LISTEN);
  control.frame({ id: "claim" });
  await server.listening;
  return { mdm, peer, server, control };
}

export function errorCode(client: FarStream): unknown {
  return (client.first?.error as { code?: unknown } | undefined)?.code;
}

export function connect(peer: Peer, fields: object = {}): FarStream {
  return peer.open({ path: ACCEPT, id: "client", ...fields });
}
