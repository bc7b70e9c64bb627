// Keeps a value over a reload of its tab. It lies in the tab's storage only while no page is there, so that a duplicate of the tab has none.

export class Keep {
  readonly #key: string;
  readonly #value: () => unknown;
  readonly #listening = new AbortController();

  /** `value` is asked when the page goes. */
  constructor(key: string, value: () => unknown) {
    this.#key = key;
    this.#value = value;
    const { signal } = this.#listening;
    globalThis.addEventListener?.("pagehide", () => this.#put(), { signal });
    globalThis.addEventListener?.("pageshow", () => this.take(), { signal });
  }

  /** What the page before this one left, if it did. */
  take(): unknown {
    const text = storage()?.getItem(this.#key);
    storage()?.removeItem(this.#key);
    return text ? JSON.parse(text) : undefined;
  }

  /** Nothing is kept any more. */
  stop(): void {
    this.#listening.abort();
  }

  #put(): void {
    const value = this.#value();
    if (value) storage()?.setItem(this.#key, JSON.stringify(value));
  }
}

/** The tab's storage; there is none in workers and in Node, and asking throws where the user forbids it. */
function storage(): Storage | undefined {
  try {
    return globalThis.sessionStorage;
  } catch {
    return undefined;
  }
}
