// What turns a value into bytes and back, and which values can be turned.

/** Encodes values. Both calls throw, with a message that says what to do, for what they cannot take. */
export interface Codec {
  /** The bytes of one value; nobody writes to them afterwards. */
  encode(value: unknown): Uint8Array;
  /** The value of bytes that are exactly one. */
  decode(bytes: Uint8Array<ArrayBuffer>): unknown;
}

/** Why a number, a BigInt or an object that is neither an array nor plain does not fit; nothing if it does. */
export type Misfit = (value: number | bigint | object) => string | undefined;

/** Arrays and objects may be nested so deep. */
export const DEPTH_MAX = 100;

/** Half of a character that takes two UTF-16 units: no UTF-8 says it. */
const LONE_HALF = /\p{Surrogate}/u;

/** Throws for a value that would not arrive as what it is. A field that is undefined is left out, and an item becomes null. */
export function check(value: unknown, misfit: Misfit): void {
  if (value === undefined) throw new TypeError("undefined is no value: send null");
  checkPart(value, misfit, 0);
}

function checkPart(value: unknown, misfit: Misfit, depth: number): void {
  switch (typeof value) {
    case "string":
      if (LONE_HALF.test(value)) throw new TypeError("text with half a character: toWellFormed() mends it");
      return;
    case "number":
    case "bigint":
      return refuse(misfit(value));
    case "function":
    case "symbol":
      throw new TypeError(`a ${typeof value} cannot be sent`);
    case "object":
      if (value !== null) checkObject(value, misfit, depth + 1);
  }
}

function checkObject(value: object, misfit: Misfit, depth: number): void {
  if (!Array.isArray(value) && !isPlain(value)) return refuse(misfit(value));
  if (depth > DEPTH_MAX) throw new TypeError(`nested deeper than ${DEPTH_MAX} levels, or in a circle`);
  if (Array.isArray(value)) for (const item of value) checkPart(item, misfit, depth);
  else {
    for (const key of Object.keys(value)) {
      if (key === "__proto__") throw new TypeError("a field named __proto__");
      checkPart(key, misfit, depth);
      checkPart((value as Record<string, unknown>)[key], misfit, depth);
    }
  }
}

function refuse(why: string | undefined): void {
  if (why) throw new TypeError(why);
}

/** An object of which only its own fields matter: a literal, or of a class of the user's. */
function isPlain(value: object): boolean {
  return Object.prototype.toString.call(value) === "[object Object]";
}

/** What an object is called in a message. */
export function nameOf(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}
