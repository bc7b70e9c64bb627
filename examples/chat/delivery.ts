// How far a message of one's own has come. It says no more than is known: an answer comes from the page of a member, a look from somebody in front of it.

import { StreamError } from "browser-stream-server";
import { AckError, type Answer, type Member } from "browser-stream-server/room";
import { together } from "./page.ts";

/** How long members have to answer. */
export const ANSWER_MS = 10_000;

/** So many are named, of more the number. */
const NAMED_MAX = 6;
const collator = new Intl.Collator();

export type Mark = "waiting" | "sending" | "sent" | "part" | "delivered" | "seen" | "failed";

/** In a word or two beside the message, and in a sentence for who points at it or hears it. */
export interface Told {
  readonly mark: Mark;
  readonly short: string;
  readonly long: string;
}

/** A member as it is kept here: its id may be another one soon. */
export interface Named {
  readonly page: string;
  readonly name: string;
}

/** Who answered; the proxy's program is nobody. */
export function membersOf(answers: readonly Answer[]): Member[] {
  return answers.flatMap(({ from }) => from ?? []);
}

/** It did not go, because it is too large, or because too much waits already. */
export function isTooMuch(error: unknown): boolean {
  return (
    error instanceof StreamError && error.code === "limit" && !(error instanceof AckError && error.answers.length > 0)
  );
}

export class Delivery {
  /** Who was asked, by page, with the name of then. */
  #asked: Map<string, string>;
  /** To whom of them it is offered as they come back: nobody else can ask them. */
  readonly #awaited = new Set<string>();
  #isOver = false;
  readonly #has = new Set<string>();
  readonly #saw = new Set<string>();
  #state: "sending" | "answered" | "late" | "failed" = "sending";
  #why = "";
  /** Whether there was no connection when it was last looked at. */
  isOffline = false;

  /** @param absent who is not in the room and may come back, by page */
  constructor(absent: ReadonlyMap<string, string> = new Map()) {
    this.#asked = new Map(absent);
    this.expect(absent.keys());
  }

  /** It never went, or nobody came back for it. */
  get canRepeat(): boolean {
    return this.#state === "failed" || (this.#isOver && this.#has.size === 0 && this.#state !== "sending");
  }

