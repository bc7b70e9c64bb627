/** Waiting on a condition, always with a bound and a sentence about what was waited for. */

/** How often a condition that has no event is looked at. */
const LOOK_EVERY_MS = 20;

/**
 * The promise's value, or an error that says what did not happen in time.
 *
 * @template T
 * @param {number} ms
 * @param {string} what
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
export async function within(ms, what, promise) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return /** @type {T} */ (await Promise.race([promise, late]));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Looks until `condition` gives something true and returns that.
 *
 * @template T
 * @param {number} ms
 * @param {string} what
 * @param {() => T | Promise<T>} condition
 * @returns {Promise<T>}
 */
export async function until(ms, what, condition) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
