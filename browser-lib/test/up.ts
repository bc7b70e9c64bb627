// A connection that is up, in a page that may wake, and what it tells.

import { vi } from "vitest";
import type { CloseInfo, MuxDemux, Reconnecting } from "../src/index.ts";
import { dial, type Peer, settle } from "./peer.ts";

/** What a page would see, as words. */
export function record(mdm: MuxDemux): unknown[] {
  const seen: unknown[] = [];
  mdm.on("state", (state) => seen.push(state));
  mdm.on("open", () => seen.push("open!"));
  mdm.on("reconnecting", ({ attempt, delayMs, error }: Reconnecting) => seen.push([attempt, delayMs, error.code]));
  mdm.on("error", ({ code }) => seen.push(`error ${code}`));
  mdm.on("close", ({ code }: CloseInfo) => seen.push(`close ${code}`));
  return seen;
}

/** A connection that is up, with the proxy's answer to its introduction. */
export async function up(dialed = dial()) {
  await greet(dialed.peer);
  await settle();
  return dialed;
}

export async function greet(peer: Peer) {
  return (await peer.opened("/session")).frame({ session: "s", node: "n", capabilities: [], limits: {} });
}

/** A page's events, which reach its window. */
export function page() {
  const window = new EventTarget();
  const document = { hidden: false };
  const listening = new Set<unknown>();
  vi.stubGlobal("addEventListener", (type: string, listener: () => void, options?: { signal: AbortSignal }) => {
    listening.add(listener);
    options?.signal.addEventListener("abort", () => listening.delete(listener));
    window.addEventListener(type, listener, options);
  });
  vi.stubGlobal("document", document);
  return { happen: (type: string) => window.dispatchEvent(new Event(type)), document, listening };
}
