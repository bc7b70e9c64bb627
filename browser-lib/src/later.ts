// A timer that keeps no process alive: in Node an open socket does that.

export type Timer = ReturnType<typeof setTimeout>;

/** Calls it in so many milliseconds, or later. */
export function later(call: () => void, ms: number): Timer {
  const timer = setTimeout(call, ms);
  (timer as { unref?: () => void }).unref?.();
  return timer;
}
