// Writes a file of the browser's private file system in place: only a worker may, and only so is it there after a reload.

/** What the page wants. Each is answered in turn. */
export type Order =
  | { open: string[]; withinMs: number }
  | { cut: number }
  | { write: Uint8Array<ArrayBuffer> }
  | { close: true };

/** How many bytes are there now, or what failed. */
export type Answer = { held: number } | { error: string };

/** TypeScript has this for workers only, and the rest of this folder is a page's. */
interface AccessHandle {
  getSize(): number;
  truncate(size: number): void;
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}

/** The error for a file that is open elsewhere. */
const IN_USE = "NoModificationAllowedError";
const AGAIN_MS = 50;

let file: AccessHandle | undefined;
let held = 0;
let turn = Promise.resolve();

addEventListener("message", ({ data }: MessageEvent<Order>) => {
  turn = turn.then(async () => {
    try {
      await obey(data);
      postMessage({ held } satisfies Answer);
    } catch (error) {
      postMessage({ error: String(error) } satisfies Answer);
    }
  });
});

async function obey(order: Order): Promise<void> {
  if ("open" in order) {
    file = await open(order.open, order.withinMs);
    held = file.getSize();
  } else if ("cut" in order) {
    file?.truncate(order.cut);
    held = order.cut;
  } else if ("write" in order) {
    const written = file?.write(order.write, { at: held });
    if (written !== order.write.length) throw new Error("There is no room left.");
    held += written;
  } else {
    file?.close();
    file = undefined;
  }
}

async function open(path: string[], withinMs: number): Promise<AccessHandle> {
  let folder = await navigator.storage.getDirectory();
  for (const name of path.slice(0, -1)) folder = await folder.getDirectoryHandle(name, { create: true });
  const handle = await folder.getFileHandle(path.at(-1) ?? "", { create: true });
  const file = handle as unknown as { createSyncAccessHandle(): Promise<AccessHandle> };
  for (const until = performance.now() + withinMs; ; ) {
    try {
      return await file.createSyncAccessHandle();
    } catch (error) {
      // Our page has the lock: only the worker of the page before it can have the file, and goes. Nothing tells when.
      if ((error as Error).name !== IN_USE || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}
