// What the sender's page leaves for the page after it, if it is loaded again. It lies in the tab's storage only while no page is there, so a duplicated tab has none.

import { readCode } from "./code.ts";
import type { Listed } from "./wire.ts";

/** The code, and the files that were shared: a page that was loaded again may not read them before they are chosen again. */
export interface Kept {
  readonly code: string;
  readonly files: Listed[];
}

const KEY = "file-exchange";

export function takeKept(): Kept | undefined {
  const text = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  const kept = text ? (JSON.parse(text) as Kept) : undefined;
  return kept && readCode(kept.code) === kept.code ? kept : undefined;
}

/** Leaves what `value` gives when the page goes. */
export function keepOnLeaving(value: () => Kept | undefined): void {
  addEventListener("pagehide", () => {
    const kept = value();
    if (kept) sessionStorage.setItem(KEY, JSON.stringify(kept));
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) sessionStorage.removeItem(KEY);
  });
}
