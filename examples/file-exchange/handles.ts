// Files that were dropped, for the page after this one: where browsers have handles of them (Chromium), they may be read again once the user allows it.

/** TypeScript does not know of permissions yet. */
interface Handle extends FileSystemFileHandle {
  requestPermission(wanted: { mode: "read" }): Promise<PermissionState>;
}

interface Kept {
  readonly at: number;
  readonly handles: Handle[];
}

const NAME = "file-exchange";
const KEPT_MS = 24 * 60 * 60 * 1000;

/** Handles of what is dropped. To be called while the event is handled. */
export async function handlesIn(dropped: DataTransfer | null): Promise<Handle[]> {
  const items = [...(dropped?.items ?? [])] as (DataTransferItem & {
    getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
  })[];
  const handles = await Promise.all(items.map((item) => item.getAsFileSystemHandle?.()));
  return handles.filter((handle) => handle?.kind === "file") as Handle[];
}

/** Keeps handles under a code, beside those that are there. */
export async function keepHandles(code: string, handles: Handle[]): Promise<void> {
  if (handles.length === 0) return;
  const there = await keptHandles(code);
  await inStore((store) => store.put({ at: Date.now(), handles: [...there, ...handles] } satisfies Kept, code));
}

/** What is kept under a code. What is older than a day is thrown away. */
export async function keptHandles(code: string): Promise<Handle[]> {
  const codes = await inStore((store) => store.getAllKeys());
  for (const other of codes) {
    const kept = await inStore<Kept | undefined>((store) => store.get(other));
    if (kept && Date.now() - kept.at > KEPT_MS) await inStore((store) => store.delete(other));
  }
  return (await inStore<Kept | undefined>((store) => store.get(code)))?.handles ?? [];
}

export async function forgetHandles(code: string): Promise<void> {
  await inStore((store) => store.delete(code));
}

/** The files, as far as the user allows it and they are still there. Only behind a press of a button. */
export async function readAgain(handles: Handle[]): Promise<File[]> {
  const files: File[] = [];
  for (const handle of handles) {
    const permission = await handle.requestPermission({ mode: "read" });
    const file = permission === "granted" ? await handle.getFile().catch(() => undefined) : undefined;
    if (file) files.push(file);
  }
  return files;
}

async function inStore<T>(ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open(NAME, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(NAME);
  const database = await answer(opening);
  try {
    return await answer(ask(database.transaction(NAME, "readwrite").objectStore(NAME)));
  } finally {
    database.close();
  }
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
