// What carries the next connection: a WebSocket, or, where none comes through, what a part that is loaded then finds.

import type { Found } from "./carriers/index.ts";
import { later, type Timer } from "./later.ts";
import type { MuxDemuxOptions } from "./mux-demux-options.ts";
import { demand } from "./options.ts";
import type { Session } from "./session.ts";
import { SUBPROTOCOL, WebSocketTransport } from "./websocket.ts";

/** What carries a connection: a WebSocket, a stream of WebTransport, or a long response of HTTP and requests. */
export type Carrier = "websocket" | "webtransport" | "http";

const ALL: readonly Carrier[] = ["websocket", "webtransport", "http"];
/** A WebSocket that is not there by then has company. */
const SLOW_MS = 1500;
/** So many that could not be made in a row, while the proxy answers by HTTP, and others have their turn. */
const MISSES = 2;
/** Who did not answer is not asked again before: a proxy that is down is known to be. */
const ASK_AGAIN_MS = 5000;

export class Carriers {
  readonly #url: string;
  readonly #options: MuxDemuxOptions;
  readonly #order: readonly Carrier[];
  readonly #retry: () => void;
  /** Looks for what there is beside WebSockets. */
  #finding: Promise<Found | undefined> | undefined;
  /** What that was, once it is known, and whether it has its turn. */
  #found: Found | undefined;
  #isUsed = false;
  /** It had, and nothing came of it. */
  #hasFailed = false;
  /** It was looked for, and there is nothing. */
  #isHopeless = false;
  #misses = 0;
  #told: Carrier | undefined;
  #timer: Timer | undefined;

  /** `retry` is called when the next attempt need not wait any more. Throws `bad_request` for what is no list of carriers. */
  constructor(url: string, options: MuxDemuxOptions, retry: () => void) {
    // Who brings a class of WebSockets wants those.
    const { WebSocket, carriers = WebSocket ? ["websocket"] : ALL } = options;
    demand(Array.isArray(carriers) && carriers[0], "carriers is a list of websocket, webtransport and http");
    [this.#url, this.#options, this.#order, this.#retry] = [url, options, carriers, retry];
  }

  /** What carries the connection that there is, or was last. */
  get carrier(): Carrier {
    return (this.#isUsed && this.#found?.carrier) || "websocket";
  }

  /** That, where it is another than when this was asked before. */
  get news(): Carrier | undefined {
    const { carrier } = this;
    const isNews = carrier !== this.#told;
    this.#told = carrier;
    return isNews ? carrier : undefined;
  }

  /** Whether there may yet be another way than those that were tried. */
  get hopes(): boolean {
    return !this.#isUsed && !this.#isHopeless && !!(this.#finding ?? this.#found);
  }

  /** Makes a connection for the session. */
  dial(session: Session): void {
    if (this.#isUsed && this.#found?.isFresh) return this.#found.dial(session);
    this.#isUsed = false;
    const place = this.#order.indexOf("websocket");
    if (place === 0 ? !isKept(this.#url) : place > 0 && this.#hasFailed) return this.#socket(session);
    const socket = () => (place < 0 ? session.gone({ code: 1006, reason: "" }) : this.#socket(session));
    this.#find().then((found) => (found ? this.#use(session, found) : socket()));
  }

  /** No connection came, or one that broke without a byte. */
  missed(session: Session): void {
    clearTimeout(this.#timer);
    if (this.#isUsed && this.#found?.isDialing(session)) return;
    if (this.#isUsed) {
      this.#found?.forget();
      this.#hasFailed = true;
      return this.#reset();
    }
    this.#misses++;
    if (this.#order.length < 2) return;
    this.#find().then((found) => {
      // The proxy is there, although no WebSocket comes through.
      if (!found || this.#isUsed || this.#misses < MISSES) return;
      this.#isUsed = true;
      this.#retry();
    });
  }

  /** The proxy has answered over the connection. */
  proven(): void {
    this.#hasFailed = this.#isHopeless = false;
    if (this.carrier === "websocket") this.#reset();
    else this.#found?.remember();
  }

  #socket(session: Session): void {
    const { WebSocket, protocols = [SUBPROTOCOL] } = this.#options;
    const socket = new WebSocketTransport(this.#url, WebSocket, protocols);
    session.dial(socket);
    if (this.#order.length < 2) return;
    const join = (found: Found | undefined) => session.isConnecting && found && this.#use(session, found, socket);
    clearTimeout(this.#timer);
    this.#timer = later(() => session.isConnecting && this.#find().then(join), SLOW_MS);
  }

  /** Dials what was found; `beside` is a WebSocket that may come yet. */
  #use(session: Session, found: Found, beside?: WebSocketTransport): void {
    this.#isUsed = true;
    found.dial(session, beside);
  }

  #find(): Promise<Found | undefined> {
    this.#finding ??= import("./carriers/index.ts")
      .then(({ find }) => find(this.#url, this.#order, this.#options.protocols ?? [SUBPROTOCOL]))
      // A proxy that is not there, whatever the reason: what is told is why there is no WebSocket.
      .catch(() => undefined)
      .then((found) => {
        this.#found = found;
        this.#isHopeless = !found;
        const again = () => {
          this.#finding = undefined;
        };
        if (!found) later(again, ASK_AGAIN_MS);
        return found;
      });
    return this.#finding;
  }

  #reset(): void {
    this.#misses = 0;
    this.#isUsed = false;
    this.#found = this.#finding = undefined;
  }
}

/** Where the tab keeps which carrier came through to this proxy, and until when that counts. */
export function keptAs(url: string): string {
  return `bss-carrier:${url}`;
}

/** Whether a WebSocket did not come through a while ago. */
function isKept(url: string): boolean {
  try {
    return Number(sessionStorage.getItem(keptAs(url))?.split(" ")[1]) > Date.now();
  } catch {
    // Without a page there is no storage, and where the user forbids it asking throws.
    return false;
  }
}
