// What a connection tells its owner, and what it is told once.

import type { Trace } from "./frame.ts";
import type { LivenessLimits } from "./liveness.ts";

/** What the peer's frames meant. `T` is what the caller keeps for each stream. */
export interface Events<T> {
  /** The peer opened a stream: gives its value. */
  opened(id: number): T;
  /** Payload, never empty and only valid as part of the message it came in; one frame may come in several parts. */
  data(value: T, bytes: Uint8Array<ArrayBuffer>): void;
  /** The peer finished: no more data comes. */
  finished(value: T): void;
  /** The peer reset the stream with this code (0 from a stock peer). */
  reset(value: T, code: number): void;
  /** The peer gave credit, other than with its SYN. */
  credit(value: T): void;
  /** The stream is over: finished by both sides, which is `clean`, or reset by either. */
  ended(value: T, clean: boolean): void;
  /** Frames of the stream left: what is still queued, and whether the FIN was among them. */
  sent(value: T, queued: number, finished: boolean): void;
  pong(token: number): void;
  /** The peer takes no more streams: 0 normal, 1 protocol, 2 internal. */
  goAway(code: number): void;
}

export interface Config {
  readonly liveness?: LivenessLimits | undefined;
  /** Called with the header of every frame that comes in. */
  readonly trace?: Trace | undefined;
}
