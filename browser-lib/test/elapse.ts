import { vi } from "vitest";
// Loaded here, so that no test waits for the disk while its clock stands.
import "../src/direct/direct.ts";

/** What WebCrypto has yet to compute, which takes time that no clock of a test knows. */
let computing = 0;

/** Holds the clock for the test, but not while something is computed. */
export function holdClock(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const { subtle } = crypto;
  for (const name of ["importKey", "sign"] as const) {
    const real = subtle[name].bind(subtle) as (...args: unknown[]) => Promise<unknown>;
    vi.spyOn(subtle, name as "sign").mockImplementation(async (...args: unknown[]) => {
      computing++;
      try {
        return (await real(...args)) as ArrayBuffer;
      } finally {
        computing--;
      }
    });
  }
}

/** Time passes for the page in steps of so many milliseconds, and what needs none comes in between: messages and proofs. */
export async function elapse(ms: number, step = 100): Promise<void> {
  for (let at = 0; at < ms; at += step) {
    for (let turn = 0; turn < 4 || computing > 0; turn++) await new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(step);
  }
}
