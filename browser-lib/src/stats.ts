// What is counted. Types only.

/** What was counted. */
export interface Stats extends SessionStats {
  /** Times that resumable streams went on over another connection, and bytes that were sent more than once for them. */
  readonly moves: number;
  readonly resent: number;
}

/** What a session counted. */
export interface SessionStats {
  /** Streams that live. */
  readonly streams: number;
  /** Bytes that streams wait to send. */
  readonly queued: number;
  /** Bytes sent and received, headers included. */
  readonly sent: number;
  readonly received: number;
  /** Bytes that may be under way to the proxy. */
  readonly allowance: number;
  /** Milliseconds that the last ping to the proxy took. */
  readonly rtt: number | undefined;
  /** Frames that had no meaning. */
  readonly dropped: number;
}
