// Why a value could not be sent or read.

import { StreamError } from "../error.ts";

/** What is wrong with it. */
export type ValueCode = "bad_value" | "value_too_large";

/**
 * A value that is too large, or that the codec cannot take. From `send` and `write` it harms nothing: that value was not sent, the next one may be. Read, or
 * written to `writable`, it ends the stream: the other side gets the reset `limit` or `cancelled`, which is `number`.
 */
export class ValueError extends StreamError {
  override readonly name = "ValueError";
  override readonly code: ValueCode;

  constructor(code: ValueCode, detail: string) {
    super(code === "value_too_large" ? "limit" : "cancelled", detail);
    this.code = code;
    this.message = `${code}: ${detail}`;
  }

  /** The error that stands for what a codec threw. */
  static fromCodec(thrown: unknown): ValueError {
    return new ValueError("bad_value", thrown instanceof Error ? thrown.message : String(thrown));
  }

  static tooLarge(bytes: number, max: number): ValueError {
    return new ValueError(
      "value_too_large",
      `a value of ${bytes} bytes, ${max} at most: raise { max } at both ends, or send it in parts`,
    );
  }
}
