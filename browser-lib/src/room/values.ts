// What events carry: their names, their arguments, and what is answered to them.

import { StreamError } from "../error.ts";
import { report } from "../events.ts";
import { parseJson } from "../json.ts";
import { msgpack } from "../msgpack.ts";
import { demand } from "../options.ts";
import { text } from "../resume/record.ts";
import { isOwn, type Outcome } from "./listeners.ts";
import { NAME_MAX, TEXT_MAX } from "./records.ts";

/** The most bytes of a profile as JSON. */
const PROFILE_MAX = 4096;

/** An event's name as bytes. Throws `bad_request` for one that cannot be sent. */
export function nameBytes(event: string): Uint8Array {
  demand(typeof event === "string" && !/\p{Surrogate}/u.test(event), "an event's name is text");
  demand(!isOwn(event), `${event} is an event of the room's own: take another name`);
  const bytes = new TextEncoder().encode(event);
  demand(bytes.length > 0 && bytes.length <= NAME_MAX, `an event's name has 1 to ${NAME_MAX} bytes of UTF-8`);
  return bytes;
}

/** A profile as JSON; nothing where there is none. Throws `bad_request` for what is none, is too long, or has more than 14 levels. */
export function profileJson(profile: unknown): string | undefined {
  const json = profile === undefined ? undefined : JSON.stringify(profile);
  demand(profile === undefined || json !== undefined, "a profile is what JSON can say");
  const length = new TextEncoder().encode(json).length;
  demand(length <= PROFILE_MAX, `a profile of ${length} bytes, ${PROFILE_MAX} at most`);
  // As it stands in an open: deeper, nobody could read it.
  if (json !== undefined) parseJson(new TextEncoder().encode(`[[${json}]]`));
  return json;
}

/** Throws `bad_request` for what MessagePack cannot say, and `limit` for what is too long. */
export function encode(value: unknown, max: number): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = msgpack.encode(value);
  } catch (error) {
    throw new StreamError("bad_request", error instanceof Error ? error.message : String(error));
  }
  if (bytes.length <= max) return bytes;
  throw new StreamError(
    "limit",
    `${bytes.length} bytes in one event, ${max} at most: send it in parts, or as a stream`,
  );
}

/** A value that came from a peer, which may be nonsense: then that is the error. */
export function decode(bytes: Uint8Array<ArrayBuffer>): { value: unknown } | { error: StreamError } {
  try {
    return { value: msgpack.decode(bytes) };
  } catch (error) {
    return {
      error: new StreamError("bad_request", `what came is no value: ${error instanceof Error ? error.message : error}`),
    };
  }
}

/** What we answer: 0 and a value, or a code and a text. */
export interface Reply {
  readonly code: number;
  readonly body: Uint8Array;
}

export function refuse(error: StreamError): Reply {
  const detail = new TextEncoder().encode(error.detail);
  return { code: error.number, body: new TextEncoder().encode(text(detail, TEXT_MAX)) };
}

/** What an ask is answered with: what the first listener gave that gave anything, or threw. Faults of the program's own are shown where such are. */
export async function replyOf(outcomes: readonly Outcome[], max: number): Promise<Reply> {
  if (outcomes.length === 0) return refuse(new StreamError("unsupported", "nobody listens to that event there"));
  try {
    for (const outcome of outcomes) {
      if ("error" in outcome) throw outcome.error;
      const value = await outcome.value;
      if (value !== undefined) return { code: 0, body: encode(value, max) };
    }
    return { code: 0, body: encode(null, max) };
  } catch (error) {
    return failed(error);
  }
}

/** An error of the protocol's class is meant for who asked; anything else stays here. */
function failed(error: unknown): Reply {
  if (error instanceof StreamError) return refuse(error);
  report(error);
  return refuse(new StreamError("internal", "the listener failed"));
}
