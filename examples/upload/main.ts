// Files from this page to the program that serves it: each on a stream of its own, a few at a time.

import { showConnection } from "../connection.ts";
import { takeFiles } from "../take-files.ts";
import { dial } from "../token.ts";
import { Row } from "./row.ts";
import { Upload } from "./upload.ts";
import { progress } from "./words.ts";

/** More at once would be no faster, and each would take longer. */
const AT_ONCE = 4;

const mdm = dial();
const uploads = new Map<Upload, Row>();
const picker = element<HTMLInputElement>("picker");

takeFiles("they are taken", add);
element("clear").addEventListener("click", () => {
  for (const upload of [...uploads.keys()]) if (upload.isOver) remove(upload);
  picker.focus();
});

addEventListener("beforeunload", (event) => {
  if ([...uploads.keys()].some((upload) => !upload.isOver)) event.preventDefault();
});

showConnection(mdm);
setInterval(paint, 250);

function add(files: File[]): void {
  for (const file of files) {
    const upload = new Upload(file, mdm, () => changed(upload));
    const row = new Row(upload, { retry: () => upload.wait(), remove: () => remove(upload) });
    uploads.set(upload, row);
    element("files").append(row.element);
  }
  schedule();
}

function remove(upload: Upload): void {
  const row = uploads.get(upload);
  const next = row?.element.nextElementSibling ?? row?.element.previousElementSibling;
  row?.element.remove();
  uploads.delete(upload);
  const other = [...uploads.values()].find(({ element }) => element === next);
  if (other) other.focus();
  else picker.focus();
  arrange();
}

/** The state of one is another now. */
function changed(upload: Upload): void {
  uploads.get(upload)?.paint();
  if (upload.isOver) element("news").textContent = `${upload.file.name}: ${progress(upload)}`;
  schedule();
}

/** Starts as many as may go at once; a paused one gives its place to the next. */
function schedule(): void {
  const all = [...uploads.keys()];
  let free = AT_ONCE - all.filter(({ state }) => state === "sending").length;
  for (const upload of all) {
    if (upload.state === "waiting" && free-- > 0) void upload.run();
  }
  arrange();
}

function arrange(): void {
  const all = [...uploads.keys()];
  const done = all.filter(({ state }) => state === "done").length;
  element("files-part").hidden = all.length === 0;
  element("files-title").textContent = done > 0 ? `Files, ${done} of ${all.length} uploaded` : "Files";
  element("clear").hidden = !all.some(({ isOver }) => isOver);
}

function paint(): void {
  const now = performance.now();
  for (const [upload, row] of uploads) {
    if (upload.state !== "sending") continue;
    upload.measure(now);
    row.paint();
  }
}

function element<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}
