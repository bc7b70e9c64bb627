// A file that the browser keeps for this page while it comes, so that a page that was reloaded goes on where it was.

import { type Bytes, randomHex } from "./digest.ts";
import type { Answer, Order } from "./hold.worker.ts";
import { canSaveStreams, saveBlob, saveStream } from "./save.ts";
import type { Sink } from "./sink.ts";
import type { Listed } from "./wire.ts";

const FOLDER = "file-exchange";
/** What nobody came back for is thrown away. */
const KEPT_MS = 24 * 60 * 60 * 1000;
/** The page before this one may have the lock for a moment, and then its worker the file. */
const OPEN_MS = 3_000;

/** TypeScript does not know of it yet. */
interface Movable extends FileSystemFileHandle {
  move(name: string): Promise<void>;
}

export class Held implements Sink {
  readonly continues = true;
  held = 0;
  readonly #folder: FileSystemDirectoryHandle;
  readonly #file: Listed;
  readonly #worker = new Worker(new URL("hold.worker.js", location.href));
  #unlock = (): void => {};
  readonly #waiting: { resolve(held: number): void; reject(error: Error): void }[] = [];

  private constructor(folder: FileSystemDirectoryHandle, file: Listed) {
    this.#folder = folder;
    this.#file = file;
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      const asked = this.#waiting.shift();
      if ("error" in data) asked?.reject(new Error(data.error));
      else asked?.resolve(data.held);
    };
  }

  /** Opens what is there of a file, or begins it; nothing where the browser cannot, or another tab has it. */
  static async open(exchange: string, file: Listed, piece: number): Promise<Held | undefined> {
    const folder = await folderOf(exchange, true).catch(() => undefined);
    if (!folder) return undefined;
    if (!(await isFree(file.id))) return undefined;
    const held = new Held(folder, file);
    // Until the page goes, or lets go.
    void navigator.locks.request(lockOf(file.id), () => {
      return new Promise<void>((resolve) => {
        held.#unlock = resolve;
      });
    });
    try {
      const there = await held.#order({ open: [FOLDER, exchange, file.id], withinMs: OPEN_MS });
      const whole = there >= file.size ? file.size : there - (there % piece);
      held.held = await held.#order({ cut: whole });
      return held;
    } catch {
      held.#leave();
      return undefined;
    }
  }

  #leave(): void {
    this.#worker.terminate();
    this.#unlock();
  }

  async write(bytes: Bytes): Promise<void> {
    this.held = await this.#order({ write: bytes }, [bytes.buffer]);
  }

  async last(piece: number): Promise<Bytes> {
    const start = Math.floor((this.held - 1) / piece) * piece;
    return new Uint8Array(await (await this.#whole()).slice(start).arrayBuffer());
  }

  async finish(): Promise<void> {
    if (!(await canSaveStreams())) return this.#saveBlob();
    await saveStream(this.#file, (await this.#whole()).stream());
    await this.drop();
  }

  /** As a file on the disk, which takes no memory either; but nothing tells when it was copied, so it stays until it is old. */
  async #saveBlob(): Promise<void> {
    await this.#order({ close: true });
    this.#leave();
    const handle = await this.#folder.getFileHandle(this.#file.id);
    // Under another name nobody takes it for one that is still coming.
    await (handle as Movable).move(`${this.#file.id}.${randomHex(4)}.saved`);
    saveBlob(this.#file, await handle.getFile());
  }

  async drop(): Promise<void> {
    await this.#order({ close: true });
    this.#leave();
    await this.#folder.removeEntry(this.#file.id).catch(() => {}); // Another tab may have it open, or removed it.
  }

  async #whole(): Promise<File> {
    return await (await this.#folder.getFileHandle(this.#file.id)).getFile();
  }

  #order(order: Order, transfer: Transferable[] = []): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(order, transfer);
    });
  }
}

/** Whether no other tab is getting this file; the page before this one may have it for a moment. */
export async function isFree(id: string): Promise<boolean> {
  const signal = AbortSignal.timeout(OPEN_MS);
  return await navigator.locks.request(lockOf(id), { signal }, () => true).catch(() => false);
}

function lockOf(id: string): string {
  return `file-exchange ${id}`;
}

/** Bytes that are kept of the files of an exchange, by their ids. */
export async function heldOf(exchange: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  const folder = await folderOf(exchange, false).catch(() => undefined);
  for await (const [id, handle] of folder?.entries() ?? []) {
    if (handle instanceof FileSystemFileHandle) sizes.set(id, (await handle.getFile()).size);
  }
  return sizes;
}

/** Throws away what is older than a day. */
export async function forgetOld(now = Date.now()): Promise<void> {
  const root = await navigator.storage?.getDirectory?.().catch(() => undefined);
  const all = await root?.getDirectoryHandle(FOLDER).catch(() => undefined);
  for await (const [exchange, folder] of all?.entries() ?? []) {
    if (!(folder instanceof FileSystemDirectoryHandle)) continue;
    let kept = 0;
    for await (const [id, handle] of folder.entries()) {
      if (!(handle instanceof FileSystemFileHandle)) continue;
      const { lastModified } = await handle.getFile();
      if (now - lastModified < KEPT_MS) kept++;
      else await folder.removeEntry(id).catch(() => {}); // In use.
    }
    if (kept === 0) await all?.removeEntry(exchange).catch(() => {}); // In use.
  }
}

async function folderOf(exchange: string, create: boolean): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  const all = await root.getDirectoryHandle(FOLDER, { create });
  return await all.getDirectoryHandle(exchange, { create });
}
