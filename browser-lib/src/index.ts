// browser-stream-server: a stream server in a browser tab.

export type { Carrier } from "./carriers.ts";
export type { Carried, Resumption } from "./cell.ts";
export type { Chunk } from "./chunk.ts";
export type { ClaimRequest, HttpPlace, Lease } from "./claim.ts";
export type { Duplex } from "./duplex.ts";
export type { DuplexMux, DuplexMuxEvents, DuplexMuxOptions } from "./duplex-mux.ts";
export { StreamError } from "./error.ts";
export type { Latest } from "./latest.ts";
export type { Code } from "./mux/codes.ts";
export { boot, MuxDemux } from "./mux-demux.ts";
export type { ConnectionState, MuxDemuxEvents, Reconnecting } from "./mux-demux-events.ts";
export type { MuxDemuxOptions } from "./mux-demux-options.ts";
export type { NodeDestination, StreamEvents } from "./node-style.ts";
export type { DirectOptions } from "./resumable/direct.ts";
export type { Kind as CarrierKind } from "./resume/carrier.ts";
export type { SealKeys } from "./seal/keys.ts";
export type { Pins } from "./seal/pins.ts";
export type { Peer as SealedPeer, SealedConnect } from "./sealed.ts";
export type { Progress, Sendable, Sending, SendOptions } from "./send.ts";
export type { SessionStats, Stats } from "./stats.ts";
export type { PeerInfo, Role, Stream, StreamOptions } from "./stream.ts";
export { type ConnectOptions, StreamClient, type StreamClientOptions } from "./stream-client.ts";
export {
  type ClientOpen,
  type HeldName,
  type ListenOptions,
  StreamServer,
  type StreamServerEvents,
  type StreamServerOptions,
  type Verdict,
} from "./stream-server.ts";
export type { Token } from "./token.ts";
export type { CloseInfo } from "./transport.ts";
export type { Codec } from "./values/codec.ts";
export { type ValueCode, ValueError } from "./values/error.ts";
export { json } from "./values/json.ts";
export type { Values, ValuesOptions } from "./values/values.ts";
export type { NameState, Watch, WatchEvents } from "./watch.ts";
export type { WebSocketClass, WebSocketLike } from "./websocket.ts";
