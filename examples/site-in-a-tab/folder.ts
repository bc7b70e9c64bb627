// A folder of this machine: its files by their paths.

import { element } from "../echo/page.ts";

export interface Folder {
  name: string;
  /** By paths as `a/b.html`. */
  files: Map<string, File>;
}

/** More than that is no web site, and takes the page long to read. */
const FILES_MAX = 20_000;

/** The folder of a field that takes one. What begins with a dot is left out. */
export function folderOf(chosen: Iterable<File>): Folder {
  const files = new Map<string, File>();
  let name = "";
  for (const file of chosen) {
    const [top = "", ...path] = file.webkitRelativePath.split("/");
    name ||= top;
    if (isShown(path) && files.size < FILES_MAX) files.set(path.join("/"), file);
  }
  return { name, files };
}

/** Gives `take` what is dropped anywhere on the page: a folder, or some files as if they were in one. */
export function takeFolder(take: (folder: Folder) => void): void {
  let entered = 0;
  const mark = (isOver: boolean) => {
    element("drop").toggleAttribute("data-over", isOver);
    const hint = isOver ? "let go: it becomes a web site" : "or drop a folder, or files, anywhere on this page";
    if (element("hint").textContent !== hint) element("hint").textContent = hint;
  };
  addEventListener("dragenter", () => mark(++entered > 0));
  addEventListener("dragleave", () => mark(--entered > 0));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    entered = 0;
    mark(false);
    take(await dropped([...(event.dataTransfer?.items ?? [])]));
  });
}

async function dropped(items: DataTransferItem[]): Promise<Folder> {
  // All at once: what was dropped is gone after the event.
  const entries = items.map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const files = new Map<string, File>();
  const [only] = entries;
  if (entries.length === 1 && only?.isDirectory) {
    await walk(await inside(only as FileSystemDirectoryEntry), [], files);
    return { name: only.name, files };
  }
  await walk(entries, [], files);
  return { name: "what was dropped", files };
}

async function walk(entries: FileSystemEntry[], above: string[], files: Map<string, File>): Promise<void> {
  for (const entry of entries) {
    const path = [...above, entry.name];
    if (!isShown(path) || files.size >= FILES_MAX) continue;
    if (entry.isDirectory) await walk(await inside(entry as FileSystemDirectoryEntry), path, files);
    else {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      files.set(path.join("/"), file);
    }
  }
}

/** What lies in it. A browser gives a hundred at a time. */
async function inside(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  while (true) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

function isShown(path: readonly string[]): boolean {
  return path.every((name) => !name.startsWith("."));
}
