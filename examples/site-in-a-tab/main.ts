// A folder that is dropped here is a web site: `/examples/site-in-a-tab/?name=NAME` has its name, so that it has the same address when the page is loaded, and the folder chosen, again.

import { type Answered, type HttpServer, serveHttp } from "browser-stream-server/http";
import { copyText } from "../copy.ts";
import { button, code, duration, element, explain, follow, prefix, show, tell } from "../echo/page.ts";
import { Naming } from "../naming.ts";
import { size } from "../quantity.ts";
import { dial, offer } from "../token.ts";
import { answer } from "./answer.ts";
import { type Folder, folderOf, takeFolder } from "./folder.ts";

const view = element("site");
/** Lines that are kept: the oldest goes. */
const LINES_MAX = 200;
/** Why a name cannot be had that another may. */
const NAME_CODES = ["name_taken", "name_reserved", "superseded", "forbidden"];
const mdm = dial();
let server: HttpServer | undefined;
/** What was chosen last. */
let folder: Folder | undefined;

const naming = new Naming("site", () => (folder ? void serve(folder) : element("folder").focus()));
follow(mdm);
rest();
takeFolder(choose);
const picker = element<HTMLInputElement>("folder");
picker.addEventListener("change", () => {
  choose(folderOf(picker.files ?? []));
  picker.value = ""; // The same folder may be chosen again.
});
// An empty folder is told to a page as if nothing had been chosen.
picker.addEventListener("cancel", () => say("Nothing was chosen. A site needs a folder with at least one file."));

function choose(chosen: Folder): void {
  const { name, files } = chosen;
  if (files.size === 0)
    return say(`There is no file in “${name}” that could be shown: names that begin with a dot are not.`);
  folder = chosen;
  void serve(chosen);
}

/** Nothing is served. */
function rest(): void {
  tell("idle", "Not serving");
  show(view, "idle");
}

/** What is wrong, if anything is. */
function say(problem: string): void {
  element("problem").textContent = problem;
}

/** Serves until the user stops, or the name is lost, or is to be another. */
async function serve(folder: Folder): Promise<void> {
  tell("working", "Asking for an address");
  say("");
  show(view, "working");
  await server?.close({ now: true });
  const serving = serveHttp(mdm, naming.name, (request) => answer(request, folder), { prefix, persist: "tab" });
  server = serving;
  serving
    .on("answered", log)
    .on("error", (error) => console.error(error))
    .on("suspended", () => show(view, "suspended"))
    .on("resumed", () => show(view, "serving"));
  try {
    const url = await serving.listening;
    if (url === undefined) throw new Error("this proxy has no addresses for sites: start it with --http-host");
    naming.keep();
    present(url, folder);
    tell("good", "Serving");
    show(view, "serving", "copy");
    await serving.closed;
    if (server !== serving) return;
    rest();
    picker.focus();
  } catch (error) {
    if (server !== serving) return;
    server = undefined;
    tell("bad", "Not serving");
    say(explain(error));
    offer(error);
    show(view, "failed", "folder");
    if (NAME_CODES.includes(code(error))) naming.ask();
    void serving.close().catch(() => {}); // It may be held by now.
  }
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
    ["path", `${request.method} ${path(pathname)}${search}`],
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
