// Two muxes over a pair of streams in memory.

import { type Duplex, type DuplexMux, type DuplexMuxOptions, MuxDemux, type Stream } from "../src/index.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Two pairs of streams, each the other's far end; a writer waits while so many bytes lie unread. */
export function pair(bytes = 64 * 1024): [Duplex, Duplex] {
  const strategy = new ByteLengthQueuingStrategy({ highWaterMark: bytes });
  const there = new TransformStream<Bytes, Bytes>({}, strategy);
  const back = new TransformStream<Bytes, Bytes>({}, strategy);
  return [
    { readable: back.readable, writable: there.writable },
    { readable: there.readable, writable: back.writable },
  ];
}

/** A mux at each end: the client and the server. */
export function muxes(options: DuplexMuxOptions = {}, [near, far] = pair()): [DuplexMux, DuplexMux] {
  return [MuxDemux(near, { role: "client", ...options }), MuxDemux(far, { role: "server", ...options })];
}

/** All streams that the other end opened, as they come. */
export function incoming(mux: DuplexMux): Stream[] {
  const streams: Stream[] = [];
  mux.on("stream", (stream) => streams.push(stream));
  return streams;
}

/** All of it, as text. */
export function textOf(stream: Stream): Promise<string> {
  return new Response(stream.readable).text();
}
