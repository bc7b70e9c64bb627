// The page of a receiver.

import { size } from "../quantity.ts";
import type { Invitation } from "./code.ts";
import { randomHex } from "./digest.ts";
import { enter, wasEntered } from "./enter.ts";
import { Exchange, type Presence } from "./exchange.ts";
import { forgetOld } from "./held.ts";
import type { Incoming } from "./incoming.ts";
import { keepOnLeaving, takeKept } from "./keep.ts";
import { announce, element, follow, guard, painter, proxy, say, title } from "./page.ts";
import { Row, Rows } from "./row.ts";
import { isUnlimited } from "./sink.ts";
import { stayAwake } from "./wake.ts";
import { count, incoming } from "./words.ts";

/** As whom the sender knows this page, and what it had asked for: also after it was loaded again. */
interface Kept {
  readonly me: string;
  readonly wanted: string[];
}

const KEY = "file-exchange receiver";

let exchange: Exchange;
const told = new Map<Incoming, string>();
/** A code was typed on the page before this one. */
let isEntered = false;

/** Shows what is shared under the code, and gets it. */
export function receive(invitation: Invitation): void {
  element("receive").hidden = false;
  element("unchecked").hidden = invitation.key !== undefined;
  void isUnlimited().then((isIt) => {
    element("limited").hidden = isIt;
  });
  if (isSecureContext) say("limited-why", "This window keeps nothing for pages, as private ones do.");
  isEntered = wasEntered();
  const changed = painter(paint, () => all().some(({ isRunning }) => isRunning));
  const { me, wanted } = takeKept<Kept>(KEY) ?? { me: randomHex(8), wanted: [] };
  exchange = new Exchange(proxy, { me, as: device() }, changed, wanted);
  keepOnLeaving<Kept>(KEY, () => ({ me, wanted: exchange.wanted }));
  correct(invitation);
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
    head(invitation);
    for (const file of all()) tell(file);
  }
}

/** A code that was typed may have been typed wrong. */
function correct({ code }: Invitation): void {
  const field = element<HTMLInputElement>("corrected");
  field.value = code;
  element("correct").addEventListener("submit", (event) => {
    event.preventDefault();
    enter(field.value, "correct-problem");
  });
}

function head({ code, key }: Invitation): void {
  const idle = all().filter(mayBegin);
  const done = all().filter(({ state }) => state === "done").length;
  const sum = all().reduce((bytes, { file }) => bytes + file.size, 0);
  element("incoming-part").hidden = all().length === 0;
  say("receive-title", all().length > 0 ? `${count(all().length, "file")} for you` : "Receive files");
  const isTyped = key === undefined;
  element("correct").hidden = !isTyped || exchange.presence !== "nobody";
  say("receive-lead", isTyped && exchange.presence === "nobody" ? nobodyUnder(code) : lead(exchange.presence));
  say("incoming-title", done > 0 ? `${done} of ${all().length} saved` : size(sum));
  element("get-all").hidden = idle.length < 2 || exchange.presence !== "here";
  if (isEntered && exchange.presence === "nobody") focus("corrected");
  if (isEntered && all().length > 0) {
    focus("incoming-title");
    isEntered = false;
  }
}

/** Who came by a code and a key press goes on where the page does, unless they are elsewhere already. */
function focus(id: string): void {
  if (document.activeElement === document.body || document.activeElement?.id === "corrected") element(id).focus();
}

function nobodyUnder(code: string): string {
  return `Nobody shares under ${code} now: check it. If it is right, the sender’s page must be open: it shows here as soon as it is.`;
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
      return "The sender’s connection is away, or their page is being loaded again. It goes on when they are back (for up to two minutes).";
    case "gone":
      return "The sender is gone: their page was closed, or it crashed, and this link ended with it. Ask them to share again and to send you the new one. What is saved is yours.";
    case "over":
      return `${exchange.reason || "The sender stopped sharing."} What is saved is yours.`;
    case "refused":
      return `This link opens nothing here. ${exchange.reason.replace(/^./, (first) => first.toUpperCase()).replace(/\.$/, "")}. Ask for it again.`;
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
