// What somebody is called: one's own name, which the browser keeps, and those that others say they have.

import { isId } from "./wire.ts";

const KEY = "browser-stream-server chat nickname";
export const NICKNAME_MAX = 40;

/** Who is in a room says so of itself. */
export interface Profile {
  readonly nickname: string;
  /** Drawn at random by each page as it is loaded, and the same in all its rooms and seats. */
  readonly page: string;
}

export function keptNickname(): string {
  return tidy(localStorage.getItem(KEY));
}

export function keepNickname(nickname: string): void {
  localStorage.setItem(KEY, nickname);
}

/** A name without what cannot be seen or turns the text around it, no longer than fits; empty where nothing is left. */
export function tidy(name: unknown): string {
  if (typeof name !== "string") return "";
  const seen = name.replace(UNSEEN, " ").replace(MORE_JOINERS, "").replace(LONE_JOINERS, "").replace(/\s+/g, " ");
  const fits = [...seen.trim()].slice(0, NICKNAME_MAX).join("");
  return fits.replace(LONE_JOINERS, "").trim();
}

/** All but what joins an emoji's parts (U+200D), or holds two letters apart as Persian does (U+200C). */
const UNSEEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const MORE_JOINERS = /(?<=[\u200c\u200d])[\u200c\u200d]+/gu;
/** Those that have nothing on one side. */
const LONE_JOINERS = /(?<!\S)[\u200c\u200d]|[\u200c\u200d](?!\S)/gu;

interface Named {
  readonly id: string;
  readonly profile: unknown;
}

function own({ profile }: Named): string {
  const nickname = typeof profile === "object" && profile !== null && "nickname" in profile ? profile.nickname : "";
  return tidy(nickname) || "Somebody";
}

/** By which a member is known again if the proxy gives it another id. It is its own word: nothing is entrusted to it but a colour and what was said in its room. */
export function pageOf({ id, profile }: Named): string {
  const page = typeof profile === "object" && profile !== null && "page" in profile ? profile.page : "";
  return isId(page) ? page : id;
}

/** What a member is called among others; where two say the same name, with the start of its id, which nobody chooses. */
export function nameOf(member: Named, others: Iterable<Named>): string {
  const name = own(member);
  for (const other of others) {
    if (other.id !== member.id && looksOf(own(other)) === looksOf(name)) {
      return `${name} (${member.id.slice(0, 4)})`;
    }
  }
  return name;
}

/** Names of the same looks are told apart, whatever joins their letters. */
function looksOf(name: string): string {
  return name.replace(/[\u200c\u200d]/gu, "").toLowerCase();
}

/** A colour for a member's page, the same in every other. */
export function hueOf(page: string): number {
  return (Number.parseInt(page.replaceAll("-", "").slice(-6), 16) || 0) % 360;
}
