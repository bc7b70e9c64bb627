// What is here of direct connections before one is wanted; what makes them is a part of its own, which is loaded then.

import type { Opening } from "../opening.ts";
import { demand } from "../options.ts";
import type { prove } from "../resume/proof.ts";
import type { Session } from "../session.ts";
import type { welcome } from "./arrivals.ts";
import type { Opener } from "./opener.ts";
import type { Resumable } from "./resumable.ts";

/** How to connect directly. */
export interface DirectOptions {
  /**
   * STUN and TURN servers; unless stated, those that the proxy has (`bss serve --stun`, `--turn`). With none only ends that see each other's own addresses, as in one
   * network, connect directly.
   */
  iceServers?: RTCIceServer[] | undefined;
  /** `"relay"`: over TURN servers only, which keeps one's address to oneself. */
  iceTransportPolicy?: RTCIceTransportPolicy | undefined;
}

/** The same, where it is wanted. */
export type Ice = RTCConfiguration;

/** What the part that makes direct connections is given of the library. */
export interface Kit {
  readonly Session: typeof Session;
  readonly welcome: typeof welcome;
  readonly prove: typeof prove;
}

/** All direct connections of one MuxDemux. */
export interface Direct {
  /** Client: for as long as the stream lives. */
  carry(stream: Resumable, opener: Opener, instance: string, ice: Ice): void;
  /** Server of this name: a client wants a direct connection. */
  hear(opening: Opening, name: string): void;
  /** The page or its network is back: looks at what there is, and tries again at once. */
  wake(): void;
  /** Closes each as soon as nothing rides on it any more. */
  leave(): void;
}

/**
 * What an option `direct` says, or throws what the platform throws for one that cannot be. Nothing where the platform has no WebRTC, as in workers and Node:
 * streams stay on the proxy there.
 */
export function iceOf(direct: boolean | DirectOptions | undefined): Ice | undefined {
  demand(!direct || direct === true || Object(direct) === direct, "direct is true or an object");
  if (!direct || typeof RTCPeerConnection !== "function") return undefined;
  const ice = { ...(direct as RTCConfiguration) };
  // Throws here, where it is seen, what it would throw later.
  if (direct !== true) new RTCPeerConnection(ice).close();
  return ice;
}
