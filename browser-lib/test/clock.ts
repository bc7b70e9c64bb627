import { afterEach, beforeEach, vi } from "vitest";

/** In the tests below, timers wait until they are told to run, no delay has jitter, and what a test replaced of the page is put back behind it. */
export function holdClock(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    vi.spyOn(Math, "random").mockReturnValue(0.5);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });
}
