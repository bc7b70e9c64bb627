// What somebody is called: one's own name, which the browser keeps, and those that others say they have.

const KEY = "browser-stream-server chat nickname";
export const NICKNAME_MAX = 40;

/** Who is in a room says so of itself. */
export interface Profile {
  readonly nickname: string;
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
  const seen = name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").replace(/\s+/g, " ");
  return [...seen.trim()].slice(0, NICKNAME_MAX).join("").trim();
}

interface Named {
  readonly id: string;
  readonly profile: unknown;
}

function own({ profile }: Named): string {
  const nickname = typeof profile === "object" && profile !== null && "nickname" in profile ? profile.nickname : "";
  return tidy(nickname) || "Somebody";
}

/** What a member is called among others; where two say the same name, with the start of its id, which nobody chooses. */
export function nameOf(member: Named, others: Iterable<Named>): string {
  const name = own(member);
  for (const other of others) {
    if (other.id !== member.id && own(other).toLowerCase() === name.toLowerCase()) {
      return `${name} (${member.id.slice(0, 4)})`;
    }
  }
  return name;
}

/** A colour for a member, the same in every page. */
export function hueOf(id: string): number {
  return (Number.parseInt(id.replaceAll("-", "").slice(-6), 16) || 0) % 360;
}
