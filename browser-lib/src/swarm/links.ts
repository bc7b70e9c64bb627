// Our streams to holders, by name: one each, for all fetches.

import type { StreamError } from "../error.ts";
import type { Stream } from "../stream.ts";
import { Link } from "./link.ts";

/** Why a holder is reported. */
export type Failure = "connect" | "stalled" | "lied" | "left";

export interface LinksHooks {
  connect(name: string): Stream;
  /** A holder accepted us. */
  joined(link: Link): void;
  left(link: Link, error: StreamError): void;
  failed(name: string, why: Failure): void;
}

/** A holder that failed is not tried again for so long; the tracker's own memory is 60 s. Milliseconds. */
const SHUN_MS = 30_000;

export class Links {
  readonly #hooks: LinksHooks;
  readonly #links = new Map<string, Link>();
  readonly #shunned = new Map<string, number>();

  constructor(hooks: LinksHooks) {
    this.#hooks = hooks;
  }

  /** The link to that holder, up or on its way; none where it failed of late. */
  to(name: string): Link | undefined {
    const known = this.#links.get(name);
    if (known) return known;
    if ((this.#shunned.get(name) ?? 0) > performance.now()) return undefined;
    const link: Link = new Link(name, this.#hooks.connect(name), (error, wasUp, isOwed) => {
      this.#links.delete(name);
      if (!wasUp) this.shun(name, "connect", error.code === "cancelled");
      else {
        if (error.code === "bad_request") this.shun(name, "lied");
        else if (isOwed)
          this.shun(name, error.code === "unresponsive" ? "stalled" : "left", error.code === "cancelled");
        this.#hooks.left(link, error);
      }
    });
    this.#links.set(name, link);
    link.up.then(
      () => this.#hooks.joined(link),
      () => {},
    );
    return link;
  }

  /** Leaves a holder alone for a while, and reports it, unless it was our own doing. */
  shun(name: string, why: Failure, isOurs = false): void {
    if (isOurs) return;
    const now = performance.now();
    for (const [other, until] of this.#shunned) if (until <= now) this.#shunned.delete(other);
    this.#shunned.set(name, now + SHUN_MS);
    this.#hooks.failed(name, why);
  }

  /** Those that are up, or on their way. */
  get all(): Link[] {
    return [...this.#links.values()];
  }

  close(): void {
    for (const link of this.all) link.close();
  }
}