  /** It is sent, for the first time or again, to those who are in the room then. */
  begin(isOffline: boolean, asked: ReadonlyMap<string, string>): void {
    this.#asked = new Map([...this.#asked, ...asked]);
    this.#state = "sending";
    this.isOffline = isOffline;
    if (this.#isOver) this.#awaited.clear();
  }

  /** The proxy forgot who these are: who has not confirmed it is offered it. */
  expect(pages: Iterable<string>): void {
    const lacking = [...pages].filter((page) => this.#asked.has(page) && !this.#has.has(page));
    if (lacking.length === 0) return;
    if (this.#isOver) this.#awaited.clear();
    this.#isOver = false;
    for (const page of lacking) this.#awaited.add(page);
  }

  /** Whether it is to be offered to that page. */
  lacks(page: string): boolean {
    return this.#state !== "failed" && !this.#isOver && this.#awaited.has(page) && !this.#has.has(page);
  }

  /** It was offered to that page, which has it. */
  took(page: string): void {
    this.#has.add(page);
  }

  /** It is offered to nobody any more. */
  over(): void {
    if (this.#isWaiting) this.#isOver = true;
  }

  /** Everybody who was asked has answered. */
  answered(by: readonly Named[]): void {
    this.#count(by);
    for (const { page } of by) this.#has.add(page);
    this.#state = "answered";
  }

  /** Not all did, or it never went. */
  refused(error: unknown, named: (member: Member) => Named): void {
    if (!(error instanceof AckError) || isTooMuch(error)) {
      this.#state = "failed";
      this.#why = StreamError.from(error).detail;
      return;
    }
    const answered = membersOf(error.answers).map(named);
    this.#count([...answered, ...error.missing.map(named)]);
    for (const { page } of answered) this.#has.add(page);
    this.#state = "late";
  }

  /** Somebody looked at it, or at a later one: then it has this one, too, unless this one was never asked for there. Says whether that is news. */
  seenBy(page: string, isLater: boolean): boolean {
    if (!this.#asked.has(page) || this.#saw.has(page)) return false;
    if (isLater && this.#awaited.has(page) && !this.#has.has(page)) return false;
    this.#saw.add(page);
    this.#has.add(page);
    return true;
  }

  told(): Told {
    const [all, has, saw] = [this.#asked.size, this.#has.size, this.#saw.size];
    if (this.#state === "failed") return { mark: "failed", short: "not sent", long: `Not sent: ${this.#why}` };
    if (this.isOffline && has === 0 && this.#state !== "answered") {
      return {
        mark: "waiting",
        short: "waits",
        long: "No connection: it waits here, and goes out by itself when it is back.",
      };
    }
    if (has === 0 && this.#isWaiting && this.#state !== "sending") {
      if (this.#isOver) return { mark: "failed", short: "not delivered", long: `Nobody has it.${this.#rest()}` };
      return { mark: "waiting", short: "waits", long: `Nobody has it so far.${this.#rest()}` };
    }
    if (all === 0 && this.#state !== "sending") {
      return { mark: "sent", short: "nobody else here", long: "Sent, but nobody else was in the room: nobody has it." };
    }
    if (all > 0 && saw === all)
      return {
        mark: "seen",
        short: all === 1 ? "seen" : "seen by all",
        long: `${this.#names(this.#saw)} looked at it.`,
      };
    if (saw > 0)
      return {
        mark: "seen",
        short: `seen by ${saw} of ${all}`,
        long: `${this.#names(this.#saw)} looked at it.${this.#rest()}`,
      };
    if (this.#state === "sending" && has === 0) {
      return { mark: "sending", short: "sending", long: "On its way: not everybody’s page has answered yet." };
    }
    if (has === all) {
      return {
        mark: "delivered",
        short: "delivered",
        long: `Delivered: the pages of ${this.#names(this.#has)} have it. Nobody has looked at it yet.`,
      };
    }
    if (has === 0)
      return { mark: "sent", short: "not confirmed", long: `Sent, and not confirmed so far.${this.#rest()}` };
    return {
      mark: "part",
      short: `delivered to ${has} of ${all}`,
      long: `Delivered to ${this.#names(this.#has)}.${this.#rest()}`,
    };
  }

  /** Some to whom it is offered do not have it. */
  get #isWaiting(): boolean {
    return [...this.#awaited].some((page) => !this.#has.has(page));
  }

  /** These were asked, besides those who are offered it, or have it already. */
  #count(all: readonly Named[]): void {
    const others = [...this.#asked].filter(([page]) => this.#awaited.has(page) || this.#has.has(page));
    this.#asked = new Map([...all.map(({ page, name }) => [page, this.#asked.get(page) ?? name] as const), ...others]);
  }

  /** Who has not answered, if the time for it is over, and who is waited for. */
  #rest(): string {
    const missing = [...this.#asked.keys()].filter((page) => !this.#has.has(page));
    const late = new Set(missing.filter((page) => !this.#awaited.has(page)));
    const awaited = new Set(missing.filter((page) => this.#awaited.has(page)));
    let rest = "";
    if (this.#state === "late" && late.size > 0)
      rest = ` No answer within ${ANSWER_MS / 1000} s from ${this.#names(late)}, who may get it later.`;
    if (awaited.size === 0) return rest;
    return this.#isOver
      ? `${rest} No answer from ${this.#names(awaited)} in the two minutes since the seats were lost.`
      : `${rest} It goes to ${this.#names(awaited)} as they come back, for two minutes since the seats were lost.`;
  }

  #names(pages: ReadonlySet<string>): string {
    const asked = [...this.#asked].filter(([page]) => pages.has(page));
    return together(asked.map(([, name]) => name).sort(collator.compare), NAMED_MAX);
  }
}
