// The page of a receiver.

import { size } from "../quantity.ts";
import type { Invitation } from "./code.ts";
import { randomHex } from "./digest.ts";
import { Exchange, type Presence } from "./exchange.ts";
import { forgetOld } from "./held.ts";
import type { Incoming } from "./incoming.ts";
import { keepOnLeaving, takeKept } from "./keep.ts";
import { announce, element, follow, guard, painter, proxy, say, title } from "./page.ts";
import { Row, Rows } from "./row.ts";
import { isUnlimited } from "./sink.ts";
import { stayAwake } from "./wake.ts";
import { count, incoming } from "./words.ts";

/** As whom the sender knows this page, also after it was loaded again. */
const KEY = "file-exchange receiver";

let exchange: Exchange;
const told = new Map<Incoming, string>();

/** Shows what is shared under the code, and gets it. */
export function receive(invitation: Invitation): void {
  element("receive").hidden = false;
  element("unchecked").hidden = invitation.key !== undefined;
  void isUnlimited().then((isIt) => {
    element("limited").hidden = isIt;
  });
  if (isSecureContext) say("limited-why", "This window keeps nothing for pages, as private ones do.");
  const changed = painter(paint, () => all().some(({ isRunning }) => isRunning));
  const me = takeKept<string>(KEY) ?? randomHex(8);
  keepOnLeaving(KEY, () => me);
  exchange = new Exchange(proxy, { me, as: device() }, changed);
  const rows = new Rows(element("incoming"), shown, (id) => {
    return new Row({ act: () => get([exchange.files.get(id)]), stop: () => exchange.files.get(id)?.cancel() });
  });
  follow(exchange.mdm);
  element("get-all").addEventListener("click", () => {
    get(all().filter(mayBegin));
    element("incoming-title").focus();
  });
  guard(() => all().some(({ isRunning, continues }) => isRunning && !continues));
  void forgetOld();
  exchange.run(invitation).catch((error) => {
    exchange.presence = "refused";
    exchange.reason = String(error);
    paint();
  });

  function paint(): void {
    for (const file of all()) if (file.state === "coming") file.pace.measure(file.held);
    rows.show(exchange.files);
    title(
      all()
        .filter(({ isRunning }) => isRunning)
        .map(({ held, file }) => [held, file.size]),
      "Receive files",
    );
    void stayAwake(all().some(({ isRunning }) => isRunning));
    head();
    for (const file of all()) tell(file);
  }
}

function head(): void {
  const idle = all().filter(mayBegin);
  const done = all().filter(({ state }) => state === "done").length;
  const sum = all().reduce((bytes, { file }) => bytes + file.size, 0);
  element("incoming-part").hidden = all().length === 0;
  say("receive-title", all().length > 0 ? `${count(all().length, "file")} for you` : "Receive files");
  say("receive-lead", lead(exchange.presence));
  say("incoming-title", done > 0 ? `${done} of ${all().length} saved` : size(sum));
  element("get-all").hidden = idle.length < 2 || exchange.presence !== "here";
}

function lead(presence: Presence): string {
  switch (presence) {
    case "looking":
      return "Looking for the sender.";
    case "nobody":
      return "Nobody shares under this link now. The sender’s page must be open: it shows here as soon as it is.";
    case "here":
      if (!all().some(({ isListed }) => isListed))
        return "The sender is here, and has no files chosen now. They show as soon as they are.";
      return "Straight from the sender’s page, encrypted from end to end, as long as it stays open.";
    case "away":
      return "The sender’s connection is away, or their page is being loaded again. It goes on when they are back.";
    case "gone":
      return "The sender is gone: their page was closed, or it crashed, and this link ended with it. Ask them to share again and to send you the new one. What is saved is yours.";
    case "over":
      return `${exchange.reason || "The sender stopped sharing."} What is saved is yours.`;
    case "refused":
      return `This link does not open anything here: ${exchange.reason}. Ask for it again.`;
  }
}

function get(files: (Incoming | undefined)[]): void {
  for (const file of files) file?.want();
  exchange.schedule();
}

function all(): Incoming[] {
  return [...exchange.files.values()];
}

function mayBegin(file: Incoming): boolean {
  return file.isListed && isIdle(file);
}

function isIdle({ state }: Incoming): boolean {
  return state === "offered" || state === "failed" || state === "cancelled";
}

function shown(file: Incoming): Parameters<Row["show"]>[0] {
  const { file: listed, state, held } = file;
  const isOpen = exchange.presence === "here" && file.isListed;
  const part = file.isRunning || state === "waiting" ? (listed.size === 0 ? 1 : held / listed.size) : undefined;
  const act = state === "offered" ? "Save" : state === "done" ? "Save again" : isIdle(file) ? "Try again" : "";
  const stop = state === "waiting" || state === "coming" || state === "away" ? "Cancel" : "";
  const own = { name: listed.name, size: size(listed.size), told: incoming(file, exchange), part, state };
  return { ...own, act: isOpen ? act : "", stop };
}

/** A screen reader hears how a file ended, and not each number on the way. */
function tell(file: Incoming): void {
  const before = told.get(file);
  told.set(file, file.state);
  const isNews = ["done", "failed", "cancelled", "away"].includes(file.state);
  if (before && before !== file.state && isNews) announce(`${file.file.name}: ${incoming(file, exchange)}`);
}

/** What the sender may call us: the browser and the system. */
function device(): string {
  const { userAgent } = navigator;
  const browser = /Firefox|Edg|OPR|Chrome|Safari/.exec(userAgent)?.[0] ?? "A browser";
  const names: Record<string, string> = { Edg: "Edge", OPR: "Opera" };
  const system = /Android|iPhone|iPad|Windows|Mac OS|CrOS|Linux/.exec(userAgent)?.[0];
  return [names[browser] ?? browser, system?.replace("Mac OS", "a Mac")].filter(Boolean).join(" on ");
}
