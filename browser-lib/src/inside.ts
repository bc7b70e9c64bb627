// What lies under a user's handle, for servers, clients and watches. Types only.

import type { Resumables } from "./resumable/resumables.ts";
import type { Session } from "./session.ts";

/** What they use of a MuxDemux. */
export interface Inside {
  /** Where streams are opened now, up or not. */
  readonly session: Session;
  /** The session that follows upon this one; rejects `lost` when there will be none. */
  after(session: Session): Promise<Session>;
  /** Called at `close()`, while something can still be said. */
  readonly leaving: Set<() => void>;
  /** Nothing comes any more, or we close. */
  readonly isOver: boolean;
  readonly encoding: "utf8" | undefined;
  readonly resumables: Resumables;
  /** Where it dials. */
  readonly target: string;
}
