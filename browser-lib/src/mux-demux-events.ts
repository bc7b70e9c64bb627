// What a MuxDemux tells of its connections. Types only.

import type { Carrier } from "./carriers.ts";
import type { Received } from "./encoding.ts";
import type { StreamError } from "./error.ts";
import type { Attempt } from "./redial.ts";
import type { Stream } from "./stream.ts";
import type { CloseInfo } from "./transport.ts";

/**
 * How it stands with the connection: it is being made, it is up, it is gone and the next attempt waits for its time, or nothing comes any more.
 */
export type ConnectionState = "connecting" | "open" | "waiting" | "closed";

/** Why there is no connection, and when the next attempt to make one is. */
export interface Reconnecting extends Attempt {
  readonly error: StreamError;
}

export interface MuxDemuxEvents<D extends Received = Received> {
  /** Another state, told before what else tells of it. */
  state: [state: ConnectionState];
  /** Something else than before carries the connection that is up now: told before "open", also of the first. */
  carrier: [carrier: Carrier];
  /** A connection is up: the first, or the next one. */
  open: [];
  /** The connection is gone, will be, or could not be made; another will be tried, at once or later. */
  reconnecting: [next: Reconnecting];
  /** It is over for good and all its streams have ended. */
  close: [info: CloseInfo];
  /** It is over, or will be with this connection, because of this: it broke or could not be made (`lost`), or the proxy does not want us (`unauthorized`). Told once. */
  error: [error: StreamError];
  /** A stream that no server took. Without a listener such streams are refused `not_found`. */
  stream: [stream: Stream<D>, meta: unknown];
  /** The proxy is about to go away; it wants to see us again after so many milliseconds, not sooner. */
  drain: [afterMs: number | undefined];
  /** The proxy says why it will close the connection. */
  bye: [code: unknown];
  /** Our token ends in so many milliseconds: a function that was given as `token` is asked for another; without one, `mdm.renew` takes it. */
  token: [leftMs: unknown];
  /** The token of `mdm.renew` counts from now on: `sub` is who we are by it, and it holds for `expires_ms` milliseconds; without, for ever. */
  renewed: [who: unknown];
  /** The proxy did not take the token of `mdm.renew`, for this `code` and `message`: the one before holds on until its end. */
  refused: [why: unknown];
  /** The proxy says which limit was reached. */
  limit: [value: unknown];
}
