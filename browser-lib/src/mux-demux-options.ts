// How a MuxDemux dials, and what its streams give. Types only.

import type { Carrier } from "./carriers.ts";
import type { Token } from "./token.ts";
import type { WebSocketClass } from "./websocket.ts";

export interface MuxDemuxOptions {
  /**
   * Who we are, for a proxy that asks. A function is asked for each connection, and when the proxy wants a new token. It travels inside the connection, never
   * in the URL.
   */
  token?: Token;
  /** The class to dial with where the platform has none (in Node 20: the `ws` package's). */
  WebSocket?: WebSocketClass | undefined;
  /**
   * What may carry a connection, in the order in which it is tried: `["websocket", "webtransport", "http"]` unless stated, and `["websocket"]` where `WebSocket` is
   * given. The others are tried where the proxy answers by HTTP and no WebSocket comes through; which one did is remembered for ten minutes.
   */
  carriers?: readonly Carrier[] | undefined;
  /** Makes "data" of all streams give strings, unless a stream says otherwise. */
  encoding?: "utf8" | undefined;
  /** Logs every frame to the console. */
  debug?: boolean | undefined;
  /** Subprotocols to offer; `bss.1` unless stated. */
  protocols?: readonly string[] | undefined;
  /** `false`: the first connection is the only one. */
  reconnect?: boolean | undefined;
}
