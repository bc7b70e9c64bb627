// The tab that serves: claims a name, sends back what each client sends, and counts.

import { type BssStream, MuxDemux, StreamServer } from "browser-stream-server";
import { button, code, element, explain, nameOnPage, show, tell } from "./page.ts";

const view = element("server");
const field = element<HTMLInputElement>("name");
const counts = { clients: 0, served: 0, bytes: 0 };

export function serve(suggestion: string): void {
  field.value = suggestion;
  tell("idle", "Not serving");
  show(view, "idle", field);
  field.select();
  field.addEventListener("input", () => problem());
  field.form?.addEventListener("submit", (event) => {
    event.preventDefault();
    void claim(field.value);
  });
}

/** Holds `name` until the user stops, or until it is lost. */
async function claim(name: string): Promise<void> {
  const mdm = MuxDemux();
  const server = StreamServer(mdm, echo);
  problem();
  tell("working", "Asking for the name");
  show(view, "working", button("cancel-claim", () => mdm.close()));
  try {
    await server.listen(name);
    nameOnPage(name, `Serving ${name}`);
    tell("good", "Serving");
    const clientTab = element<HTMLAnchorElement>("open-client");
    clientTab.href = `?connect=${encodeURIComponent(name)}`;
    show(view, "serving", clientTab);
    button("stop", () => {
      server.end();
      tell("working", "Stopping");
      show(view, "stopping", button("stop-now", () => server.end({ now: true })));
    });
    await server.closed;
    tell("idle", "Stopped");
  } catch (error) {
    tell("bad", code(error) === "lost" ? "Connection lost" : "Not serving");
    problem(error);
  }
  mdm.close();
  show(view, "idle", field);
}

/** One client: its bytes go back as they come, no faster than it reads them. */
async function echo(stream: BssStream): Promise<void> {
  count({ clients: 1, served: 1 });
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      count({ bytes: chunk.byteLength });
      controller.enqueue(chunk);
    },
  });
  // A client that goes away ends in an error here: there is nothing to do but to count.
  await stream.readable.pipeThrough(counter).pipeTo(stream.writable).catch(() => {});
  count({ clients: -1 });
}

function count(change: Partial<typeof counts>): void {
  for (const key of Object.keys(change) as (keyof typeof counts)[]) {
    counts[key] += change[key] ?? 0;
    element(key).textContent = counts[key].toLocaleString("en");
  }
}

function problem(error?: unknown): void {
  element("name-problem").textContent = error ? explain(error) : "";
  field.ariaInvalid = String(["name_taken", "name_reserved", "bad_request"].includes(code(error)));
}
