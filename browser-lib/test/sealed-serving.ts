// A sealed server over a proxy in memory, and how to connect to it.

import {
  type ConnectOptions,
  type Stream,
  StreamClient,
  StreamServer,
  type StreamServerOptions,
} from "../src/index.ts";
import { passes, Switch } from "./splice.ts";

export async function sealed(serving: StreamServerOptions = {}, wish: { direct?: boolean } = {}) {
  const proxy = new Switch();
  const [page, tab] = [proxy.page("page"), proxy.page("tab")];
  const served: Stream[] = [];
  const server = StreamServer(tab, { sealed: true, ...wish, ...serving }, (stream) => served.push(stream)).listen(
    "NAME",
  );
  const address = await server.address;
  const client = StreamClient(page, wish);
  const connect = async (options: ConnectOptions = {}, to = address) => {
    const before = served.length;
    const stream = client.connect(to, options);
    await passes("a client", () => served.length > before);
    await stream.opened;
    return { stream, far: served[before] as Stream };
  };
  return { proxy, page, tab, served, server, address, client, connect };
}
