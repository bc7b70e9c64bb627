// The one class of error: what went wrong as a stable code.

import { APPLICATION_CODE_MIN, codeNumber, codeText, isApplicationCode } from "./mux/codes.ts";

/**
 * Why a stream, a claim or a session failed.
 *
 * `code` is stable: one of the protocol's strings (`"not_found"`, `"lost"`, …), or an application's number in decimal digits (`"4001"`).
 * `number` is the same as a number: 1–255 for the protocol's codes, 256 and up for the application's.
 */
export class StreamError extends Error {
  override readonly name: string = "StreamError";
  readonly code: string;
  readonly number: number;
  /** What `message` says behind the code. */
  readonly detail: string;

  constructor(code: string | number, message?: string) {
    const number = codeNumber(code);
    const text = codeText(number);
    const detail = message || (MEANING[text] ?? "");
    super(detail ? `${text}: ${detail}` : text);
    this.code = text;
    this.number = number;
    this.detail = detail;
  }

  /** The error that stands for whatever was thrown: itself, or `internal` with that as its `cause`. */
  static from(thrown: unknown): StreamError {
    if (thrown instanceof StreamError) return thrown;
    return Object.assign(new StreamError("internal", String(thrown)), { cause: thrown });
  }
}

/** The number to reset with for what a user gave: nothing, a code of its own (256 and up), one of ours, or an error. */
export function resetNumber(reason: unknown): number {
  if (reason instanceof StreamError) return reason.number;
  if (typeof reason === "number" && !isApplicationCode(reason)) {
    throw new RangeError(`${reason} is no code of an application: they are whole numbers from ${APPLICATION_CODE_MIN}`);
  }
  return typeof reason === "number" || typeof reason === "string" ? codeNumber(reason) : codeNumber("cancelled");
}

const MEANING: Readonly<Record<string, string>> = {
  not_found: "nobody serves that name or path",
  name_taken: "somebody else serves under that name",
  busy: "the server takes no more clients now",
  timeout: "no answer came in time",
  unresponsive: "the server went away before it answered",
  gone: "the server ended",
  lost: "the connection broke before the stream had ended",
  cancelled: "the other side, or this one, gave the stream up",
};
