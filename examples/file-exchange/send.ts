// The page of the sender.

import { StreamError } from "browser-stream-server";
import { SealKeys } from "browser-stream-server/seal";
import { size } from "../quantity.ts";
import { takeFiles } from "../take-files.ts";
import { offer } from "../token.ts";
import { makeCode } from "./code.ts";
import { enter } from "./enter.ts";
import { forgetHandles, handlesIn, keepHandles, keptHandles, readAgain } from "./handles.ts";
import { keepOnLeaving, takeKept } from "./keep.ts";
import { announce, element, follow, guard, painter, proxy, say, title } from "./page.ts";
import { passButtons, showLink } from "./pass.ts";
import { isHere, newest, type Receiver } from "./receivers.ts";
import { Row, Rows } from "./row.ts";
import { Sharing } from "./sharing.ts";
import type { Transfer } from "./transfer.ts";
import { stayAwake } from "./wake.ts";
import type { Listed } from "./wire.ts";
import { count, isolated, person } from "./words.ts";

/** The code, the secret keys of the link, and the files that were shared: a page that was loaded again may not read them before they are chosen again. */
interface Kept {
  readonly code: string;
  readonly secret: string;
  readonly files: Listed[];
  readonly waits: boolean;
}

const KEY = "file-exchange sender";

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
const receivers = new Rows(
  element("receivers"),
  (one: Receiver) => person(one, files(), sharing?.mdm.state !== "open"),
  (me) => new Row({ stop: () => cancel(sharing?.receivers.find(me)) }),
);

/** Offers to choose files, and shares them from then on. */
export function send(): void {
  element("send").hidden = false;
  const kept = takeKept<Kept>(KEY);
  if (kept) void share(kept.code, kept.files, kept.secret);
  if (kept) sharing?.setWaits(kept.waits);
  if (kept) void offerAgain(kept.code);
  else say("status-text", "Not sharing yet");
  if (!kept) element("status").dataset.state = "idle";
  takeFiles("they are shared", async (files, dropped) => {
    const handles = dropped && handlesIn(dropped);
    if (!sharing) void share(makeCode(), []);
    add(files);
    // Without them the files are chosen again by hand.
    if (sharing && handles) await keepHandles(sharing.code, await handles).catch(() => {});
  });
  keepOnLeaving<Kept>(KEY, () => {
    if (!sharing?.secret) return undefined;
    const { code, secret, files, missing, waits } = sharing;
    return { code, secret, files: [...files, ...missing], waits };
  });
  guard(() => moving().length > 0);
  passButtons();
  buttons();
}

async function share(code: string, known: Listed[], secret?: string): Promise<void> {
  const mine = new Sharing(code, known, proxy, changed);
  sharing = mine;
  say("send-problem", "");
  changed();
  try {
    const keys = await (secret ? SealKeys.import(secret) : SealKeys.generate());
    await mine.sealWith(keys);
    showLink(code, keys.publicKey);
    follow(mine.mdm);
    await await mine.listen();
  } catch (error) {
    if (sharing !== mine) return;
    end(explain(error));
    offer(error);
  }
}

function add(files: File[]): void {
  const tooMany = sharing?.add(files) ?? 0;
  announce(`${count(files.length - tooMany, "file")} shared`);
  if (tooMany > 0) announce(`${count(tooMany, "file")} left out: a link shares 1,000 at most`);
}

/** Offers to read again what was dropped on the page before this one. */
async function offerAgain(code: string): Promise<void> {
  const handles = await keptHandles(code).catch(() => []);
  element("again").hidden = handles.length === 0;
  element("again").onclick = async () => {
    add(await readAgain(handles));
    element("again").hidden = true;
    element("picker").focus();
  };
}

function end(problem: string): void {
  sharing?.mdm.close();
  sharing = undefined;
  say("send-problem", problem);
  paint();
}

function buttons(): void {
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
    if (stopping) await forgetHandles(stopping.code).catch(() => {}); // There may be no storage, and nothing in it.
    element("again").hidden = true;
    say("send-problem", "You stopped sharing: the link opens nothing any more. Choose files to share under a new one.");
    paint();
    element("picker").focus();
  });
  element("enter").addEventListener("submit", (event) => {
    event.preventDefault();
    enter(element<HTMLInputElement>("typed").value, "code-problem");
  });
}

function files(): Listed[] {
  return sharing?.files ?? [];
}

function cancel(receiver: Receiver | undefined): void {
  if (receiver) newest(receiver)?.cancel();
}

function moving(): Transfer[] {
  return sharing?.receivers.transfers.filter(({ state }) => state === "sending") ?? [];
}

function paint(): void {
  const missing = sharing?.missing ?? [];
  const people = sharing?.receivers.all ?? [];
  for (const going of moving()) going.pace.measure(going.arrived);
  title(
    moving().map(({ arrived, offered }) => [arrived, offered.listed.size]),
    "Send files",
  );
  void stayAwake(moving().length > 0);
  offered.show(files().map((file) => [file.id, file]));
  receivers.show(people.map((one) => [one.me, one]));
  element("share").hidden = element("people").hidden = !sharing;
  element("have").hidden = sharing !== undefined;
  element("drop").toggleAttribute("data-small", files().length > 0);
  say("choose", files().length > 0 ? "Add files" : "Choose files");
  if (sharing && missing.length > 0) {
    const names = missing.map(({ name }) => isolated(name)).join(", ");
    say(
      "send-problem",
      `This page was loaded again, and may not read files before you choose them again: ${names}. The link stays the same, and receivers go on where they were.`,
    );
  } else if (sharing) say("send-problem", "");
  const looking = people.filter(isHere).length;
  const left = people.length - looking;
  const here = left > 0 ? `${count(looking, "receiver")} here, ${left} gone` : `${count(looking, "receiver")} here`;
  say("people-title", people.length === 0 ? "Nobody has opened the link yet" : here);
  const isWaiting = sharing?.waits === true;
  element<HTMLInputElement>("waits").checked = isWaiting;
  element("start").hidden = !isWaiting || looking === 0;
}

function explain(error: unknown): string {
  const code = error instanceof StreamError ? error.code : "";
  if (code === "superseded")
    return "Another tab took this link over. Share from there, or choose files here to share under a new one.";
  return `Sharing ended: ${error instanceof Error ? error.message : error}. Choose files to share under a new link.`;
}
