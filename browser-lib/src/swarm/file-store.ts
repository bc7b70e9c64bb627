// Keeps pieces in files of the origin's own (OPFS): a folder for each content, a file for each piece, which appears whole or not at all.

import { Lock } from "./lock.ts";
import type { Store, Stored } from "./store.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const FOLDER = "browser-stream-server-swarm";
const MANIFEST = "manifest";
/** Its time is when the content was used last. */
const USED = "used";

export class FileStore implements Store {
  readonly #folder: FileSystemDirectoryHandle;
  /** What makes and removes folders happens one by one, in all tabs. */
  readonly #lock = new Lock(FOLDER);

  private constructor(folder: FileSystemDirectoryHandle) {
    this.#folder = folder;
  }

  /** Nothing where the platform cannot write such files here. */
  static async open(): Promise<FileStore | undefined> {
    if (typeof FileSystemFileHandle !== "function" || !("createWritable" in FileSystemFileHandle.prototype))
      return undefined;
    const root = await navigator.storage.getDirectory();
    return new FileStore(await root.getDirectoryHandle(FOLDER, { create: true }));
  }

  list(): Promise<Stored[]> {
    return this.#lock.hold(async () => {
      const all: Stored[] = [];
      for await (const [id, handle] of this.#folder.entries()) {
        const stored = handle.kind === "directory" ? await read(id, handle as FileSystemDirectoryHandle) : undefined;
        if (stored) all.push(stored);
        // A page ended before it had said what it is.
        else await this.#folder.removeEntry(id, { recursive: true }).catch(ignore);
      }
      return all;
    });
  }

  begin(id: string, manifest: Bytes): Promise<void> {
    return this.#lock.hold(async () => {
      const folder = await this.#folder.getDirectoryHandle(id, { create: true });
      await keep(folder, MANIFEST, manifest);
      await write(folder, USED, new Uint8Array());
    });
  }

  put(id: string, piece: number, bytes: Bytes): Promise<void> {
    // Tabs may have the same one at the same time.
    return new Lock(`${FOLDER}/${id}/${piece}`).hold(async () =>
      keep(await this.#folder.getDirectoryHandle(id), `${piece}`, bytes),
    );
  }

  async get(id: string, piece: number): Promise<Bytes | undefined> {
    try {
      const folder = await this.#folder.getDirectoryHandle(id);
      return await bytesOf(folder, `${piece}`);
    } catch {
      // Another tab may have removed it.
      return undefined;
    }
  }

  async touch(id: string): Promise<void> {
    await write(await this.#folder.getDirectoryHandle(id), USED, new Uint8Array());
  }

  remove(id: string): Promise<void> {
    return this.#lock.hold(() => this.#folder.removeEntry(id, { recursive: true }).catch(ignore));
  }
}

async function read(id: string, folder: FileSystemDirectoryHandle): Promise<Stored | undefined> {
  try {
    const pieces: number[] = [];
    for await (const name of folder.keys()) if (/^\d+$/.test(name)) pieces.push(Number(name));
    const used = await (await folder.getFileHandle(USED)).getFile();
    return { id, manifest: await bytesOf(folder, MANIFEST), pieces, usedAt: used.lastModified };
  } catch {
    return undefined;
  }
}

async function bytesOf(folder: FileSystemDirectoryHandle, name: string): Promise<Bytes> {
  const file = await (await folder.getFileHandle(name)).getFile();
  return new Uint8Array(await file.arrayBuffer());
}

/** Writes what is not there yet: what is there can be read meanwhile, and stays where there is no room for more. */
async function keep(folder: FileSystemDirectoryHandle, name: string, bytes: Bytes): Promise<void> {
  const there = await bytesOf(folder, name).catch(() => undefined);
  const isThere = there?.length === bytes.length && there.every((byte, at) => byte === bytes[at]);
  if (!isThere) await write(folder, name, bytes);
}

/** What was written appears when it is closed. */
async function write(folder: FileSystemDirectoryHandle, name: string, bytes: Bytes): Promise<void> {
  const handle = await folder.getFileHandle(name, { create: true });
  const writable = await handle.createWritable();
  try {
    await writable.write(bytes);
    await writable.close();
  } catch (error) {
    await writable.abort().catch(ignore);
    // What was in it before is in it still.
    if (bytes.length > 0 && (await handle.getFile()).size === 0) await folder.removeEntry(name).catch(ignore);
    throw error;
  }
}

function ignore(): void {}
