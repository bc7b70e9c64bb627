// Why a camera, a microphone or a screen cannot be had, and what to do.

import type { Source } from "./chunk.ts";

const NAMES: Record<Source, string> = { camera: "camera", microphone: "microphone", screen: "screen" };

/** In words for a person; empty where nothing is wrong, as when the choice of a screen was closed. */
export function problemOf(source: Source, error: unknown): string {
  const what = NAMES[source];
  const name = error instanceof Error ? error.name : "";
  if (source === "screen" && name === "NotAllowedError") return "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return `This page may not use your ${what}. Allow it beside the address on top, then switch it on again. You can join without it.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No ${what} was found. Plug one in, or join without it.`;
    case "NotReadableError":
    case "AbortError":
      return `Your ${what} cannot be opened: another program may have it. Close that, then switch it on again.`;
    case "InsecureContextError":
      return `Browsers give a ${what} only to pages over https, or of this machine. You can join without it.`;
    default:
      return `Your ${what} cannot be used: ${error instanceof Error ? error.message : error}`;
  }
}

/** It was there, and is not any more. */
export function unplugged(source: "camera" | "microphone"): string {
  return `Your ${NAMES[source]} is gone: it was unplugged, or taken away. Choose another one, or plug it in and switch it on again.`;
}
