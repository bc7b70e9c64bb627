// Numbers, states and errors in words for people.

import { StreamError } from "browser-stream-server";
import { size, timeLeft } from "../quantity.ts";
import { type Exchange, Gone } from "./exchange.ts";
import type { Incoming } from "./incoming.ts";
import type { Pace } from "./pace.ts";
import { isHere, newest, type Receiver } from "./receivers.ts";
import { BadPiece, NoRoom } from "./refused.ts";
import type { Shown } from "./row.ts";
import { NotSaved } from "./save.ts";
import { TooLarge } from "./sink.ts";
import type { Transfer } from "./transfer.ts";
import { CODES, type Listed } from "./wire.ts";

/** Lines of one receiver, beside that of the newest. */
const ENDED_MAX = 3;

export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** A name in a sentence: written from right to left it shall not turn what stands around it. */
export function isolated(name: string): string {
  return `\u2066${name}\u2069`;
}

/** How far something is; and how fast it goes, and how long it will take, unless it `stands`. */
export function progress(bytes: number, all: number, pace: Pace, stands: boolean): string {
  const seconds = stands ? undefined : pace.secondsFor(all - bytes);
  const parts = [`${size(bytes)} of ${size(all)}`];
  if (seconds !== undefined) parts.push(`${size(pace.rate)}/s`, timeLeft(seconds));
  return parts.join(" · ");
}

/** What the receiver reads of a file. */
export function incoming(file: Incoming, { presence, waits, mdm }: Exchange): string {
  const part = `${size(file.held)} of ${size(file.file.size)}`;
  const isAway = file.state === "coming" && presence === "away";
  switch (isAway ? "away" : file.state) {
    case "offered":
      return "";
    case "waiting":
      return "Waiting for its turn";
    case "coming":
      if (file.held === 0 && waits) return "Waiting for the sender to start it for all";
      return `${progress(file.held, file.file.size, file.pace, mdm.state !== "open")}${file.continues ? "" : " · begins anew if this page is loaded again"}`;
    case "away":
      return `The sender is away. ${part} is here, and it goes on when they are back (for up to two minutes).`;
    case "saving":
      return "All here, each piece checked. Your browser saves it.";
    case "done":
      return "Saved, and checked";
    case "cancelled":
      return "Cancelled. Nothing of it was kept.";
    case "failed":
      return why(file.error, file);
  }
}

/** What the sender reads of a receiver, of the files that are shared now. `stands`: there is no connection. */
export function person(receiver: Receiver, files: Listed[], stands: boolean): Shown {
  const now = newest(receiver);
  const all = [...receiver.transfers.values()];
  const done = files.filter(({ id }) => receiver.transfers.get(id)?.state === "done").length;
  // How others ended stays to be read, however soon the next begins.
  const ended = all.filter((one) => one !== now && (one.state === "cancelled" || one.state === "failed"));
  const name = receiver.as || "Somebody";
  if (!now) return { name, told: "Looks at the list", state: "looking" };
  const whole = now.offered.listed.size;
  const hasAll = files.length > 1 && done === files.length;
  const last = hasAll ? `All ${files.length} files have arrived, and were checked` : transfer(now, files, stands);
  const facts = [isHere(receiver) ? "" : "gone", done > 0 ? `has ${done} of ${count(files.length, "file")}` : ""];
  return {
    name,
    size: facts.filter(Boolean).join(" · "),
    told: [...ended.slice(-ENDED_MAX).map((one) => transfer(one, files, stands)), last].join("\n"),
    part: now.isOver ? undefined : whole === 0 ? 1 : now.arrived / whole,
    state: now.state === "done" && !isHere(receiver) ? "gone" : now.state,
    stop: now.isOver ? "" : "Cancel",
  };
}

/** What is said of a file, behind which of those it is that are shared now. */
function transfer(one: Transfer, files: Listed[], stands: boolean): string {
  const at = files.findIndex(({ id }) => id === one.offered.listed.id);
  return at < 0 || files.length === 1
    ? course(one, stands)
    : `File ${at + 1} of ${files.length}: ${course(one, stands)}`;
}

function course({ state, arrived, offered, pace, error }: Transfer, stands: boolean): string {
  const { size: all } = offered.listed;
  const name = isolated(offered.listed.name);
  const code = error instanceof StreamError ? error.number : 0;
  switch (state) {
    case "beginning":
      return `${name} · begins`;
    case "waiting":
      return `${name} · waits for your start`;
    case "sending":
      return `${name} · ${progress(arrived, all, pace, stands)}`;
    case "done":
      return `${name} · has arrived, and was checked`;
    case "cancelled":
      return `${name} · cancelled ${code === CODES.cancelledBySender ? "by you" : "by them"}`;
    case "failed":
      if (code === CODES.cannotWrite) return `${name} · they have no room for it`;
      if (code === CODES.badPiece) return `${name} · a piece arrived damaged, and was refused`;
      if (code) return `${name} · broke off at ${size(arrived)} of ${size(all)}: they, or the connection, went away`;
      return `${name} · ${error instanceof Error ? error.message : "it broke off"} Choose it again.`;
  }
}

function why(error: unknown, file: Incoming): string {
  if (error instanceof TooLarge)
    return "Too large for a page over plain http, which takes 256 MB. Ask for an address with https.";
  if (error instanceof BadPiece) return "A piece arrived damaged twice, and was refused. Try again.";
  if (error instanceof NotSaved) return `It was not saved: ${error.message} Try again.`;
  if (error instanceof Gone) {
    const kept = file.continues && file.held > 0;
    return `Broke off: the sender is gone.${kept ? ` ${size(file.held)} is kept here for a day, should they come back under this link.` : ""}`;
  }
  if (error instanceof NoRoom)
    return "It cannot be kept here: there is no room, or the download was stopped. Try again.";
  if (!(error instanceof StreamError))
    return `It failed: ${error instanceof Error ? error.message : error}. Try again.`;
  return advice[error.code] ?? `It failed: ${error.message}. Try again.`;
}

const advice: Record<string, string> = {
  [CODES.cancelledBySender]: "The sender cancelled it. Nothing of it was kept.",
  [CODES.unreadable]:
    "The sender cannot read this file any more: it was changed, moved or deleted there. Ask them to choose it again.",
  [CODES.noSuchFile]: "The sender does not share it now. If they do again, it goes on.",
};
