// How much goes between two people, from one look at a connection's figures to the next.

export interface Traffic {
  /** Bits per second that come from that person, and that go there. */
  readonly down: number;
  readonly up: number;
  /** What part of that person's packets, or messages, was lost on the way, 0 to 1. */
  readonly lost: number;
  /** The time there and back; nothing where nobody measured it. */
  readonly ms: number | undefined;
  /** All frames of that person's that were decoded. */
  readonly frames: number;
}

/** Sums since the beginning. */
export interface Totals {
  readonly received: number;
  readonly sent: number;
  readonly came: number;
  readonly missing: number;
  readonly frames: number;
  /** Grows with anything that comes from the other side, if only an answer to whether it is there. */
  readonly heard: number;
  readonly ms?: number | undefined;
}

/** What is read of an entry of `RTCPeerConnection.getStats()`. */
interface Entry {
  readonly type: string;
  readonly bytesReceived?: number;
  readonly bytesSent?: number;
  readonly packetsReceived?: number;
  readonly packetsLost?: number;
  readonly framesDecoded?: number;
  readonly nominated?: boolean;
  readonly requestsReceived?: number;
  readonly responsesReceived?: number;
  readonly currentRoundTripTime?: number;
}

/** The sums of a connection's media. */
export function totalsOf(entries: Iterable<Entry>): Totals {
  let [received, sent, came, missing, frames, heard] = [0, 0, 0, 0, 0, 0];
  let ms: number | undefined;
  for (const entry of entries) {
    if (entry.type === "inbound-rtp") {
      received += entry.bytesReceived ?? 0;
      came += entry.packetsReceived ?? 0;
      missing += Math.max(0, entry.packetsLost ?? 0);
      frames += entry.framesDecoded ?? 0;
    } else if (entry.type === "outbound-rtp") sent += entry.bytesSent ?? 0;
    else if (entry.type === "candidate-pair") {
      heard += (entry.bytesReceived ?? 0) + (entry.requestsReceived ?? 0) + (entry.responsesReceived ?? 0);
      if (entry.nominated && entry.currentRoundTripTime !== undefined) ms = entry.currentRoundTripTime * 1000;
    }
  }
  return { received, sent, came, missing, frames, heard: heard + received, ms };
}

/** Figures of a connection over which nothing came for longer say nothing of now. */
const FRESH_MS = 3000;

export class Meter {
  #before: Totals | undefined;
  #at = 0;
  #heardAt = Number.NEGATIVE_INFINITY;

  /** Whether what was read still holds at `now`. */
  isFresh(now: number): boolean {
    return now - this.#heardAt <= FRESH_MS;
  }

  /** What went since the last look, at `now` in milliseconds. Sums that are smaller than before are those of another connection. */
  read(totals: Totals, now: number): Traffic {
    const { received, sent, came, missing, frames, ms } = totals;
    const before = this.#before ?? totals;
    const seconds = (now - this.#at) / 1000;
    const since = (after: number, then: number) => Math.max(0, after - then);
    const rate = (after: number, then: number) => (seconds > 0 ? (8 * since(after, then)) / seconds : 0);
    const lost = since(missing, before.missing);
    const all = lost + since(came, before.came);
    const isFirst = this.#before === undefined;
    if (totals.heard !== before.heard || isFirst) this.#heardAt = now;
    this.#before = totals;
    this.#at = now;
    return {
      down: isFirst ? 0 : rate(received, before.received),
      up: isFirst ? 0 : rate(sent, before.sent),
      lost: all > 0 ? lost / all : 0,
      ms,
      frames,
    };
  }
}

/** In words. */
export function sayTraffic({ down, up, lost, ms }: Traffic): string {
  const parts = [`↓ ${bits(down)}`, `↑ ${bits(up)}`, `${(100 * lost).toFixed(1)} % lost`];
  if (ms !== undefined) parts.push(`${ms.toFixed(0)} ms`);
  // Where a line is short it breaks between them.
  return parts.map((part) => part.replaceAll(" ", "\u00a0")).join(" · ");
}

/** Bits per second in words. */
export function bits(rate: number): string {
  return rate < 999_500 ? `${Math.round(rate / 1000)} kbit/s` : `${(rate / 1e6).toFixed(1)} Mbit/s`;
}
