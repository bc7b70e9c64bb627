// The tab that shows: takes pictures, no more than it said, and shows each when it is whole.

import { type MuxDemux, type Stream, StreamServer } from "browser-stream-server";
import { button, duration, element, explain, follow, prefix, show, tell } from "../echo/page.ts";
import { dial, offer } from "../token.ts";
import { BYTES_MAX, inWords, type Picture, pictureOf } from "./picture.ts";

const view = element("frame");
/** As many as are kept: the oldest goes. */
const KEPT_MAX = 24;
/** A name that is free is ours sooner. */
const NAME_MS = 1500;
/** Streams at the same time: each may hold a whole picture in this tab's memory until it is shown. */
const CLIENTS_MAX = 24;
let takenDown = 0;

export function serve(name: string): void {
  const mdm = dial();
  follow(mdm);
  // Under this address the page has the same name when it is loaded, or opened, again: whoever sends finds it.
  history.replaceState(null, "", `?name=${encodeURIComponent(name)}`);
  element<HTMLAnchorElement>("open-sender").href = `?to=${encodeURIComponent(name)}`;
  button("serve-again", () => void listen(mdm, name));
  void listen(mdm, name);
}

async function listen(mdm: MuxDemux, name: string): Promise<void> {
  tell("working", "Asking for a name");
  show(view, "working");
  element("queued").hidden = true;
  const queued = setTimeout(() => {
    element("queued").hidden = mdm.state !== "open";
  }, NAME_MS);
  try {
    // A stream with nothing in it only keeps the way open.
    const accept = ({ meta }: { meta: unknown }) => meta === "here" || pictureOf(meta) !== undefined || "bad_request";
    const server = StreamServer(mdm, { prefix, direct: true, clientsMax: CLIENTS_MAX, accept }, take).listen(name, {
      standby: true,
    });
    await server.listening;
    tell("good", "Ready");
    show(view, "serving", "open-sender");
    await server.closed;
  } catch (error) {
    tell("bad", "Not serving");
    element("frame-problem").textContent = explain(error);
    offer(error);
    show(view, "failed", "serve-again");
  } finally {
    clearTimeout(queued);
  }
}

async function take(stream: Stream): Promise<void> {
  const picture = pictureOf(stream.meta);
  const from = performance.now();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      bytes += chunk.length;
      if (!picture || bytes > BYTES_MAX) return stream.reset("limit");
      parts.push(chunk);
    }
  } catch {
    return stream.reset(); // It was cancelled.
  }
  if (!picture) return void stream.end();
  // The answer comes behind the picture: it was shown, or is none to this browser.
  const { carrier } = stream;
  const isShown = await hang(new Blob(parts, { type: picture.type }), picture, from, carrier);
  stream.end(isShown ? `shown ${carrier}` : "unreadable");
}

/** Tells whether it could be shown. */
async function hang(blob: Blob, { name }: Picture, from: number, carrier: string): Promise<boolean> {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  image.alt = name;
  try {
    await image.decode();
  } catch {
    URL.revokeObjectURL(image.src);
    return false;
  }
  const caption = document.createElement("small");
  const title = document.createElement("bdi");
  title.textContent = name;
  const way = carrier === "direct" ? "directly" : "through the proxy";
  caption.append(title, ` · ${inWords(blob.size)} in ${duration(performance.now() - from)}, ${way}`);
  const item = document.createElement("li");
  item.append(image, caption);
  element("pictures").prepend(item);
  element("empty").hidden = true;
  for (const old of [...element("pictures").children].slice(KEPT_MAX)) takeDown(old);
  return true;
}

/** One that made room for a newer one. */
function takeDown(old: Element): void {
  URL.revokeObjectURL(old.querySelector("img")?.src ?? "");
  old.remove();
  takenDown++;
  const older = takenDown === 1 ? "An older one was" : `${takenDown} older ones were`;
  element("taken-down").textContent = `The newest ${KEPT_MAX} are kept here. ${older} taken down.`;
  element("taken-down").hidden = false;
}
