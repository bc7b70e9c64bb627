// The tab that sends: keeps the way open, and sends each picture over a stream of its own.

import { MuxDemux, type Stream, StreamClient } from "browser-stream-server";
import { button, code, element, explain, follow, mux, prefix, show, tell } from "../echo/page.ts";
import { BYTES_MAX, inWords, pictureOf } from "./picture.ts";

const view = element("sender");
const input = element<HTMLInputElement>("file");
/** Pictures that go at the same time; the others wait for their turn. */
const AT_ONCE = 3;
/** A way that is open takes a stream sooner than this. */
const MOVE_MS = 1000;
let going = 0;
/** The stream that keeps the way open. */
let kept: Stream | undefined;
const waiting: (() => void)[] = [];

export function connect(name: string): void {
  const mdm = MuxDemux(mux);
  follow(mdm);
  const client = StreamClient(mdm, { prefix, direct: true });
  const send = (file: File) => void deliver(client, name, file);
  button("connect-again", () => void keep(client, name));
  input.onchange = () => {
    for (const file of input.files ?? []) send(file);
    input.value = "";
  };
  button("draw", () => void drawn().then(send));
  document.addEventListener("paste", ({ clipboardData }) => {
    for (const file of clipboardData?.files ?? []) send(file);
  });
  const drop = element("drop");
  const over = (isOver: boolean) => (event: DragEvent) => {
    event.preventDefault();
    drop.toggleAttribute("data-over", isOver);
  };
  drop.ondragover = over(true);
  drop.ondragleave = over(false);
  drop.ondrop = (event) => {
    over(false)(event);
    for (const file of event.dataTransfer?.files ?? []) send(file);
  };
  void keep(client, name);
}

/** A stream with nothing in it: as long as it lives the tab that shows is there, and the way to it is open. */
async function keep(client: ReturnType<typeof StreamClient>, name: string): Promise<void> {
  tell("working", "Connecting");
  show(view, "working");
  const stream = client.connect(name, { meta: "here" });
  kept = stream;
  try {
    await stream.opened;
    tell("good", "Connected");
    show(view, "ready", "draw");
    const say = () => {
      element("way").textContent =
        stream.carrier === "direct" ? "Directly from this tab to the other." : "Through the proxy.";
    };
    stream.on("carrier", say);
    say();
    await stream.resume().closed;
    fail("The other tab was closed.");
  } catch (error) {
    fail(
      code(error) === "not_found" ? "Nobody shows pictures under this name: open the page without it." : explain(error),
    );
  }
}

function fail(why: string): void {
  tell("bad", "Not connected");
  element("sender-problem").textContent = why;
  show(view, "failed", "connect-again");
}

async function deliver(client: ReturnType<typeof StreamClient>, name: string, file: File): Promise<void> {
  const { type, size } = file;
  const row = rowFor(file);
  if (!pictureOf({ name: file.name, type, size })) {
    const isLarge = type.startsWith("image/") && size > BYTES_MAX;
    return row.over(
      isLarge ? "Larger than 32 MiB: it was not sent." : "No picture that can be shown: it was not sent.",
    );
  }
  const cancel = new AbortController();
  row.cancels(() => {
    cancel.abort();
    row.over("Cancelled.");
  });
  await turn();
  try {
    cancel.signal.throwIfAborted();
    row.goes();
    const meta = { name: file.name, type, size };
    const { signal } = cancel;
    const stream = client.connect(name, { meta, signal });
    await stream.opened;
    await settled(stream);
    await stream.send(file, { signal, onProgress: ({ sent }) => row.at(sent) });
    let answer = "";
    for await (const chunk of stream) answer += new TextDecoder().decode(chunk);
    row.over(SHOWN[answer] ?? "The other tab did not show it.");
  } catch (error) {
    const isRefused = code(error) === "gone" || code(error) === "bad_request";
    if (!cancel.signal.aborted) row.over(isRefused ? "The other tab could not show it." : explain(error));
  }
  done();
}

/** What the other tab says of a picture: by which way it came. */
const SHOWN: Record<string, string> = {
  "shown direct": "Shown. It went directly.",
  "shown proxy": "Shown. It went through the proxy.",
};

/** Resolves when it goes where the kept one goes: each begins through the proxy, and a small picture would be over before it moves. */
async function settled(stream: Stream): Promise<void> {
  if (kept?.carrier !== "direct" || stream.carrier === "direct") return;
  const moved = new Promise<void>((resolve) => stream.once("carrier", () => resolve()));
  await Promise.race([moved, new Promise((resolve) => setTimeout(resolve, MOVE_MS))]);
}

/** Resolves when fewer than {@link AT_ONCE} go. */
async function turn(): Promise<void> {
  if (going < AT_ONCE) going++;
  else await new Promise<void>((resolve) => waiting.push(resolve));
}

/** Whoever waits longest has the turn of one that is over. */
function done(): void {
  const next = waiting.shift();
  if (next) next();
  else going--;
}

function rowFor(file: File) {
  const item = document.createElement("li");
  const title = document.createElement("p");
  title.className = "file";
  const fileName = document.createElement("bdi");
  fileName.textContent = file.name;
  title.append(fileName, ` · ${inWords(file.size)}`);
  const bar = document.createElement("progress");
  bar.max = Math.max(1, file.size);
  bar.value = 0;
  bar.ariaLabel = file.name;
  const told = document.createElement("p");
  told.dataset.part = "told";
  told.role = "status";
  told.textContent = "Waits for its turn.";
  const buttons = document.createElement("div");
  buttons.className = "row";
  item.append(title, bar, told, buttons);
  element("sent").prepend(item);
  return {
    goes: () => {
      told.textContent = "On its way.";
    },
    at: (sent: number) => {
      bar.value = sent;
    },
    cancels: (cancel: () => void) => {
      const button = document.createElement("button");
      button.textContent = "Cancel";
      button.ariaLabel = `Cancel ${file.name}`;
      button.type = "button";
      button.onclick = cancel;
      buttons.append(button);
    },
    over: (what: string) => {
      told.textContent = what;
      bar.remove();
      buttons.remove();
    },
  };
}

/** For who has no picture at hand: circles, each time others. */
async function drawn(): Promise<File> {
  const canvas = new OffscreenCanvas(960, 540);
  const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  const hue = Math.random() * 360;
  context.fillStyle = `hsl(${hue} 45% 92%)`;
  context.fillRect(0, 0, 960, 540);
  for (let circle = 0; circle < 40; circle++) {
    context.fillStyle = `hsl(${hue + Math.random() * 90} 60% 45% / 0.35)`;
    context.beginPath();
    context.arc(Math.random() * 960, Math.random() * 540, 10 + Math.random() * 110, 0, 2 * Math.PI);
    context.fill();
  }
  return new File([await canvas.convertToBlob()], "circles.png", { type: "image/png" });
}
