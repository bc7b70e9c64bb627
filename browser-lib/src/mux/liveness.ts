// Whether the peer is still there: the pings that nobody answered yet, and how long nothing came.

import { Fifo } from "./queue.ts";

/** How a session finds out that its peer is gone, in milliseconds. */
export interface LivenessLimits {
  /** Dead when no byte came for this long. */
  readonly silenceMax: number;
  /** Dead when a ping of ours and all after it stayed without an answer, and nothing else came either. */
  readonly pingTimeout: number;
}

/** What libraries use (PROTOCOL.md, section 1). */
export const LIBRARY_LIVENESS: LivenessLimits = { silenceMax: 60_000, pingTimeout: 10_000 };

interface Ping {
  readonly token: number;
  readonly at: number;
}

export class Liveness {
  readonly #limits: LivenessLimits;
  readonly #pings = new Fifo<Ping>();
  #heard: number;
  #nextToken = 0;
  #ticked: number;
  /** Asked once more after a sleep, and heard nothing since. */
  #asked = false;
  rtt: number | undefined;

  constructor(limits: LivenessLimits, now: number) {
    this.#limits = limits;
    this.#heard = this.#ticked = now;
  }

  heard(now: number): void {
    this.#heard = now;
    this.#asked = false;
  }

  /** The token of a new ping. */
  ping(now: number): number {
    const token = this.#nextToken;
    this.#nextToken = (token + 1) >>> 0;
    this.#pings.push({ token, at: now });
    return token;
  }

  /** Whether that was the answer to the oldest of our pings. */
  pong(token: number, now: number): boolean {
    const ping = this.#pings.peek();
    if (ping?.token !== token) return false;
    this.#pings.shift();
    this.rtt = now - ping.at;
    return true;
  }

  /**
   * Judges the silence so far: `"dead"`, or the token of a ping to send, or neither.
   *
   * Bytes of any kind count as an answer: on a slow line a pong waits behind what was sent before it. A page that slept through its ticks
   * asks once more before it trusts the silence.
   */
  tick(now: number): "dead" | number | undefined {
    const { silenceMax, pingTimeout } = this.#limits;
    const slept = now - this.#ticked > 1.5 * pingTimeout;
    this.#ticked = now;
    const oldest = this.#pings.peek();
    if (!oldest) return now - this.#heard >= silenceMax - pingTimeout ? this.ping(now) : undefined;
    if (now - Math.max(oldest.at, this.#heard) < pingTimeout) return undefined;
    if (!slept || this.#asked) return "dead";
    this.#asked = true;
    return this.ping(now);
  }
}
