// Control frames that wait to leave; they go ahead of all data.

import type { Entry } from "./entry.ts";
import { ACK, GO_AWAY, type Outbound, PING, RST, SYN, WINDOW_UPDATE } from "./frame.ts";
import { Fifo } from "./queue.ts";

/** Pongs that wait at most; a peer that asks more often without reading gets no answer to the rest. */
const PONGS_MAX = 1024;

export class Control<T> {
  readonly #pongs = new Fifo<number>();
  readonly pings = new Fifo<number>();
  goAway: number | undefined;
  /** Streams with credit or an acknowledgement for the peer. */
  readonly news = new Fifo<Entry<T>>();
  readonly resets = new Fifo<readonly [id: number, code: number]>();

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    const { pings, news, resets } = this;
    return this.#pongs.length + pings.length + news.length + resets.length === 0 && this.goAway === undefined;
  }

  /** Queues the answer to a ping; `false` if there are too many. */
  pong(token: number): boolean {
    const fits = this.#pongs.length < PONGS_MAX;
    if (fits) this.#pongs.push(token);
    return fits;
  }

  /** Puts out the next frame; `false` if there is none. */
  putNext(out: Outbound): boolean {
    const pong = this.#pongs.shift();
    if (pong !== undefined) {
      out.header(PING, ACK, 0, pong);
      return true;
    }
    const ping = this.pings.shift();
    if (ping !== undefined) {
      out.header(PING, SYN, 0, ping);
      return true;
    }
    if (this.goAway !== undefined) {
      this.putGoAway(out);
      return true;
    }
    const entry = this.news.shift();
    if (entry) {
      this.#putNews(entry, out);
      return true;
    }
    const reset = this.resets.shift();
    if (reset) out.header(WINDOW_UPDATE, RST, reset[0], reset[1]);
    return reset !== undefined;
  }

  putGoAway(out: Outbound): void {
    if (this.goAway !== undefined) out.header(GO_AWAY, 0, 0, this.goAway);
    this.goAway = undefined;
  }

  #putNews(entry: Entry<T>, out: Outbound): void {
    if (entry.over) return;
    entry.hasNews = false;
    const flags = entry.takeSyn() | (entry.ackDue ? ACK : 0);
    entry.ackDue = false;
    // A peer that finished has no use for credit.
    const credit = entry.peerFinished ? 0 : entry.window.tell();
    if (credit > 0 || flags !== 0) out.header(WINDOW_UPDATE, flags, entry.id, credit);
  }
}
