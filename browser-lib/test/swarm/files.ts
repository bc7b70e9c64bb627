// The origin's own files, in memory: as a browser has them, with room for so many bytes.

import { vi } from "vitest";

type Bytes = Uint8Array<ArrayBuffer>;

class NotFound extends Error {
  override name = "NotFoundError";
}

class FileHandle {
  readonly kind = "file";
  bytes: Bytes | undefined;
  lastModified = Date.now();
  readonly disk: Disk;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  async getFile(): Promise<File> {
    return new File([this.bytes ?? new Uint8Array()], "", { lastModified: this.lastModified });
  }

  /** What is written appears when it is closed. */
  async createWritable() {
    let written = new Uint8Array();
    return {
      write: async (bytes: Bytes) => {
        if (this.disk.used + bytes.length > this.disk.room) throw new DOMException("no room", "QuotaExceededError");
        written = bytes.slice();
      },
      close: async () => {
        this.disk.used += written.length - (this.bytes?.length ?? 0);
        this.bytes = written;
        this.lastModified = Date.now();
      },
      abort: async () => {},
    };
  }
}

class Folder {
  readonly kind = "directory";
  readonly all = new Map<string, Folder | FileHandle>();
  readonly disk: Disk;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  async getDirectoryHandle(name: string, { create = false } = {}): Promise<Folder> {
    return this.#get(name, create, () => new Folder(this.disk)) as Folder;
  }

  async getFileHandle(name: string, { create = false } = {}): Promise<FileHandle> {
    return this.#get(name, create, () => new FileHandle(this.disk)) as FileHandle;
  }

  async removeEntry(name: string): Promise<void> {
    const entry = this.all.get(name);
    if (!entry) throw new NotFound();
    this.disk.used -= sizeOf(entry);
    this.all.delete(name);
  }

  async *entries() {
    yield* this.all.entries();
  }

  async *keys() {
    yield* this.all.keys();
  }

  #get(name: string, create: boolean, make: () => Folder | FileHandle): Folder | FileHandle {
    const known = this.all.get(name);
    if (known) return known;
    if (!create) throw new NotFound();
    const made = make();
    this.all.set(name, made);
    return made;
  }
}

function sizeOf(entry: Folder | FileHandle): number {
  if (entry instanceof FileHandle) return entry.bytes?.length ?? 0;
  return [...entry.all.values()].reduce((sum, one) => sum + sizeOf(one), 0);
}

/** A disk, and what a page sees of it once it is installed. */
export class Disk {
  used = 0;
  room = Number.POSITIVE_INFINITY;
  readonly root = new Folder(this);

  install(): this {
    vi.stubGlobal("FileSystemFileHandle", FileHandle);
    vi.stubGlobal("navigator", { storage: { getDirectory: async () => this.root } });
    return this;
  }

  /** A file below the root, by its path. */
  file(...path: string[]): FileHandle | undefined {
    let at: Folder | FileHandle | undefined = this.root;
    for (const name of path) at = at instanceof Folder ? at.all.get(name) : undefined;
    return at instanceof FileHandle ? at : undefined;
  }
}

/** The Cache API in memory. */
export class Caches {
  readonly all = new Map<string, Bytes>();

  install(): this {
    const cache = {
      keys: async () => Array.from(this.all.keys(), (url) => ({ url })),
      match: async (url: string) => {
        const bytes = this.all.get(url);
        return bytes && new Response(bytes);
      },
      put: async (url: string, response: Response) => {
        this.all.set(url, new Uint8Array(await response.arrayBuffer()));
      },
      delete: async ({ url }: { url: string }) => this.all.delete(url),
    };
    vi.stubGlobal("caches", { open: async () => cache });
    return this;
  }
}
