// What carries a connection where no WebSocket comes through: loaded when the first is missed (PROTOCOL.md, section 17).

import { type Carrier, keptAs } from "../carriers.ts";
import type { Session } from "../session.ts";
import type { Transport } from "../transport.ts";
import { Contest } from "./contest.ts";
import { HttpTransport } from "./http.ts";
import { announced, WebTransportTransport } from "./webtransport.ts";

/** Who does not say by then what it has is not there, or as good as that. */
const ASK_MS = 2000;
/** How long what came through is dialed first, before WebSockets are again. */
const KEEP_MS = 600_000;

/** Asks the proxy over HTTP what it has beside WebSockets, of what is wanted. Nothing if it does not answer, or does not let us in: then another carrier would not come through, either. */
export async function find(
  url: string,
  wanted: readonly Carrier[],
  protocols: readonly string[],
): Promise<Found | undefined> {
  const base = url.replace(/^ws/, "http");
  const response = await fetch(base, {
    method: "POST",
    headers: { "bss-carrier": "list" },
    cache: "no-store",
    signal: AbortSignal.timeout(ASK_MS),
  });
  if (!response.ok) return undefined;
  const { carriers, webtransport } = Object(await response.json());
  if (!Array.isArray(carriers)) return undefined;
  const starts: Starts = { http: () => new HttpTransport(base, protocols) };
  const over = announced(webtransport);
  if (over) starts.webtransport = () => new WebTransportTransport(base, over);
  const order = wanted.filter((carrier) => carriers.includes(carrier) && starts[carrier]);
  return order.length > 0 ? new Found(url, order, starts) : undefined;
}

/** How to begin a connection of each kind that can be had. */
export type Starts = { [carrier in Carrier]?: () => Transport };

/** Carriers that there are beside WebSockets. */
export class Found {
  readonly #url: string;
  readonly #order: readonly Carrier[];
  readonly #starts: Starts;
  #until = Infinity;
  #contest: Contest | undefined;
  /** What carried the connection before the one that is being made. */
  #before: Carrier | undefined;

  /** They are tried in this order, but for the one that came through before. */
  constructor(url: string, order: readonly Carrier[], starts: Starts) {
    const before = tab((storage) => storage.getItem(keptAs(url)))?.split(" ")[0];
    this.#url = url;
    this.#order = first(order, before);
    this.#starts = starts;
  }

  /** Which one carries the last connection that was made here; none where a WebSocket came first. */
  get carrier(): Carrier | undefined {
    return this.#contest?.winner ?? this.#before;
  }

  /** Whether it is to be used before WebSockets. */
  get isFresh(): boolean {
    return Date.now() < this.#until;
  }

  isDialing(session: Session): boolean {
    return this.#contest?.isFor(session) === true;
  }

  /** Makes a connection for the session, unless one is being made; the WebSocket `beside` may come first. */
  dial(session: Session, beside?: Transport): void {
    if (this.isDialing(session)) return this.#contest?.alone();
    this.#before = this.carrier;
    const runs = first(this.#order, this.#before).flatMap((carrier) => {
      const start = this.#starts[carrier];
      return start ? [{ carrier, start }] : [];
    });
    this.#contest = new Contest(session, runs, beside);
  }

  /** The proxy has answered this way: it is the first to be dialed for a while, also by the next page of the tab. */
  remember(): void {
    if (this.#until < Infinity) return;
    this.#until = Date.now() + KEEP_MS;
    tab((storage) => storage.setItem(keptAs(this.#url), `${this.carrier} ${this.#until}`));
  }

  /** No connection comes this way. */
  forget(): void {
    tab((storage) => storage.removeItem(keptAs(this.#url)));
  }
}

/** The carriers with this one before the others: what came through is what comes through. */
function first(order: readonly Carrier[], carrier: string | undefined): Carrier[] {
  return [...order].sort((a, b) => Number(b === carrier) - Number(a === carrier));
}

/** Asks the tab's storage. There is none in workers and in Node, and it throws where the user forbids it or it is full: then what is known lasts as long as this page. */
function tab<T>(ask: (storage: Storage) => T): T | undefined {
  try {
    return ask(sessionStorage);
  } catch {
    return undefined;
  }
}
