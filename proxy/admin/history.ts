// The last minutes of the overview, for the charts. The proxy keeps none: it begins when the page is opened.

import type { Overview } from "./wire.ts";

/** One column per chart line, `null` where nothing is known. */
export interface History {
  /** Seconds since 1970. */
  readonly time: readonly number[];
  readonly lines: Readonly<Record<string, readonly (number | null)[]>>;
  readonly last: Overview | undefined;
  /** What the next one is compared to: the newest of which there is an entry. */
  readonly base: Overview | undefined;
}

export const LINES = ["received_rate", "sent_rate", "memory_used", "rss", "sessions", "streams", "names"] as const;
/** What is shown, and kept. */
export const SECONDS = 300;
/** A pause of more seconds than this is a gap. */
const PAUSE = 3;
/** What comes sooner after another is no entry of its own, for it tells too little of a second. */
const SOON = 0.5;

export const NOTHING: History = {
  time: [],
  lines: Object.fromEntries(LINES.map((line) => [line, []])),
  last: undefined,
  base: undefined,
};

export function record(history: History, overview: Overview): History {
  const { base } = history;
  const now = (overview.counts.now_ms ?? 0) / 1000;
  const before = (base?.counts.now_ms ?? 0) / 1000;
  // A clock was set back.
  if (now < before - PAUSE) return record(NOTHING, overview);
  if (now < before + SOON) return { ...history, last: overview };
  const isGap = base !== undefined && now - before > PAUSE;
  const rate = (total: string): number | null => {
    const more = (overview.counts[total] ?? Number.NaN) - (base?.counts[total] ?? Number.NaN);
    // Another process counts from nothing.
    return isGap || !(more >= 0) ? null : more / (now - before);
  };
  const values: Record<string, number | null> = { received_rate: rate("received"), sent_rate: rate("sent") };
  const cut = history.time.findIndex((time) => time >= now - SECONDS);
  const from = cut < 0 ? history.time.length : cut;
  const gap = isGap ? [before + 1] : [];
  const lines = LINES.map((line) => {
    const value = line in values ? values[line] : overview.counts[line];
    return [line, [...(history.lines[line] ?? []).slice(from), ...gap.map(() => null), value ?? null]];
  });
  return {
    time: [...history.time.slice(from), ...gap, now],
    lines: Object.fromEntries(lines),
    last: overview,
    base: overview,
  };
}

/** What the newest entry of a line is. */
export function newest(history: History, line: string): number | undefined {
  return history.lines[line]?.at(-1) ?? undefined;
}
