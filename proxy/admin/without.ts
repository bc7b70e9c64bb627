// In the place of the parts of the library that this page does without, for its build only: its one stream is one of lines, and is asked for anew after a drop.

import type { Carriers as RealCarriers } from "../../browser-lib/src/carriers.ts";
import type { Resumables as Real } from "../../browser-lib/src/resumable/resumables.ts";
import type { Session } from "../../browser-lib/src/session.ts";
import { SUBPROTOCOL, WebSocketTransport } from "../../browser-lib/src/websocket.ts";

/** A WebSocket carries its connections, or nothing does. */
export class Carriers implements Pick<RealCarriers, "carrier" | "news" | "hopes" | "dial" | "missed" | "proven"> {
  readonly carrier = "websocket";
  readonly news = undefined;
  readonly hopes = false;
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  dial(session: Session): void {
    session.dial(new WebSocketTransport(this.#url, undefined, [SUBPROTOCOL]));
  }

  missed(): void {}

  proven(): void {}
}

/** What a MuxDemux calls, whatever becomes of its streams. */
type Called = Pick<Real, "isBusy" | "up" | "wake" | "giveUp" | "stats">;

/** No stream survives its connection. */
export class Resumables implements Called {
  readonly isBusy = false;

  up(): void {}

  wake(): void {}

  giveUp(): void {}

  stats(): ReturnType<Real["stats"]> {
    return { moves: 0, resent: 0 };
  }
}

/** There is no mux over a pair of streams. */
export const isDuplex = (_: unknown): boolean => false;
export const DuplexMux = absent;

/** Streams send no whole things, no values, and not only the latest. */
export const sendOver = absent;
export const deliver = absent;
export const sourceOf = absent;
export const Latest = absent;
export const Values = absent;
export const json = undefined;

function absent(): never {
  throw new TypeError("the admin page is built without this part of the library");
}
