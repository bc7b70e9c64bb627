// A folder that is dropped here is a web site: `/examples/site-in-a-tab/?name=NAME` has the name in its address, so that the site has it again when the page is loaded again.

import type { MuxDemux } from "browser-stream-server";
import { type Answered, type HttpServer, serveHttp } from "browser-stream-server/http";
import { copyText } from "../copy.ts";
import { button, duration, element, explain, follow, prefix, show, tell } from "../echo/page.ts";
import { size } from "../quantity.ts";
import { dial, offer } from "../token.ts";
import { answer } from "./answer.ts";
import { type Folder, folderOf, takeFolder } from "./folder.ts";

const view = element("site");
/** Lines that are kept: the oldest goes. */
const LINES_MAX = 200;
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const mdm = dial();
let server: HttpServer | undefined;

follow(mdm);
rest();
takeFolder((folder) => void serve(mdm, folder));
const picker = element<HTMLInputElement>("folder");
picker.addEventListener("change", () => {
  if (picker.files?.length) void serve(mdm, folderOf(picker.files));
  picker.value = ""; // The same folder may be chosen again.
});

/** Nothing is served. */
function rest(): void {
  tell("idle", "Not serving");
  show(view, "idle");
}

/** Serves until the user stops, or the name is lost. */
async function serve(mdm: MuxDemux, folder: Folder): Promise<void> {
  await server?.close({ now: true });
  tell("working", "Asking for an address");
  show(view, "working");
  const name = nameOfPage();
  const serving = serveHttp(mdm, name, (request) => answer(request, folder), { prefix, persist: "tab" });
  server = serving;
  serving
    .on("answered", log)
    .on("error", (error) => console.error(error))
    .on("suspended", () => show(view, "suspended"))
    .on("resumed", () => show(view, "serving"));
  try {
    const url = await serving.listening;
    if (url === undefined) throw new Error("this proxy has no addresses for sites: start it with --http-host");
    history.replaceState(null, "", `?name=${name}`);
    present(url, folder);
    tell("good", "Serving");
    show(view, "serving", "copy");
    await serving.closed;
    if (server === serving) rest();
  } catch (error) {
    if (server !== serving) return;
    tell("bad", "Not serving");
    element("problem").textContent = explain(error);
    offer(error);
    show(view, "failed");
    void serving.close().catch(() => {}); // It may be held by now.
  }
}

/** The name in the address; without one, a new one that nobody guesses. */
function nameOfPage(): string {
  const { name = "" } = Object.fromEntries(new URLSearchParams(location.search));
  if (NAME.test(name)) return name;
  const letters = crypto.getRandomValues(new Uint8Array(10));
  return `site-${[...letters].map((letter) => (letter % 36).toString(36)).join("")}`;
}

function present(url: string, folder: Folder): void {
  const link = element<HTMLAnchorElement>("address");
  link.href = url;
  link.textContent = url;
  element("folder-name").textContent = folder.name;
  const bytes = [...folder.files.values()].reduce((sum, file) => sum + file.size, 0);
  element("contents").textContent = `${folder.files.size.toLocaleString("en")} files, ${size(bytes)}`;
  element("log").replaceChildren();
  element("empty").hidden = false;
  button("copy", () => void copyText(element("copy"), url));
  button("stop", () => void server?.close());
}

/** A line of what a visitor asked for. */
function log({ request, status, bytes, milliseconds, error }: Answered): void {
  const line = document.createElement("li");
  const { pathname, search } = new URL(request.url);
  const parts: [string, string][] = [
    ["time", new Date().toLocaleTimeString("en-GB")],
    ["status", error ? "broken off" : `${status}`],
    ["path", `${request.method === "GET" ? "" : `${request.method} `}${path(pathname)}${search}`],
    ["size", `${size(bytes)} in ${duration(milliseconds)}`],
  ];
  for (const [part, text] of parts) {
    const cell = document.createElement(part === "path" ? "bdi" : "span");
    cell.dataset.part = part;
    cell.textContent = text;
    line.append(cell);
  }
  if (error || status >= 400) line.dataset.state = "failed";
  element("empty").hidden = true;
  element("log").prepend(line);
  for (const old of [...element("log").children].slice(LINES_MAX)) old.remove();
}

/** As a person reads it, if it can be read. */
function path(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}
