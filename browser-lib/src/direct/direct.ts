// Direct connections: what is loaded when the first is wanted (RESUME.md, section 11).

import { StreamError } from "../error.ts";
import { fromHex } from "../hex.ts";
import { later } from "../later.ts";
import type { Opening } from "../opening.ts";
import type { Direct, Ice, Kit } from "../resumable/direct.ts";
import type { Opener } from "../resumable/opener.ts";
import type { Resumable } from "../resumable/resumable.ts";
import type { Resumables } from "../resumable/resumables.ts";
import { Link } from "./link.ts";
import { Pair } from "./pair.ts";
import { Servers } from "./servers.ts";
import { answer, VERSION } from "./signals.ts";

/** Connections that clients may have here; a browser has a few hundred in all. Whoever is one too many stays on the proxy. */
const LINKS_MAX = 128;
/** And those of one client, which needs one for each name that it connects to, and each way to do that: nobody has them all. */
const CLIENT_LINKS_MAX = 4;
/** Signals that go on for longer lead to nothing: an attempt is over sooner. */
const SIGNALS_MS = 10_000;

class Connections implements Direct {
  readonly #all: Resumables;
  readonly #kit: Kit;
  readonly #servers: Servers;
  /** Those of our clients, by server, and how they are to connect. */
  readonly #pairs = new Map<string, Pair>();
  /** Those that clients made, by the stream that they did it for. */
  readonly #links = new Map<Resumable, Link>();

  constructor(all: Resumables, kit: Kit) {
    this.#all = all;
    this.#kit = kit;
    this.#servers = new Servers(all);
  }

  carry(stream: Resumable, opener: Opener, instance: string, ice: Ice): void {
    const key = JSON.stringify([opener.info.path, instance, ice]);
    const pair =
      this.#pairs.get(key) ??
      new Pair(
        this.#all,
        this.#kit,
        () => this.#servers.within(ice),
        () => this.#pairs.delete(key),
      );
    this.#pairs.set(key, pair);
    pair.add(stream, opener);
  }

  /** Nobody but a client that was accepted, where both want it, hears more than that there is nothing. */
  hear(opening: Opening, name: string): void {
    const { v, signal, nonce } = opening.resume as { v?: unknown; signal?: unknown; nonce?: unknown };
    const [id, fresh] = [fromHex(signal, 16), fromHex(nonce, 16)];
    if (v !== VERSION || !id || !fresh) {
      return opening.refuse(new StreamError("bad_request", "signals name a stream and have a nonce"));
    }
    const stream = this.#all.registry.get(id);
    const isOurs = stream && "ice" in stream && stream.endpoint.identity.name === name && !stream.cell.isOver;
    if (isOurs && stream.ice) void this.#answer(opening, stream, fresh, stream.ice);
    else opening.refuse(new StreamError("gone"));
  }

  wake(): void {
    for (const pair of this.#pairs.values()) pair.wake();
    for (const link of this.#links.values()) if (link.isUp) link.ask();
  }

  leave(): void {
    for (const pair of this.#pairs.values()) pair.leave();
    for (const link of this.#links.values()) link.retire();
  }

  /** A client that asks again for the same stream gives up what it had. */
  async #answer(opening: Opening, stream: Resumable, nonce: Uint8Array<ArrayBuffer>, ice: Ice): Promise<void> {
    const client = (opening.peer as { session?: unknown } | null | undefined)?.session;
    const [full, signals] = await Promise.all([
      this.#servers.within(ice),
      answer(this.#kit, opening, stream.endpoint.identity, nonce),
    ]);
    const timer = later(signals.abort, SIGNALS_MS);
    let link: Link | undefined;
    const begin = (): Link | undefined => {
      this.#links.get(stream)?.end();
      const theirs = [...this.#links.values()].filter((link) => link.client === client);
      if (this.#links.size >= LINKS_MAX || theirs.length >= CLIENT_LINKS_MAX) return undefined;
      const begun = new Link(this.#all, this.#kit, "server", full, {
        say: signals.say,
        up: signals.end,
        over: () => {
          if (this.#links.get(stream) === begun) this.#links.delete(stream);
          if (!begun.isUp) signals.abort();
        },
      });
      begun.client = client;
      this.#links.set(stream, begun);
      return begun;
    };
    try {
      await signals.hear((note, value) => {
        link ??= begin();
        if (link) link.hear(note, value);
        else signals.abort();
      });
      signals.end();
    } catch {
      // The client gave the attempt up, or there can be no connection more; one that has succeeded needs no more signals.
      if (!link?.isUp) {
        link?.end();
        signals.abort();
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

export function create(all: Resumables, kit: Kit): Direct {
  return new Connections(all, kit);
}
