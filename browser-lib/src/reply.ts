// What the other side answered to our open.

import type { Cell } from "./cell.ts";
import { StreamError } from "./error.ts";
import type { JsonObject } from "./json.ts";
import { codeNumber, heard } from "./mux/codes.ts";
import type { StreamInfo } from "./stream.ts";

/** The error that our open was answered with, if it was. `reply` is one itself where it was none that can be read. */
export function refusal(reply: JsonObject | StreamError): StreamError | undefined {
  if (reply instanceof StreamError) return new StreamError("internal", `no valid reply (${reply.detail})`);
  const error = reply.error as { code?: unknown; message?: unknown } | null | undefined;
  if (error === undefined) return undefined;
  const code = typeof error?.code === "number" || typeof error?.code === "string" ? error.code : "internal";
  return new StreamError(heard(code), typeof error?.message === "string" ? error.message : undefined);
}

/** Resets a cell for what its open was answered with. */
export function resetRefused(cell: Cell, error: StreamError, reply: JsonObject | StreamError): void {
  cell.reset(error, codeNumber(reply instanceof StreamError ? "internal" : "cancelled"));
}

/** Takes the reply for a stream that rides on its cell alone. */
export function readReply(
  cell: Cell,
  info: StreamInfo,
  reply: JsonObject | StreamError,
  replied?: (reply: JsonObject) => void,
): void {
  const error = refusal(reply);
  if (error || reply instanceof StreamError) return error && resetRefused(cell, error, reply);
  if (typeof reply.id === "string") info.id = reply.id;
  replied?.(reply);
  cell.accepted();
}
