// The tab that shows: takes pictures, no more than it said, and shows each when it is whole.

import { MuxDemux, type Stream, StreamServer } from "browser-stream-server";
import { button, duration, element, explain, follow, mux, prefix, show, tell } from "../echo/page.ts";
import { BYTES_MAX, inWords, type Picture, pictureOf } from "./picture.ts";

const view = element("frame");
/** As many as are kept: the oldest goes. */
const KEPT_MAX = 24;
/** Streams at the same time: each may hold a whole picture in this tab's memory until it is shown. */
const CLIENTS_MAX = 24;

export function serve(name: string): void {
  const mdm = MuxDemux(mux);
  follow(mdm);
  element<HTMLAnchorElement>("open-sender").href = `?to=${encodeURIComponent(name)}`;
  button("serve-again", () => void listen(mdm, name));
  void listen(mdm, name);
}

async function listen(mdm: MuxDemux, name: string): Promise<void> {
  tell("working", "Asking for a name");
  show(view, "working");
  try {
    // A stream with nothing in it only keeps the way open.
    const accept = ({ meta }: { meta: unknown }) => meta === "here" || pictureOf(meta) !== undefined || "bad_request";
    const server = StreamServer(mdm, { prefix, direct: true, clientsMax: CLIENTS_MAX, accept }, take).listen(name);
    await server.listening;
    tell("good", "Ready");
    show(view, "serving", "open-sender");
    await server.closed;
  } catch (error) {
    tell("bad", "Not serving");
    element("frame-problem").textContent = explain(error);
    show(view, "failed", "serve-again");
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
    // The answer comes behind the picture: it was shown.
    const { carrier } = stream;
    if (picture) await hang(new Blob(parts, { type: picture.type }), picture, from, carrier);
    stream.end(picture ? `shown ${carrier}` : undefined);
  } catch {
    // It was cancelled, or is no picture to this browser.
    stream.reset("gone");
  }
}

async function hang(blob: Blob, { name }: Picture, from: number, carrier: string): Promise<void> {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  image.alt = name;
  await image.decode().catch((error: unknown) => {
    URL.revokeObjectURL(image.src);
    throw error;
  });
  const caption = document.createElement("small");
  const title = document.createElement("bdi");
  title.textContent = name;
  const way = carrier === "direct" ? "directly" : "through the proxy";
  caption.append(title, ` · ${inWords(blob.size)} in ${duration(performance.now() - from)}, ${way}`);
  const item = document.createElement("li");
  item.append(image, caption);
  const pictures = element("pictures");
  pictures.prepend(item);
  element("empty").hidden = true;
  for (const old of [...pictures.children].slice(KEPT_MAX)) {
    URL.revokeObjectURL(old.querySelector("img")?.src ?? "");
    old.remove();
  }
}
