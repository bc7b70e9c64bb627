// How a stream ends, and what a server remembers of one.

import type { Identity } from "./proof.ts";
import type { Reason } from "./record.ts";

/** How a stream ended; set once. */
export type Outcome =
  | { readonly type: "clean" }
  /** One end reset it, this one if `here`; the reason is empty in a revived tombstone that the peer reset. */
  | { readonly type: "reset"; readonly reason: Reason; readonly here: boolean }
  /** The peer could not be reached, or does not hold the stream any more. `base` is what it acknowledged. */
  | { readonly type: "lost"; readonly received: number; readonly base: number }
  /** The client's open was answered with an error, or not in time. */
  | { readonly type: "refused"; readonly reason: Reason };

/** An ended stream as its server remembers it until no late open or JOIN of it can come. */
export interface Tombstone {
  readonly identity: Identity;
  readonly outcome: Outcome;
  /** What was received, FIN counted. */
  readonly received: number;
  /** The total of the peer's direction, if FIN came. */
  readonly total: number | undefined;
  /** What the peer acknowledged, FIN counted. */
  readonly base: number;
  readonly hold: number;
  readonly expires: number;
}
