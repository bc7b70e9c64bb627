// Sizes, times and errors in words.

import { StreamError } from "browser-stream-server";
import { size, timeLeft } from "../quantity.ts";
import type { Upload } from "./upload.ts";

/** How far it is, in one line. */
export function progress(upload: Upload): string {
  const { state, sent, file, rate, secondsLeft, savedAs } = upload;
  const part = `${size(sent)} of ${size(file.size)}`;
  switch (state) {
    case "waiting":
      return "Waiting for its turn";
    case "sending":
      return [part, rate > 0 && `${size(rate)}/s`, secondsLeft !== undefined && timeLeft(secondsLeft)]
        .filter(Boolean)
        .join(" · ");
    case "paused":
      return `Paused at ${part}`;
    case "done":
      return savedAs === file.name ? "Uploaded" : `Uploaded as ${savedAs}`;
    case "cancelled":
      return "Cancelled. Nothing of it was kept.";
    case "failed":
      return explain(upload.error);
  }
}

/** What happened and what to do next. */
export function explain(error: unknown): string {
  if (!(error instanceof StreamError)) {
    return "This file could not be read: it was changed or moved, or is a folder. Choose it again.";
  }
  const { code, detail } = error;
  if (code === "bad_request") return `This name is not taken: ${detail}. Rename the file, and choose it again.`;
  return advice[code] ?? `It failed: ${error.message}. Try again.`;
}

/** Whether the same file may be taken at another time. */
export function mayPass(error: unknown): boolean {
  return error instanceof StreamError && !["bad_request", "limit", "4001"].includes(error.code);
}

const advice: Record<string, string> = {
  not_found: "The program here takes no files. Start the one that does: cargo run -p upload.",
  limit: "This file is larger than the program takes.",
  busy: "The program takes no files now. Try again later.",
  lost: "The connection broke. Try again when it is back: the file begins anew.",
  draining: "The program is about to stop. Try again when it is back.",
  "4001": "The file changed while it was sent. Choose it again.",
  "4002": "The program cannot write it: its disk may be full. Try again later.",
};
