// What came from where, all pictures together, and what was passed on.

import type { Sources } from "browser-stream-server/swarm";
import { size } from "../quantity.ts";

type Sum = "from-peers" | "from-origin" | "from-here" | "passed-on";

export class Totals {
  readonly #sums: Record<Sum, number> = { "from-peers": 0, "from-origin": 0, "from-here": 0, "passed-on": 0 };
  readonly #givers = new Set<string>();
  #direct = 0;

  /** A picture is here. */
  came({ peers, direct, origin, kept, perPeer }: Sources): void {
    this.#sums["from-peers"] += peers;
    this.#sums["from-origin"] += origin;
    this.#sums["from-here"] += kept;
    this.#direct += direct;
    for (const name of Object.keys(perPeer)) this.#givers.add(name);
    this.#show();
  }

  /** So many bytes were passed on to a visitor. */
  passedOn(bytes: number): void {
    this.#sums["passed-on"] += bytes;
    this.#show();
  }

  #show(): void {
    for (const [id, bytes] of Object.entries(this.#sums)) {
      const place = document.getElementById(id) as HTMLElement;
      place.textContent = size(bytes);
      place.dataset.bytes = `${bytes}`;
    }
    (document.getElementById("saved") as HTMLElement).textContent = this.#saved();
  }

  #saved(): string {
    const { "from-peers": peers, "from-origin": origin, "from-here": here } = this.#sums;
    const all = peers + origin + here;
    if (all === 0) return "Nothing came yet.";
    if (peers === 0) return origin === 0 ? "Nothing had to come: all of it was here." : "Nobody else was there yet.";
    const visitors = this.#givers.size === 1 ? "one visitor" : `${this.#givers.size} visitors`;
    const directly = this.#direct === 0 ? "through the proxy" : `${percent(this.#direct, peers)} of that directly`;
    return `${percent(peers + here, all)} did not have to come from the origin. It came from ${visitors}, ${directly}.`;
  }
}

function percent(part: number, all: number): string {
  return `${Math.floor((100 * part) / all)} %`;
}
