// The tab that sends: keeps the way open, and takes pictures that are chosen, dropped, pasted or drawn.

import { type Stream, StreamClient } from "browser-stream-server";
import { button, code, element, explain, follow, prefix, show, tell } from "../echo/page.ts";
import { dial, given, offer } from "../token.ts";
import { drawn } from "./drawing.ts";
import { Outbox } from "./outbox.ts";

const view = element("sender");
const input = element<HTMLInputElement>("file");
/** How long a tab may take that was opened just now. */
const OPENS_MS = 15_000;

export function connect(name: string): void {
  const mdm = dial();
  follow(mdm);
  const client = StreamClient(mdm, { prefix, direct: true });
  const outbox = new Outbox((options) => client.connect(name, options), countMissed);
  const open = (more: { wait?: number } = {}) =>
    void keep(outbox, () => client.connect(name, { meta: "here", ...more }));

  function countMissed(): void {
    const { missed } = outbox;
    element("missed").hidden = missed === 0;
    element("send-again").textContent = `Send the ${missed === 1 ? "one" : missed} that did not arrive again`;
  }

  const frame = element<HTMLAnchorElement>("open-frame");
  frame.href = `?name=${encodeURIComponent(name)}`;
  button("open-frame", () => open({ wait: OPENS_MS }));
  button("connect-again", () => open());
  button("send-again", () => {
    outbox.sendAgain();
    element("draw").focus();
  });
  button("draw", () => void drawn().then((file) => outbox.send(file)));
  take((file) => outbox.send(file));
  open();
}

/** Pictures that are chosen, pasted, or dropped into the frame. */
function take(send: (file: File) => void): void {
  input.onchange = () => {
    for (const file of input.files ?? []) send(file);
    input.value = "";
  };
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
}

/** A stream with nothing in it: as long as it lives the tab that shows is there, and the way to it is open. */
async function keep(outbox: Outbox, begin: () => Stream): Promise<void> {
  tell("working", "Connecting");
  show(view, "working");
  try {
    const stream = begin();
    await stream.opened;
    outbox.way = stream;
    tell("good", "Connected");
    show(view, "ready", outbox.missed > 0 ? "send-again" : "draw");
    const say = () => {
      element("way").textContent =
        stream.carrier === "direct" ? "Directly from this tab to the other." : "Through the proxy.";
    };
    stream.on("carrier", say);
    say();
    await stream.resume().closed;
    fail(outbox, "The tab that shows stopped. Open it again, or connect again.");
  } catch (error) {
    if (await given()) return keep(outbox, begin);
    offer(error);
    fail(outbox, ADVICE[code(error)] ?? explain(error));
  }
}

const CLOSED =
  "The connection to the tab that shows was lost: that tab was closed or loaded again, or one of the connections broke. Open it again under the same name, or connect again.";
const ADVICE: Record<string, string> = {
  not_found: "No tab shows pictures under this name now. Open one, and this tab connects to it.",
  unresponsive: CLOSED,
  gone: CLOSED,
  lost: CLOSED,
};

function fail(outbox: Outbox, why: string): void {
  outbox.breakOff();
  const { missed } = outbox;
  const kept =
    missed === 1
      ? "One picture did not arrive: it is kept here"
      : `${missed} pictures did not arrive: they are kept here`;
  tell("bad", "Not connected");
  element("sender-problem").textContent = missed > 0 ? `${why} ${kept}, to be sent again then.` : why;
  show(view, "failed", "connect-again");
}
