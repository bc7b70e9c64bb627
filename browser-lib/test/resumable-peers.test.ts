// Peers of resumable streams that are slow, hostile or on their way out.

import { describe, expect, it, vi } from "vitest";
import { type Stream, StreamClient, StreamServer } from "../src/index.ts";
import { holdClock } from "./clock.ts";
import { collect } from "./joined.ts";
import { outcome, settle, until } from "./peer.ts";
import { passes, Switch } from "./splice.ts";
import { up } from "./up.ts";

const KIB = 1024;
const CONNECT = "/browser-server/connect/NAME";
const REPLY = { id: "u", resume: { v: 1, grace: 120 } };

holdClock();

/** A client whose stream a scripted server took up. */
async function taken() {
  const { mdm, peer } = await up();
  const stream = StreamClient(mdm).connect("NAME");
  const far = await peer.opened(CONNECT);
  far.frame(REPLY);
  await stream.opened;
  return { mdm, peer, stream, far };
}

describe("a server that judges its clients", () => {
  it.each([
    ["at once", () => true],
    ["later", async () => true],
  ])("reads what was written early, with nothing behind it, when it decides %s", async (_, accept) => {
    const proxy = new Switch();
    const [page, tab] = [proxy.page("page"), proxy.page("tab")];
    const served: Stream[] = [];
    await StreamServer(tab, { accept }, (stream) => served.push(stream)).listen("NAME").listening;
    StreamClient(page).connect("NAME").write("hello");
    await passes("a client", () => served.length > 0);
    const told = collect(served[0] as Stream);
    await passes("the early bytes", () => told.length === 5);
  });
});

describe("a peer", () => {
  it("threat_10_that_asks_and_never_reads costs no more than the queue of its carrier", async () => {
    const { mdm, stream, far } = await taken();
    far.reads = false;
    // Each in a turn of its own, so that each is answered: with far more than the window and the queue take.
    for (let ping = 0; ping < 150_000; ping++) {
      far.send(Uint8Array.of(7, ping & 127));
      for (let turn = 0; turn < 4; turn++) await null;
    }
    await settle();
    const { queued } = mdm.stats();
    expect(queued).toBeGreaterThan(200 * KIB);
    expect(queued).toBeLessThan(270 * KIB);
    expect(stream.resumption?.moves).toBe(0);
  });

  it("threat_32_resets with its own codes and those that are for it to say, not with the proxy's", async () => {
    const codes = ["4001", "cancelled", "busy", "lost", "unauthorized", "superseded", "14", "0x200", "nonsense"];
    const heard: string[] = [];
    for (const code of codes) {
      const { stream, far } = await taken();
      far.send(Uint8Array.of(4, code.length, ...new TextEncoder().encode(code), 0));
      heard.push(await outcome(stream.closed));
    }
    expect(heard).toEqual(["4001", "cancelled", "busy", ...Array(6).fill("internal")]);
  });

  it("threat_20_that goes down is asked again: a connect in that moment sees no error", async () => {
    const { mdm, peer } = await up();
    const stream = StreamClient(mdm).connect("NAME");
    const first = await peer.opened(CONNECT);
    first.frame({ error: { code: "draining", message: "" } }).finish();
    await settle();
    await vi.advanceTimersByTimeAsync(1000);
    await until("another open", () => peer.to(CONNECT) !== first);
    expect(peer.to(CONNECT).first?.resume).toEqual(first.first?.resume);
    peer.to(CONNECT).frame(REPLY);
    await stream.opened;
  });
});

describe("what was written while the stream was away", () => {
  it("is held no more once it is reset", async () => {
    const { stream, peer } = await taken();
    peer.cut();
    const write = stream.writable.getWriter().write(new Uint8Array(8 * KIB * KIB));
    await settle();
    stream.reset(4001);
    expect(await outcome(write)).toBe("4001");
    expect(await outcome(stream.closed)).toBe("4001");
  });
});
