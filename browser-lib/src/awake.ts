// Keeps a hidden page from being frozen while somebody counts on it.

/** Held by all alike, so that nobody waits for it. */
const LOCK = "browser-stream-server";

/** A page that holds a lock is not frozen while it is hidden. Gives what lets go of it. */
export function stayAwake(): () => void {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  globalThis.navigator?.locks?.request(LOCK, { mode: "shared" }, () => released).catch(() => {});
  return release;
}
