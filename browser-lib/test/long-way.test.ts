// What a sender's credit and its allowance let through together where every round trip takes 100 ms: their steps must not fall in with one another.

import { describe, expect, it } from "vitest";
import { Drain } from "../src/drain.ts";
import { Growth, WINDOW_MAX, Window } from "../src/mux/window.ts";

const KIB = 1024;
const ONE_WAY = 50;
const MESSAGE = 64 * KIB;
const HEADER = 12;
/** Bytes of the line in a millisecond: 250 MiB/s. */
const PACE = 256 * KIB;

/** Bytes that a reader which keeps up got in each round trip, once its window is grown; `hasDrain` if the delay lies before the proxy. */
function perTrip(hasDrain: boolean): number {
  const [window, drain] = [new Window(new Growth()), new Drain()];
  /** What happens when, in the order in which it was said. */
  const agenda: { at: number; act: () => void }[] = [];
  let [now, credit, token, lineFree, received] = [0, window.credit, 0, 0, 0];

  const arrive = (bytes: number, act: () => void) => {
    lineFree = Math.max(now, lineFree) + bytes / PACE;
    agenda.push({ at: lineFree + ONE_WAY, act });
  };
  const answer = (act: () => void) => agenda.push({ at: now + ONE_WAY, act });
  const ask = () => {
    const asked = ++token;
    drain.mark(asked, now);
    arrive(HEADER, () => {
      answer(() => {
        drain.pong(asked, now);
        if (drain.isPingDue) ask();
        send();
      });
    });
  };
  const send = () => {
    while (credit > 0 && (!hasDrain || drain.isOpen)) {
      const bytes = Math.min(MESSAGE - HEADER, credit);
      credit -= bytes;
      arrive(bytes, () => take(bytes));
      if (hasDrain && drain.add(bytes + HEADER)) ask();
    }
  };
  const take = (bytes: number) => {
    received += bytes;
    window.receive(bytes);
    window.consume(bytes);
    const grant = window.tell();
    if (grant === 0) return;
    answer(() => {
      credit += grant;
      send();
    });
  };
  const until = (end: number) => {
    for (;;) {
      const first = agenda.reduce((best, { at }, index) => (at < (agenda[best]?.at ?? Infinity) ? index : best), 0);
      if ((agenda[first]?.at ?? Infinity) > end) return;
      const [next] = agenda.splice(first, 1);
      now = next?.at ?? now;
      next?.act();
    }
  };

  send();
  until(2_000);
  const before = received;
  until(6_000);
  return (received - before) / (4_000 / (2 * ONE_WAY));
}

describe("a long way", () => {
  it.each([false, true])(
    "is filled to more than nine tenths of a grown window in each round trip, drain: %s",
    (hasDrain) => {
      expect(perTrip(hasDrain) / WINDOW_MAX).toBeGreaterThan(0.9);
    },
  );
});
