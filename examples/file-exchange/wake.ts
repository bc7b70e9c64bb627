// Keeps a phone's screen on while something is on its way: with the screen the connection would go.

let lock: Promise<WakeLockSentinel | undefined> | undefined;

/** Call it often: a lock that went with a hidden page is asked for again. */
export async function stayAwake(isMoving: boolean): Promise<void> {
  if (!("wakeLock" in navigator) || document.hidden) return;
  const held = await lock;
  if (isMoving && (!held || held.released)) lock = navigator.wakeLock.request("screen").catch(() => undefined); // The battery is low.
  if (isMoving || !held) return;
  lock = undefined;
  await held.release();
}
