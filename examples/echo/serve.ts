// The tab that serves: claims a name, sends back what each client sends, and counts.

import { type Stream, StreamServer } from "browser-stream-server";
import { dial, isWanted, offer } from "../token.ts";
import { button, code, element, explain, follow, nameOnPage, prefix, show, tell } from "./page.ts";

const view = element("server");
const field = element<HTMLInputElement>("name");
const counts = { clients: 0, served: 0, bytes: 0 };
let left = (): void => {}; // called when the last client left

export function serve(suggestion: string): void {
  field.value = suggestion;
  tell("idle", "Not serving");
  show(view, "idle", "name");
  field.select();
  field.addEventListener("input", () => problem());
  field.form?.addEventListener("submit", (event) => {
    event.preventDefault();
    void claim(field.value);
  });
}

/** Holds `name` until the user stops, or until it is lost. */
async function claim(name: string): Promise<void> {
  const mdm = dial();
  const cancel = new AbortController();
  follow(mdm, (isAway) => {
    element("unanswered").hidden = !isAway;
  });
  problem();
  count({ served: -counts.served, bytes: -counts.bytes });
  tell("working", "Asking for the name");
  show(view, "working", "cancel-claim");
  button("cancel-claim", () => cancel.abort());
  try {
    const server = StreamServer(mdm, { prefix }, echo).listen(name, { signal: cancel.signal });
    await server.listening;
    nameOnPage(name, `Serving ${name}`);
    tell("good", "Serving");
    show(view, "serving", "open-client");
    element<HTMLAnchorElement>("open-client").href = `?connect=${encodeURIComponent(name)}`;
    button("stop", () => void (mdm.state === "open" ? server.end() : mdm.close()));
    let [isAway, isKnown] = [false, true];
    const lost = (): void => show(view, isKnown ? "suspended" : "disallowed");
    mdm.on("reconnecting", ({ error }) => {
      isKnown = !isWanted(error);
      if (isAway) lost();
    });
    server.on("suspended", () => {
      isAway = true;
      lost();
    });
    server.on("resumed", () => {
      [isAway, isKnown] = [false, true];
      show(view, "serving");
    });
    await server.closed;
    tell("working", "Stopping");
    show(view, "stopping", "stop-now");
    button("stop-now", () => void server.end({ now: true }));
    await lastClient();
    tell("idle", "Stopped");
  } catch (error) {
    tell("bad", "Not serving");
    problem(error);
    offer(error);
  }
  mdm.close();
  show(view, "idle", "name");
}

/** One client: its bytes go back as they come, no faster than it reads them. */
async function echo(stream: Stream): Promise<void> {
  count({ clients: 1, served: 1 });
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      count({ bytes: chunk.byteLength });
      controller.enqueue(chunk);
    },
  });
  // A client that goes away ends in an error here: there is nothing to do but to count.
  await stream.readable
    .pipeThrough(counter)
    .pipeTo(stream.writable)
    .catch(() => {});
  count({ clients: -1 });
}

function count(change: Partial<typeof counts>): void {
  for (const key of Object.keys(change) as (keyof typeof counts)[]) {
    counts[key] += change[key] ?? 0;
    element(key).textContent = counts[key].toLocaleString("en");
  }
  if (counts.clients === 0) left();
}

/** Resolves when no client is connected. */
function lastClient(): Promise<void> {
  return new Promise((resolve) => {
    left = resolve;
    count({});
  });
}

function problem(error?: unknown): void {
  const away =
    "Given up without a connection: a proxy that still runs keeps the name for two minutes, then it is free.";
  element("name-problem").textContent = error ? (code(error) === "lost" ? away : explain(error)) : "";
  field.ariaInvalid = String(["name_taken", "bad_request"].includes(code(error)));
}
