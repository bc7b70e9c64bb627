// Loaded before, so that no test waits for it.
import "../src/carriers/index.ts";
import { describe, expect, it, vi } from "vitest";
import { type Carrier, MuxDemux, type MuxDemuxOptions, StreamClient } from "../src/index.ts";
import { holdClock } from "./clock.ts";
import { httpProxy, type Line } from "./http-proxy.ts";
import { settled } from "./joined.ts";
import { dialing, outcome, Peer, settle, until } from "./peer.ts";
import { greet } from "./up.ts";

holdClock();

const ALL: Carrier[] = ["websocket", "webtransport", "http"];
const URL = "ws://proxy.test/mux";

/** The far side of a connection over HTTP. */
function over(line: Line, taken = 0): Peer {
  const peer = new Peer({ onmessage: ({ data }: { data: ArrayBuffer }) => line.send(new Uint8Array(data)) } as never);
  for (const { body } of line.ups.slice(taken)) if (body) peer.receive(body);
  return peer;
}

/** A page whose WebSockets are in a test's hands, and a proxy that answers over HTTP. */
function page(options: MuxDemuxOptions & { hold?: boolean } = { hold: true }) {
  const stored = new Map<string, string>();
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
    removeItem: (key: string) => stored.delete(key),
  });
  const proxy = httpProxy();
  let peer: Peer | undefined;
  proxy.up = (asked, line) => {
    if (!peer) peer = over(line);
    else if (asked.body) peer.receive(asked.body);
    return 204;
  };
  const dialed = () => {
    const made = dialing({ carriers: ALL, ...options });
    const told: unknown[] = [];
    made.mdm.on("carrier", (carrier) => told.push(carrier));
    made.mdm.on("error", ({ code }) => told.push(code));
    return { ...made, told };
  };
  /** Answers the introduction over HTTP. */
  const welcome = async () => {
    await until("a first body", () => peer);
    await greet(peer as Peer);
    await settle();
    return peer as Peer;
  };
  return { proxy, stored, dialed, welcome };
}

