// What a session is asked for. Types only.

import type { StreamError } from "./error.ts";
import type { JsonObject } from "./json.ts";
import type { StreamOptions } from "./stream.ts";

/** What a stream is opened with. */
export interface OpenRequest extends StreamOptions {
  readonly path: string;
  readonly meta?: unknown;
  /** Further fields of the open. */
  readonly fields?: object | undefined;
  /** Milliseconds to wait for a connection, then the stream fails `timeout`; `Infinity` is for ever. */
  readonly patience?: number | undefined;
  /** Is given the reply of who accepts. */
  readonly replied?: (reply: JsonObject) => void;
  /** Opened although the session ends with its last stream. */
  readonly isParting?: boolean;
  /** Who we are: the open instead, as of when there is a connection, and who hears of its refusal before any other answer is read. */
  readonly us?: Introduction;
}

/** What a session says of us first. */
export interface Introduction {
  hello(): Uint8Array;
  refused(error: StreamError): void;
}
