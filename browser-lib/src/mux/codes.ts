// Why a stream was reset or refused: stable strings with fixed numbers, the same in every program that speaks the protocol (PROTOCOL.md, section 3).

/** Our codes. The number of each on the wire is its place here, counted from 1. */
export const CODES = [
  "bad_request",
  "not_found",
  "name_taken",
  "name_reserved",
  "forbidden",
  "unauthorized",
  "unsupported",
  "limit",
  "busy",
  "timeout",
  "unresponsive",
  "gone",
  "superseded",
  "lost",
  "cancelled",
  "draining",
  "internal",
  "lagging",
  "tampered",
  "key_changed",
] as const;

/** One of our codes. */
export type Code = (typeof CODES)[number];

/** From here on numbers belong to the application. */
export const APPLICATION_CODE_MIN = 256;

const LOCAL_MIN = CODES.indexOf("tampered") + 1;
const NUMBER_MAX = 0xffff_ffff;

/** The number that stands for a code on the wire; 0 (a stock peer's) is `cancelled`, what is no code becomes `internal`. */
export function codeNumber(code: string | number): number {
  if (code === 0) return codeNumber("cancelled");
  const number = typeof code === "number" ? code : CODES.indexOf(code as Code) + 1 || Number(code);
  const known = number > 0 && (number <= CODES.length || number >= APPLICATION_CODE_MIN);
  return Number.isInteger(number) && known && number <= NUMBER_MAX ? number : codeNumber("internal");
}

/** The string for a number from the wire: the application's stay digits, 0 and unknown ones as in {@link codeNumber}. */
export function codeText(number: number): string {
  if (number >= APPLICATION_CODE_MIN) return String(number);
  return number === 0 ? "cancelled" : (CODES[number - 1] ?? "internal");
}

/** The same for what the other side said: what only this end can find out is not for it to say. */
export function heard(code: string | number): number {
  const number = codeNumber(code);
  return number < LOCAL_MIN || number >= APPLICATION_CODE_MIN ? number : codeNumber("internal");
}

/** Whether a user may give this number as a code of its own. */
export function isApplicationCode(code: number): boolean {
  return Number.isInteger(code) && code >= APPLICATION_CODE_MIN && code <= NUMBER_MAX;
}
