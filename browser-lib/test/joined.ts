// A client and its server over a proxy in memory, and what a test does with their streams.

import {
  type ConnectOptions,
  type Stream,
  StreamClient,
  StreamServer,
  type StreamServerOptions,
} from "../src/index.ts";
import { outcome } from "./peer.ts";
import { passes, Switch } from "./splice.ts";

/** Bytes that tell where they belong. */
export function pattern(length: number, seed = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8) * 7 + seed) & 0xff);
}

/** A client and its server over a proxy. */
export async function joined(
  options: ConnectOptions = {},
  serving: StreamServerOptions = {},
  how: { isDeaf?: boolean } = {},
) {
  const proxy = Object.assign(new Switch(), how);
  const [page, tab] = [proxy.page("page"), proxy.page("tab")];
  const served: Stream[] = [];
  const server = StreamServer(tab, serving, (stream) => served.push(stream)).listen("NAME");
  await server.listening;
  const client = StreamClient(page).connect("NAME", options);
  await passes("a client", () => served.length > 0);
  await client.opened;
  const [far] = served as [Stream];
  return { proxy, page, tab, server, served, client, far };
}

/** Reads all of it, and how that ended. */
export function collect(stream: Stream) {
  const chunks: Uint8Array[] = [];
  const told = { length: 0, end: "" };
  const run = async () => {
    for await (const chunk of stream) {
      chunks.push(chunk);
      told.length += chunk.length;
    }
  };
  void outcome(run()).then((end) => {
    told.end = end;
  });
  return Object.assign(told, { bytes: () => Buffer.concat(chunks) });
}

export async function pour(stream: Stream, bytes: Uint8Array<ArrayBuffer>, step = 40_000): Promise<void> {
  const writer = stream.writable.getWriter();
  for (let at = 0; at < bytes.length; at += step) await writer.write(bytes.subarray(at, at + step));
  await writer.close();
}

export function settled(promise: Promise<unknown>) {
  const told = { how: "" };
  void outcome(promise).then((how) => {
    told.how = how;
  });
  return told;
}
