// What a visitor gets: the file, the folder's index.html or a list of what is in it, or a page that says that there is nothing.

import { fileResponse } from "browser-stream-server/http";
import { size } from "../quantity.ts";
import type { Folder } from "./folder.ts";
import { typeOf } from "./media-type.ts";

/** Answers a request with what the folder has. */
export function answer(request: Request, { name, files }: Folder): Response {
  const { pathname, search } = new URL(request.url);
  const path = decoded(pathname.slice(1));
  if (path === undefined) return missing(request, files);
  const file = files.get(path);
  if (file) return send(request, path, file);
  const isFolder = path === "" || path.endsWith("/");
  const index = files.get(`${path}index.html`);
  if (isFolder && index) return send(request, "index.html", index);
  const entries = list(files, isFolder ? path : `${path}/`);
  if (entries.length === 0) return missing(request, files);
  // Links of a folder's page lead below it only with the slash at its end.
  if (!isFolder) return new Response(null, { status: 308, headers: { location: `${pathname}/${search}` } });
  return page(200, `${name}/${path}`, links(path !== "", entries));
}

function send(request: Request, path: string, file: File): Response {
  // A file that changed on the disk cannot be read by the page any more: its visitor sees the answer break off.
  return fileResponse(request, file, { type: typeOf(path, file.type), headers: { "cache-control": "no-cache" } });
}

interface Entry {
  name: string;
  size: number | undefined;
}

/** What lies right below a folder: its folders, then its files. */
function list(files: Folder["files"], folder: string): Entry[] {
  const entries = new Map<string, number | undefined>();
  for (const [path, file] of files) {
    if (!path.startsWith(folder)) continue;
    const [name = "", ...below] = path.slice(folder.length).split("/");
    if (below.length > 0) entries.set(`${name}/`, undefined);
    else entries.set(name, file.size);
  }
  const all = [...entries].map(([name, size]) => ({ name, size }));
  const isFile = ({ size }: Entry) => Number(size !== undefined);
  return all.sort((a, b) => isFile(a) - isFile(b) || a.name.localeCompare(b.name, "en", { numeric: true }));
}

function missing(request: Request, files: Folder["files"]): Response {
  const own = files.get("404.html");
  if (!own) {
    // Below a path of the proxy's a link that begins with a slash would lead out of the site.
    const up = "../".repeat(new URL(request.url).pathname.split("/").length - 2);
    return page(404, "There is nothing at this address", `<p><a href="./${up}">To the start</a></p>`);
  }
  const shown = fileResponse(new Request(request.url), own, { type: "text/html; charset=utf-8" });
  return new Response(shown.body, { status: 404, headers: shown.headers });
}

/** Links to what is in a folder, and to the one above. Names are text in them, whatever they are. */
function links(isBelow: boolean, entries: Entry[]): string {
  const up = isBelow ? [`<li><a href="../">..</a></li>`] : [];
  const lines = entries.map(
    ({ name, size: bytes }) =>
      `<li><a href="${escaped(`./${encodeURIComponent(name).replace(/%2F$/, "/")}`)}">${escaped(name)}</a>${bytes === undefined ? "" : ` <small>${size(bytes)}</small>`}</li>`,
  );
  return `<ul>${[...up, ...lines].join("")}</ul>`;
}

/** A page of ours. */
function page(status: number, title: string, content: string): Response {
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>:root{color-scheme:light dark;background:Canvas;color:CanvasText;font:1rem/1.8 system-ui,sans-serif}body{max-width:40rem;margin:2rem auto;padding:0 1.25rem;overflow-wrap:anywhere}ul{list-style:none;padding:0}small{opacity:.65}</style><h1>${escaped(title)}</h1>${content}`;
  return new Response(body, { status, headers: { "content-type": "text/html; charset=utf-8" } });
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path).normalize("NFC");
  } catch {
    return undefined;
  }
}
