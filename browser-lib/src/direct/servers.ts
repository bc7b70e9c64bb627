// Which servers a direct connection is made with.

import { askForServers } from "../negotiation/servers.ts";
import type { Ice } from "../resumable/direct.ts";
import type { Resumables } from "../resumable/resumables.ts";

/** What was told is good for this long, but for a login, which has to outlive a long call. */
const KEPT_MS = 60_000;

export class Servers {
  readonly #all: Resumables;
  #known: Promise<RTCIceServer[]> | undefined;
  #until = 0;

  constructor(all: Resumables) {
    this.#all = all;
  }

  /** The page's own servers where it named some, else those of the proxy; none where it has none, or does not answer. */
  async within(ice: Ice): Promise<Ice> {
    if (ice.iceServers) return ice;
    const now = performance.now();
    if (!this.#known || now >= this.#until) {
      this.#until = now + KEPT_MS;
      this.#known = askForServers(this.#all.session, this.#all.target).catch(() => []);
    }
    return { ...ice, iceServers: await this.#known };
  }
}
