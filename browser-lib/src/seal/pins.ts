// The keys of servers that were connected to by name alone: the first that was told is remembered, and another is not taken for it.

import { StreamError } from "../error.ts";

/** Where keys are remembered, by server: the proxy's URL and the path there. */
export interface Pins {
  get(server: string): string | undefined | null | Promise<string | undefined | null>;
  set(server: string, key: string): unknown;
}

const STORED = "bss-seal-pins";

/** Those of the page's origin, or of this program where there is no `localStorage`. */
class StoredPins implements Pins {
  readonly #known = new Map<string, string>();

  get(server: string): string | undefined {
    return this.#read().get(server);
  }

  set(server: string, key: string): void {
    this.#write(this.#read().set(server, key));
  }

  /** Forgets a server's key, so that the next one that is told is taken. */
  delete(server: string): void {
    const pins = this.#read();
    pins.delete(server);
    this.#write(pins);
  }

  /** All that are known. */
  entries(): [server: string, key: string][] {
    return [...this.#read()];
  }

  #read(): Map<string, string> {
    const text = storage()?.getItem(STORED);
    return text ? new Map(Object.entries(JSON.parse(text) as Record<string, string>)) : this.#known;
  }

  #write(pins: Map<string, string>): void {
    storage()?.setItem(STORED, JSON.stringify(Object.fromEntries(pins)));
  }
}

export const pins = new StoredPins();

/** There is none in workers and in Node, and asking throws where the user forbids it. */
function storage(): Storage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}

/** What is being remembered, one after the other: none takes another's place. */
const remembering = new WeakMap<Pins, Promise<unknown>>();

/** Remembers the key that a server has shown to be its own; rejects `key_changed` where it has another by now, and where it cannot be remembered. */
export function remember(pins: Pins, server: string, key: string): Promise<void> {
  const before = remembering.get(pins);
  const remembered = (async () => {
    await before?.catch(() => {});
    const known = await pins.get(server);
    if (known === undefined || known === null) await pins.set(server, key);
    else if (known !== key) throw changed(key, known, true);
  })().catch((error) => {
    throw error instanceof StreamError
      ? error
      : new StreamError("internal", `the server's key cannot be remembered: ${error}`);
  });
  remembering.set(pins, remembered);
  return remembered;
}

/** The error for a server that shows this key instead of the one of its address or its pin. */
export function changed(shown: string, known: string, isPinned: boolean): StreamError {
  const what = isPinned ? "whether its key is new, and delete the pin of the old one then" : "for its address anew";
  return new StreamError("key_changed", `it shows ${shown} instead of ${known}: ask whoever runs it ${what}`);
}
