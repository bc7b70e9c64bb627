// How far a message of one's own has come. It says no more than is known: an answer comes from the page of a member, a look from somebody in front of it.

import { StreamError } from "browser-stream-server";
import { AckError, type Answer } from "browser-stream-server/room";
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

/** Who answered; the proxy's program is nobody. */
export function idsOf(answers: readonly Answer[]): string[] {
  return answers.flatMap(({ from }) => from?.id ?? []);
}

/** It did not go, because it is too large, or because too much waits already. */
export function isTooMuch(error: unknown): boolean {
  return (
    error instanceof StreamError && error.code === "limit" && !(error instanceof AckError && error.answers.length > 0)
  );
}

export class Delivery {
  /** Who was asked, by id, with the name of then. */
  #asked: Map<string, string>;
  readonly #has = new Set<string>();
  readonly #saw = new Set<string>();
  #state: "sending" | "answered" | "late" | "failed" = "sending";
  #why = "";
  /** Whether there was no connection when it was last looked at. */
  isOffline = false;

  /** @param asked who is in the room as it is sent, by id */
  constructor(asked: ReadonlyMap<string, string>) {
    this.#asked = new Map(asked);
  }

  get hasFailed(): boolean {
    return this.#state === "failed";
  }

  /** It is sent, for the first time or again. */
  begin(isOffline: boolean): void {
    this.#state = "sending";
    this.isOffline = isOffline;
  }

  /** Everybody who was asked has answered. */
  answered(by: readonly string[], nameOf: (id: string) => string): void {
    this.#asked = new Map(by.map((id) => [id, this.#asked.get(id) ?? nameOf(id)]));
    for (const id of by) this.#has.add(id);
    this.#state = "answered";
  }

  /** Not all did, or it never went. */
  refused(error: unknown, nameOf: (id: string) => string): void {
    if (!(error instanceof AckError) || isTooMuch(error)) {
      this.#state = "failed";
      this.#why = StreamError.from(error).detail;
      return;
    }
    const answered = idsOf(error.answers);
    const all = [...answered, ...error.missing.map(({ id }) => id)];
    this.#asked = new Map(all.map((id) => [id, this.#asked.get(id) ?? nameOf(id)]));
    for (const id of answered) this.#has.add(id);
    this.#state = "late";
  }

  /** Somebody looked at it, who has it then. Says whether that is news. */
  seenBy(id: string): boolean {
    if (!this.#asked.has(id) || this.#saw.has(id)) return false;
    this.#saw.add(id);
    this.#has.add(id);
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
    if (this.#state === "sending") {
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

  /** Who has not answered, if the time for it is over. */
  #rest(): string {
    const missing = new Set([...this.#asked.keys()].filter((id) => !this.#has.has(id)));
    if (this.#state !== "late" || missing.size === 0) return "";
    return ` No answer within ${ANSWER_MS / 1000} s from ${this.#names(missing)}, who may get it later.`;
  }

  #names(ids: ReadonlySet<string>): string {
    const asked = [...this.#asked].filter(([id]) => ids.has(id));
    return together(asked.map(([, name]) => name).sort(collator.compare), NAMED_MAX);
  }
}
