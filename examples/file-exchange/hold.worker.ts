// Writes a file of the browser's private file system in place: only a worker may, and only so is it there after a reload.

/** What the page wants. Each is answered in turn. */
export type Order = { open: string[] } | { cut: number } | { write: Uint8Array<ArrayBuffer> } | { close: true };

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
    file = await open(order.open);
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

async function open(path: string[]): Promise<AccessHandle> {
  let folder = await navigator.storage.getDirectory();
  for (const name of path.slice(0, -1)) folder = await folder.getDirectoryHandle(name, { create: true });
  const handle = await folder.getFileHandle(path.at(-1) ?? "", { create: true });
  return await (handle as unknown as { createSyncAccessHandle(): Promise<AccessHandle> }).createSyncAccessHandle();
}
