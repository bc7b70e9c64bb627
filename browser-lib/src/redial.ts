// When to dial again: at once after a drop, then ever later with full jitter, never sooner than the proxy said, and at once when the page wakes.

/** The next attempt to connect. */
export interface Attempt {
  /** Counted from 1 since the last connection. */
  readonly attempt: number;
  /** Milliseconds until then, unless the page wakes earlier. */
  readonly delayMs: number;
}

const STEP_MS = 100;
const DELAY_MAX_MS = 5000;
/** What a proxy may ask for: a timer does not take any number. */
const NAMED_MAX_MS = 3_600_000;
/** What brings a page back: a network, a look at its tab, a way back to it. All but the first come to windows only, and none where there is no page. */
const WAKES = ["online", "visibilitychange", "pageshow"];
const LEAVES = "pagehide";
/** What may have taken the network away, or only one of two. */
const LOSES = "offline";

/** Waits between two attempts. Its timers may come late, as in a hidden tab: events do the work. */
export class Redial {
  readonly #dial: () => void;
  readonly #listening = new AbortController();
  #attempt = 0;
  #notBefore = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `dial` is called when it is time, `wake` when the page wakes, or may have lost its network, while nothing is planned, `leave` when it goes for good. */
  constructor(dial: () => void, wake: () => void, leave: () => void) {
    this.#dial = dial;
    const heed = ({ type, persisted }: Event & { persisted?: boolean }): void => {
      if (type === LEAVES) return persisted ? undefined : leave();
      if (type === "visibilitychange" && document.hidden) return;
      if (this.#timer === undefined) wake();
      else if (type !== LOSES) this.hurry();
    };
    // A listener for visibilitychange may sit on the window, where all three come by.
    for (const type of [...WAKES, LOSES, LEAVES])
      globalThis.addEventListener?.(type, heed, { signal: this.#listening.signal });
  }

  /** Plans the next attempt, `afterMs` from now at the earliest; {@link start} it. */
  plan(afterMs = 0): Attempt {
    const now = performance.now();
    this.#notBefore = Math.max(this.#notBefore, now + Math.min(afterMs, NAMED_MAX_MS));
    const most = this.#attempt > 0 ? Math.min(DELAY_MAX_MS, STEP_MS * 2 ** (this.#attempt - 1)) : 0;
    this.#attempt++;
    return { attempt: this.#attempt, delayMs: Math.max(this.#notBefore - now, Math.random() * most) };
  }

  /** Lets the time run; without a delay it dials now. */
  start({ delayMs }: Attempt): void {
    clearTimeout(this.#timer);
    if (delayMs > 0) this.#timer = setTimeout(() => this.#go(), delayMs);
    else this.#go();
  }

  /** Dials now if that is planned for later, but not before the time that was named. */
  hurry(): void {
    if (this.#timer !== undefined && performance.now() >= this.#notBefore) this.#go();
  }

  /** The connection was a good one: the next attempt is the first again. */
  forget(): void {
    this.#attempt = 0;
  }

  /** Nothing is planned any more, and nothing listened to. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#listening.abort();
  }

  #go(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dial();
  }
}
