/** How long a direct path that falls silent may cost whoever is on it. */

/** What is promised, and half a second for a machine that is shared. */
const NOTICED_MS = 3500;
/** A page that stood still waits for an answer once more: one that came meanwhile is yet to be heard. */
const ASKED_AGAIN_MS = 1500;

/** Milliseconds until all are back on the proxy, where pages stood still meanwhile for so many each time. */
export function noticedWithin(stood: readonly number[]): number {
  return stood.reduce((sum, ms) => sum + ms + ASKED_AGAIN_MS, NOTICED_MS);
}
