// The start page: says whether the proxy answers, copies the snippets, and runs them on request.

import { StreamClient, StreamError, StreamServer } from "browser-stream-server";
import { dial, isWanted, offer } from "../token.ts";

const status = element("status");
const statusText = status.querySelector("[role=status]") as HTMLElement;
const delay = element("delay");
const result = element("result");
const run = element("run") as HTMLButtonElement;

// The proxy says on top of the page where it has its WebSocket, and under what prefix it takes names.
const { mux = "/mux", prefix = "/browser-server" } = document.documentElement.dataset;
element("mux-url").textContent = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${mux}`;
for (const place of document.querySelectorAll("[data-if-mux]")) place.textContent = mux === "/mux" ? "" : `"${mux}"`;
for (const place of document.querySelectorAll<HTMLElement>("[data-if-prefix]")) {
  const option = `{ prefix: "${prefix}" }`;
  if (prefix !== "/browser-server") place.textContent = (place.dataset.ifPrefix ?? "").replace("…", option);
}

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-copy]")) {
  button.addEventListener("click", () => copy(button, element(button.dataset.copy ?? "")));
}
let running: AbortController | undefined;
run.addEventListener("click", () => void (running ? running.abort() : runBoth()));
document.addEventListener("visibilitychange", () => document.hidden || void ask());
setInterval(() => document.hidden || void ask(), 5000);
void ask().then(ask); // The first time includes the connection.

/** Asks the proxy for its health and shows the answer. */
async function ask(): Promise<void> {
  const start = performance.now();
  try {
    const answer = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(4000) });
    if (!answer.ok) throw new Error(`it said ${answer.status}`);
    show("good", "The proxy answers");
    delay.textContent = milliseconds(performance.now() - start);
  } catch {
    show("bad", "The proxy does not answer");
    delay.textContent = "";
  }
}

function show(state: "good" | "bad", text: string): void {
  status.dataset.state = state;
  // An unchanged text is not written again, so that a screen reader hears only changes.
  if (statusText.textContent !== text) statusText.textContent = text;
}

/** What the two snippets do, in this one tab: serve an echo, connect to it, say hello. */
async function runBoth(): Promise<void> {
  const name = `start-${crypto.getRandomValues(new Uint32Array(1))[0]?.toString(36)}`;
  const mdm = dial();
  running = new AbortController();
  const { signal } = running;
  run.textContent = "Cancel";
  result.textContent = "Connecting";
  mdm.on("reconnecting", ({ error }) => {
    const away = "The proxy does not answer. This page goes on trying.";
    result.textContent = isWanted(error) ? "The proxy asks for a token: give it on top of this page." : away;
  });
  try {
    await StreamServer(mdm, { prefix }, (stream) => stream.pipe(stream)).listen(name, { signal }).listening;
    const stream = StreamClient(mdm, { prefix }).connect(name, { encoding: "utf8", signal });
    await stream.opened;
    const start = performance.now();
    const text = await new Promise((resolve, reject) => {
      stream.on("data", resolve).on("error", reject).write("hello");
    });
    result.textContent = `“${text}” came back after ${milliseconds(performance.now() - start)}.`;
  } catch (error) {
    const why = error instanceof StreamError ? error.detail : error;
    result.textContent = signal.aborted ? "Cancelled." : `It did not work: ${why}.`;
    if (!signal.aborted) offer(error);
  } finally {
    mdm.close();
    running = undefined;
    run.textContent = "Run again";
    run.focus();
  }
}

/** Copies the text of `code`; without a clipboard (plain HTTP on a network) it selects the text instead. */
async function copy(button: HTMLButtonElement, code: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(code.textContent ?? "");
    button.textContent = "Copied";
  } catch {
    getSelection()?.selectAllChildren(code);
    button.textContent = "Selected";
  }
  setTimeout(() => {
    button.textContent = "Copy";
  }, 2000);
}

function milliseconds(time: number): string {
  return `${time.toFixed(1)} ms`;
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}