describe("what carries a connection", () => {
  it("is a WebSocket where one comes, and nothing else is asked for", async () => {
    const { proxy, dialed } = page({});
    const { mdm, dials, told } = dialed();
    await greet((dials[0] as (typeof dials)[number]).peer);
    await settle();
    expect([mdm.carrier, told, proxy.asked]).toEqual(["websocket", ["websocket"], 0]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(proxy.asked).toBe(0);
  });

  it("is HTTP where two WebSockets in a row cannot be made and the proxy answers", async () => {
    const { proxy, stored, dialed, welcome } = page();
    const { mdm, dials, redialed, told } = dialed();
    dials[0]?.peer.cut();
    (await redialed(2)).peer.cut();
    await until("another carrier", () => proxy.lines.length > 0);
    await welcome();
    expect([mdm.state, mdm.carrier, told]).toEqual(["open", "http", ["http"]]);
    expect([proxy.asked, dials.length, proxy.lines.length]).toEqual([1, 2, 1]);
    expect(stored.get(`bss-carrier:${URL}`)).toMatch(/^http \d+$/);
  });

  it("is HTTP where WebSockets are let through only to be closed, without a byte", async () => {
    const { proxy, dialed, welcome } = page();
    const { mdm, dials, redialed } = dialed();
    const shut = async ({ socket, peer }: (typeof dials)[number]) => {
      peer.isMute = true;
      socket.onopen?.({});
      await settle();
      expect(mdm.state).toBe("open");
      peer.cut(1000);
    };
    const asked = outcome(StreamClient(mdm).connect("nobody").opened);
    await shut(dials[0] as (typeof dials)[number]);
    await vi.advanceTimersByTimeAsync(200);
    await shut(await redialed(2));
    await vi.advanceTimersByTimeAsync(200);
    await until("another carrier", () => proxy.lines.length > 0);
    const peer = await welcome();
    expect(mdm.carrier).toBe("http");
    const open = await peer.opened("/browser-server/connect/nobody");
    open.frame({ error: { code: "not_found", message: "nobody serves under that name" } }).finish();
    // The first that may have been heard is the first: nothing is waited for any more.
    expect(await asked).toBe("not_found");
  });

  it("stays a WebSocket where the proxy does not answer at all, which costs one request more", async () => {
    const { proxy, dialed } = page();
    proxy.carriers = undefined;
    const { mdm, dials, redialed } = dialed();
    for (let count = 1; count < 6; count++) {
      await settle();
      (count === 1 ? dials[0] : await redialed(count))?.peer.cut();
      await vi.advanceTimersByTimeAsync(800);
    }
    expect([proxy.asked, mdm.carrier]).toEqual([1, "websocket"]);
    await vi.advanceTimersByTimeAsync(5000);
    dials.at(-1)?.peer.cut();
    await settle();
    expect(proxy.asked).toBe(2);
  });

  it("is nothing where the proxy does not answer and nothing may be tried again: two WebSockets, and what waits is lost", async () => {
    const { proxy, dialed } = page({ hold: true, reconnect: false });
    proxy.carriers = undefined;
    const { mdm, dials, redialed, told } = dialed();
    const opened = settled(mdm.createStream().opened);
    const ready = settled(mdm.ready);
    dials[0]?.peer.cut();
    await until("an answer by HTTP", () => proxy.asked > 0);
    (await redialed(2)).peer.cut();
    await settle();
    expect([mdm.state, opened.how, ready.how, told]).toEqual(["closed", "lost", "lost", ["lost"]]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([dials.length, proxy.asked]).toEqual([2, 1]);
  });

  it("is asked for beside a WebSocket that does not come, and the first that is there wins", async () => {
    const { proxy, dialed, welcome } = page();
    const { mdm, dials } = dialed();
    await vi.advanceTimersByTimeAsync(1499);
    expect(proxy.asked).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    await until("another carrier", () => proxy.lines.length > 0);
    await welcome();
    expect([mdm.carrier, dials.length, dials[0]?.peer.closedWith?.code]).toEqual(["http", 1, 1000]);
    dials[0]?.socket.onopen?.({});
    await settle();
    expect([mdm.state, mdm.carrier]).toEqual(["open", "http"]);
  });

  it("stays a WebSocket that came late, but first", async () => {
    const { proxy, dialed } = page();
    proxy.greets = false;
    const { mdm, dials } = dialed();
    await vi.advanceTimersByTimeAsync(1500);
    await until("another carrier", () => proxy.lines.length > 0);
    dials[0]?.socket.onopen?.({});
    await greet((dials[0] as (typeof dials)[number]).peer);
    await settle();
    proxy.lines[0]?.hello();
    await settle();
    expect([mdm.state, mdm.carrier, proxy.lines[0]?.isGone]).toEqual(["open", "websocket", true]);
  });

  it("is the one that came through before, for ten minutes, by the next page of the tab, too", async () => {
    const { proxy, stored, dialed, welcome } = page();
    vi.spyOn(Date, "now").mockReturnValue(1_000_000);
    stored.set(`bss-carrier:${URL}`, "http 1600000");
    const { mdm, dials } = dialed();
    await until("another carrier", () => proxy.lines.length > 0);
    await welcome();
    expect([mdm.carrier, dials.length]).toEqual(["http", 0]);
    vi.mocked(Date.now).mockReturnValue(1_599_999);
    proxy.lines[0]?.cut();
    await until("the next", () => proxy.lines.length > 1);
    expect(dials).toHaveLength(0);
    vi.mocked(Date.now).mockReturnValue(1_600_000);
    expect(dialed().dials).toHaveLength(1);
  });

  it("is a WebSocket again where what came through before does not any more", async () => {
    const { proxy, stored, dialed } = page();
    stored.set(`bss-carrier:${URL}`, `http ${Date.now() + 600_000}`);
    proxy.refusal = 503;
    const { dials } = dialed();
    await until("a WebSocket", () => dials.length === 1);
    expect(stored.size).toBe(0);
  });

  it("is what the option says, in its order", async () => {
    const { proxy, dialed, welcome } = page({ carriers: ["http"] });
    const { mdm, dials } = dialed();
    await until("another carrier", () => proxy.lines.length > 0);
    await welcome();
    expect([mdm.carrier, dials.length]).toEqual(["http", 0]);
    expect(() => MuxDemux(URL, { carriers: [] })).toThrow("carriers is a list");
    expect(() => MuxDemux(URL, { carriers: "http" as never })).toThrow("carriers is a list");
  });

  it("is a WebSocket alone where a class of them is given, unless it is said otherwise", async () => {
    const { proxy } = page();
    const { mdm, dials, redialed } = dialing({ hold: true });
    dials[0]?.peer.cut();
    (await redialed(2)).peer.cut();
    await vi.advanceTimersByTimeAsync(5000);
    expect([proxy.asked, mdm.carrier]).toEqual([0, "websocket"]);
  });

  it("may change although there is to be one connection only, and then there is none", async () => {
    const { proxy, dialed, welcome } = page({ hold: true, reconnect: false });
    const { mdm, dials, redialed, told } = dialed();
    dials[0]?.peer.cut();
    (await redialed(2)).peer.cut();
    await until("another carrier", () => proxy.lines.length > 0);
    await welcome();
    expect(mdm.carrier).toBe("http");
    proxy.lines[0]?.cut();
    await until("the end", () => mdm.state === "closed");
    expect([told, proxy.lines.length, dials.length]).toEqual([["http", "lost"], 1, 2]);
  });

  it("is looked for before a refusal by whatever is in between counts as the proxy's", async () => {
    const { proxy, dialed, welcome } = page();
    const { mdm, dials, redialed, told } = dialed();
    const refused = (dial: (typeof dials)[number] | undefined) => {
      dial?.socket.onerror?.({ message: "Unexpected server response: 403" });
      dial?.peer.cut();
    };
    refused(dials[0]);
    refused(await redialed(2));
    await until("another carrier", () => proxy.lines.length > 0);
    await welcome();
    expect([mdm.carrier, told]).toEqual(["http", ["http"]]);
  });
});
