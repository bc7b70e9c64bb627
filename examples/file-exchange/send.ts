// The page of the sender.

import { StreamError } from "browser-stream-server";
import { linkTo, makeCode, readCode } from "./code.ts";
import { keepOnLeaving, takeKept } from "./keep.ts";
import { announce, element, follow, guard, painter, proxy, say } from "./page.ts";
import { qr } from "./qr.ts";
import { Row, Rows } from "./row.ts";
import { type Receiver, Sharing } from "./sharing.ts";
import { takeFiles } from "./take.ts";
import type { Transfer } from "./transfer.ts";
import { count, isolated, size, transfer } from "./words.ts";

let sharing: Sharing | undefined;

const changed = painter(paint, () => moving().length > 0);
const offered = new Rows(
  element("offered"),
  (file: { name: string; size: number }) => ({
    name: file.name,
    size: size(file.size),
    state: "offered",
    stop: "Remove",
  }),
  (id) => new Row({ stop: () => sharing?.remove(id) }),
);
const receivers = new Rows(element("receivers"), shown, (me) => {
  return new Row({ stop: () => newest(sharing?.receivers.get(me))?.cancel() });
});

/** Offers to choose files, and shares them from then on. `isBad`: the address had something else than a code. */
export function send(isBad: boolean): void {
  element("send").hidden = false;
  if (isBad) say("code-problem", "This link is not whole: its code has 12 letters and digits. Ask for it again.");
  const kept = takeKept();
  if (kept) void share(kept.code, kept.files);
  else say("status-text", "Not sharing yet");
  if (!kept) element("status").dataset.state = "idle";
  takeFiles((files) => {
    if (!sharing) void share(makeCode(), []);
    const tooMany = sharing?.add(files) ?? 0;
    announce(`${count(files.length - tooMany, "file")} shared`);
    if (tooMany > 0) announce(`${count(tooMany, "file")} left out: a link shares 1,000 at most`);
  });
  keepOnLeaving(() => sharing && { code: sharing.code, files: [...sharing.files, ...sharing.missing] });
  guard(() => moving().length > 0);
  buttons();
}

async function share(code: string, known: ConstructorParameters<typeof Sharing>[1]): Promise<void> {
  const mine = new Sharing(code, known, proxy, changed);
  sharing = mine;
  follow(mine.mdm);
  say("send-problem", "");
  const link = linkTo(code);
  element<HTMLInputElement>("link").value = link;
  say("code", code);
  element("qr").replaceChildren(qr(link));
  element("local").hidden = !/^(localhost|127\.|\[::1\])/.test(location.hostname);
  changed();
  try {
    await await mine.listen();
  } catch (error) {
    if (sharing === mine) end(explain(error));
  }
}

function end(problem: string): void {
  sharing?.mdm.close();
  sharing = undefined;
  say("send-problem", problem);
  paint();
}

function buttons(): void {
  const copy = element("copy");
  copy.addEventListener("click", async () => {
    const field = element<HTMLInputElement>("link");
    field.select();
    // Pages over plain http have no clipboard: there the field is selected, to be copied by hand.
    const isCopied = await navigator.clipboard?.writeText(field.value).then(
      () => true,
      () => false,
    );
    copy.textContent = isCopied ? "Copied" : "Copy it by hand";
    announce(copy.textContent);
    setTimeout(() => (copy.textContent = "Copy link"), 2_000);
  });
  element("pass").hidden = !("share" in navigator);
  element("pass").addEventListener("click", () => {
    navigator.share({ title: document.title, url: element<HTMLInputElement>("link").value }).catch(() => {}); // It was closed.
  });
  element<HTMLInputElement>("waits").addEventListener("change", ({ target }) => {
    sharing?.setWaits((target as HTMLInputElement).checked);
  });
  element("start").addEventListener("click", () => {
    sharing?.startAll();
    element("people-title").focus();
  });
  element("stop").addEventListener("click", async () => {
    const stopping = sharing;
    sharing = undefined;
    await stopping?.stop();
    say("send-problem", "You stopped sharing: the link opens nothing any more. Choose files to share under a new one.");
    paint();
    element("picker").focus();
  });
  element("enter").addEventListener("submit", (event) => {
    event.preventDefault();
    const code = readCode(element<HTMLInputElement>("typed").value);
    if (code) location.hash = code;
    else say("code-problem", "This is no code: it has 12 letters and digits, as h4k2-9xqd-7mwz.");
  });
}

function moving(): Transfer[] {
  const all = [...(sharing?.receivers.values() ?? [])].flatMap(({ transfers }) => [...transfers.values()]);
  return all.filter(({ state }) => state === "sending");
}

function paint(): void {
  const files = sharing?.files ?? [];
  const missing = sharing?.missing ?? [];
  const here = [...(sharing?.receivers ?? [])].filter(([, { looks, transfers }]) => looks > 0 || transfers.size > 0);
  for (const going of moving()) going.pace.measure(going.arrived);
  offered.show(files.map((file) => [file.id, file]));
  receivers.show(here);
  element("share").hidden = element("people").hidden = !sharing;
  element("have").hidden = sharing !== undefined;
  element("drop").toggleAttribute("data-small", files.length > 0);
  say("choose", files.length > 0 ? "Add files" : "Choose files");
  if (sharing && missing.length > 0) {
    const names = missing.map(({ name }) => isolated(name)).join(", ");
    say(
      "send-problem",
      `This page was loaded again, and may not read files before you choose them again: ${names}. The link stays the same, and receivers go on where they were.`,
    );
  } else if (sharing) say("send-problem", "");
  const looking = here.filter(([, { looks }]) => looks > 0).length;
  say("people-title", here.length === 0 ? "Nobody has opened the link yet" : `${count(looking, "receiver")} here`);
  const isWaiting = sharing?.waits === true;
  element<HTMLInputElement>("waits").checked = isWaiting;
  element("start").hidden = !isWaiting || looking === 0;
}

function newest(receiver: Receiver | undefined): Transfer | undefined {
  const all = [...(receiver?.transfers.values() ?? [])];
  return all.find(({ isOver }) => !isOver) ?? all.at(-1);
}

function shown(receiver: Receiver): Parameters<Row["show"]>[0] {
  const now = newest(receiver);
  const done = [...receiver.transfers.values()].filter(({ state }) => state === "done").length;
  const name = receiver.as || "Somebody";
  const got = done > 0 ? `has ${done} of ${count(sharing?.files.length ?? 0, "file")}` : "";
  if (!now) return { name, told: "Looks at the list", state: "looking" };
  const { size: all } = now.offered.listed;
  const part = now.isOver ? undefined : all === 0 ? 1 : now.arrived / all;
  const state = now.state === "failed" && receiver.looks > 0 ? "failed" : now.state;
  return { name, size: got, told: transfer(now), part, state, stop: now.isOver ? "" : "Cancel" };
}

function explain(error: unknown): string {
  const code = error instanceof StreamError ? error.code : "";
  if (code === "superseded")
    return "Another tab took this link over. Share from there, or choose files here to share under a new one.";
  return `Sharing ended: ${error instanceof Error ? error.message : error}. Choose files to share under a new link.`;
}
