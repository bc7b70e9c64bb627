// What a swarm tells. Types only.

import type { StreamError } from "../error.ts";
import type { From, Sources } from "./ledger.ts";
import type { Reserve } from "./policy.ts";
import type { TrackerState } from "./tracker.ts";

/** How something stands that others do not see. */
export type SwarmState =
  /** `none`: the proxy has no tracker, or does not want us; only the origin is left. */
  | { readonly about: "tracker"; readonly is: TrackerState; readonly error: StreamError | undefined }
  /** Whether we give, and why not, or less. */
  | { readonly about: "serving"; readonly is: Reserve; readonly error: StreamError | undefined }
  /** `memory`: the store has no room or cannot be had, and pieces are in memory; `changed`: a file that was seeded is another one now. */
  | { readonly about: "store"; readonly is: "memory" | "removed"; readonly id?: string; readonly error?: unknown };

export interface SwarmEvents {
  /** A fetch is done. */
  fetched: [fetched: { readonly id: string; readonly sources: Sources }];
  /** A piece left for a peer: the proxy's word on which connection that is. */
  served: [served: Served];
  /** A piece is here. */
  piece: [piece: { readonly id: string; readonly index: number; readonly from: From }];
  /** We are connected to a holder, or not any more. */
  peer: [peer: { readonly name: string; readonly is: "up" | "gone"; readonly error: StreamError | undefined }];
  /** A holder sent what is not the content; it was reported and is left alone. */
  liar: [liar: { readonly name: string; readonly id: string }];
  state: [state: SwarmState];
  /** Something that we said to the tracker was refused. */
  error: [error: StreamError];
  close: [];
}

export interface Served {
  readonly id: string;
  readonly piece: number;
  readonly bytes: number;
  readonly carrier: "proxy" | "direct";
  readonly peer: string | undefined;
}

/** What went, in bytes, since the swarm began. */
export interface SwarmStats {
  /** What came from peers: `direct` and `proxy` together, and each. It is what the origin was saved, too. */
  readonly peers: number;
  readonly direct: number;
  readonly proxy: number;
  readonly origin: number;
  /** What fetches wanted and was there. */
  readonly kept: number;
  /** What came twice, or was not the content's. */
  readonly wasted: number;
  /** What was given to peers. */
  readonly up: number;
  /** Peers that we are connected to, or about to, and peers that are connected to us. */
  readonly links: number;
  readonly clients: number;
}
