// What a page leaves for the page after it, if it is loaded again. It lies in the tab's storage only while no page is there, so a duplicated tab has none.

export function takeKept<T>(key: string): T | undefined {
  const text = sessionStorage.getItem(key);
  sessionStorage.removeItem(key);
  return text ? (JSON.parse(text) as T) : undefined;
}

/** Leaves what `value` gives when the page goes. */
export function keepOnLeaving<T>(key: string, value: () => T | undefined): void {
  addEventListener("pagehide", () => {
    const kept = value();
    if (kept) sessionStorage.setItem(key, JSON.stringify(kept));
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) sessionStorage.removeItem(key);
  });
}
