// Typed events in Node's manner, in a few lines.

/** A method type, so that a listener may say more exactly what it takes: `(text: string) => …` where chunks are text. */
export type Listener<A extends unknown[]> = { call(...args: A): unknown }["call"];

interface Entry {
  readonly call: Listener<never>;
  readonly once: boolean;
}

/** Something that emits events. A listener that throws is reported to the page and disturbs nobody else; "error" without a listener is silent. */
export class Emitter<Events extends Record<keyof Events, unknown[]>> {
  readonly #listeners = new Map<keyof Events, Entry[]>();

  /** Calls `listener` whenever the event happens. */
  on<E extends keyof Events>(event: E, listener: Listener<Events[E]>): this {
    return this.#add(event, listener, false);
  }

  /** Calls `listener` the next time that the event happens. */
  once<E extends keyof Events>(event: E, listener: Listener<Events[E]>): this {
    return this.#add(event, listener, true);
  }

  /** Calls `listener` no more. */
  off<E extends keyof Events>(event: E, listener: Listener<Events[E]>): this {
    this.#keep(event, ({ call }) => call !== listener);
    return this;
  }

  /** As {@link on}. */
  addListener<E extends keyof Events>(event: E, listener: Listener<Events[E]>): this {
    return this.on(event, listener);
  }

  /** As {@link off}. */
  removeListener<E extends keyof Events>(event: E, listener: Listener<Events[E]>): this {
    return this.off(event, listener);
  }

  /** How many listen to an event. */
  listenerCount(event: keyof Events): number {
    return this.#of(event).length;
  }

  /** Tells all listeners; whether there was one. */
  emit<E extends keyof Events>(event: E, ...args: Events[E]): boolean {
    const entries = this.#of(event);
    for (const entry of entries) {
      if (entry.once) this.#keep(event, (other) => other !== entry);
      try {
        (entry.call as Listener<Events[E]>)(...args);
      } catch (error) {
        report(error);
      }
    }
    return entries.length > 0;
  }

  #of(event: keyof Events) {
    return this.#listeners.get(event) ?? [];
  }

  #keep(event: keyof Events, isKept: (entry: Entry) => boolean): void {
    this.#listeners.set(event, this.#of(event).filter(isKept));
  }

  #add<E extends keyof Events>(event: E, listener: Listener<Events[E]>, once: boolean): this {
    // A new list, so that one being called is not disturbed.
    this.#listeners.set(event, [...this.#of(event), { call: listener as Listener<never>, once }]);
    return this;
  }
}

/** Shows a fault of the user's code where such faults are shown, without disturbing who called it. */
export function report(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
