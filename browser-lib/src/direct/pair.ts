// A client and one server of its streams: has one direct connection for all of them, and makes it again when it breaks.

import { later, type Timer } from "../later.ts";
import type { Ice, Kit } from "../resumable/direct.ts";
import { JOIN } from "../resumable/field.ts";
import type { Opener } from "../resumable/opener.ts";
import type { Resumable } from "../resumable/resumable.ts";
import type { Resumables } from "../resumable/resumables.ts";
import { Link, PATH } from "./link.ts";
import { ask, type Signals } from "./signals.ts";

/** The longest pause before the first try to connect again; it doubles with each that fails, up to a minute. */
const RETRY_MS = 1000;
const RETRY_MAX_MS = 60_000;
/** A connection that broke with a word did no harm; one that fell silent held up whoever rode on it, and is worth another only if it had lasted. */
const LASTED_MS = 1000;
const LASTED_SILENT_MS = 10_000;

/** A stream that is to be carried. */
interface Rider {
  readonly opener: Opener;
  /** Carriers that ended although the connection lived. */
  failures: number;
  timer: Timer | undefined;
}

export class Pair {
  readonly #all: Resumables;
  readonly #kit: Kit;
  readonly #ice: () => Promise<Ice>;
  readonly #forget: () => void;
  readonly #riders = new Map<Resumable, Rider>();
  #link: Link | undefined;
  #isAsking = false;
  #failures = 0;
  #timer: Timer | undefined;

  /** `ice` tells how to connect, `forget` is called when it has nothing to do any more. */
  constructor(all: Resumables, kit: Kit, ice: () => Promise<Ice>, forget: () => void) {
    this.#all = all;
    this.#kit = kit;
    this.#ice = ice;
    this.#forget = forget;
  }

  /** Carries a stream for as long as it lives. */
  add(stream: Resumable, opener: Opener): void {
    const rider: Rider = { opener, failures: 0, timer: undefined };
    this.#riders.set(stream, rider);
    const remove = () => {
      clearTimeout(rider.timer);
      this.#riders.delete(stream);
      this.#rest();
    };
    stream.cell.closed.then(remove, remove);
    if (this.#link?.isUp) this.#carry(stream, rider);
    // While a pause lasts, one stream more is no reason to try sooner.
    else if (!this.#timer) void this.#connect();
  }

  wake(): void {
    this.#failures = 0;
    if (this.#link?.isUp) this.#link.ask();
    else void this.#connect();
  }

  leave(): void {
    this.#stopWaiting();
    this.#link?.retire();
  }

  /** Begins an attempt, unless there is one or it has succeeded. */
  async #connect(): Promise<void> {
    this.#stopWaiting();
    const [rider] = [...this.#riders].slice(-1);
    if (!rider) return this.#rest();
    if (this.#link || this.#isAsking) return;
    const [{ endpoint }, { opener }] = rider;
    this.#isAsking = true;
    let signals: Signals | undefined;
    try {
      const [ice, asked] = await Promise.all([
        this.#ice(),
        ask(this.#all.session, this.#kit, opener.info.path, endpoint.identity),
      ]);
      signals = asked;
      this.#isAsking = false;
      if (this.#riders.size > 0) return this.#try(signals, ice);
      signals.end();
      this.#rest();
    } catch {
      // No answer, or no connection could even be tried: the streams stay on the proxy.
      signals?.abort();
      this.#isAsking = false;
      this.#again(true);
    }
  }

  #try(signals: Signals, ice: Ice): void {
    const link = new Link(this.#all, this.#kit, "client", ice, {
      say: signals.say,
      up: () => {
        signals.end();
        for (const [stream, rider] of this.#riders) this.#carry(stream, rider);
      },
      over: () => {
        if (!link.isUp) signals.abort();
        this.#link = undefined;
        this.#again(!link.isUp || link.upMs < (link.wasSilent ? LASTED_SILENT_MS : LASTED_MS));
      },
    });
    this.#link = link;
    // A server that says no more has said what it had to say, or the attempt runs out of time.
    signals.hear((note, value) => link.hear(note, value)).catch(signals.abort);
  }

  #again(hasFailed: boolean): void {
    this.#failures = hasFailed ? this.#failures + 1 : 0;
    this.#timer ??= later(() => void this.#connect(), pause(this.#failures));
    this.#rest();
  }

  #carry(stream: Resumable, rider: Rider): void {
    clearTimeout(rider.timer);
    const link = this.#link;
    if (!link?.isUp || link.isOver || !this.#riders.has(stream) || stream.endpoint.state === "freed") return;
    const ended = () => {
      if (this.#link !== link) return;
      rider.timer = later(() => this.#carry(stream, rider), pause(++rider.failures));
    };
    const cell = rider.opener.join(stream, link.session, "direct", { path: PATH, resume: JOIN });
    cell.closed.then(ended, ended);
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Without a stream and a connection there is nothing to come back for; a pause is remembered for who comes while it lasts. */
  #rest(): void {
    if (this.#riders.size > 0 || this.#link || this.#isAsking || this.#timer) return;
    this.#forget();
  }
}

/** Longer with each failure, and never the same for all. */
function pause(failures: number): number {
  return Math.random() * Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** Math.min(failures, 16));
}
