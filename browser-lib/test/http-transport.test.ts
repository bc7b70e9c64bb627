import { describe, expect, it, vi } from "vitest";
import { HttpTransport } from "../src/carriers/http.ts";
import type { CloseInfo } from "../src/transport.ts";
import { holdClock } from "./clock.ts";
import { type Asked, httpProxy } from "./http-proxy.ts";
import { settle } from "./peer.ts";

holdClock();

/** A connection that was begun, and what it tells. */
async function begun(change: (proxy: ReturnType<typeof httpProxy>) => void = () => {}) {
  const proxy = httpProxy();
  change(proxy);
  const transport = new HttpTransport("http://proxy.test/mux", ["bss.1"]);
  const told = { open: 0, room: 0, bytes: [] as number[], closed: [] as CloseInfo[] };
  transport.onopen = () => told.open++;
  transport.onroom = () => told.room++;
  transport.onmessage = (bytes) => told.bytes.push(...bytes);
  transport.onclose = (info) => told.closed.push(info);
  await settle();
  return { proxy, transport, told, line: () => proxy.lines.at(-1) as (typeof proxy.lines)[number] };
}

/** Answers that wait to be given. */
function held(proxy: ReturnType<typeof httpProxy>) {
  const answers: ((status: number) => void)[] = [];
  proxy.up = () => new Promise((resolve) => answers.push(resolve));
  return answers;
}

const text = (said: string) => new TextEncoder().encode(said);
const numbers = (ups: Asked[]) => ups.map(({ headers }) => headers["bss-number"]);

describe("a connection over HTTP", () => {
  it("is open with the hello, carries what comes, and closes as it is told", async () => {
    const { told, line } = await begun();
    expect(told.open).toBe(1);
    line().send(text("hello"));
    line().send(text("there"));
    line().close(1012, "later");
    await settle();
    expect(new TextDecoder().decode(new Uint8Array(told.bytes))).toBe("hellothere");
    expect(told.closed).toEqual([{ code: 1012, reason: "later" }]);
  });

  it("names itself in headers, never in the URL, and counts what it sends", async () => {
    const { transport, line } = await begun();
    for (const said of ["a", "b"]) {
      transport.send(text(said));
      await settle();
    }
    expect(line().ups.map(({ headers }) => [headers["bss-connection"], headers["bss-number"]])).toEqual([
      ["secret", "0"],
      ["secret", "1"],
    ]);
    for (const [url] of vi.mocked(fetch).mock.calls) expect(url).toBe("http://proxy.test/mux");
  });

  it("sends together what is written together, and what waits for answers", async () => {
    const { proxy, transport, line, told } = await begun();
    const answers = held(proxy);
    for (const said of ["a", "b", "c"]) transport.send(text(said));
    await settle();
    transport.send(text("d"));
    await settle();
    for (const said of ["e", "f"]) transport.send(text(said));
    await settle();
    expect([numbers(line().ups), line().text]).toEqual([["0", "1"], "abcd"]);
    answers[1]?.(204);
    await settle();
    expect([numbers(line().ups), line().text]).toEqual([["0", "1", "2"], "abcdef"]);
    expect(told.closed).toEqual([]);
  });

  it("keeps what it is given to send, of which the bytes are its own only then", async () => {
    const { transport, line } = await begun();
    const bytes = text("mine");
    transport.send(bytes);
    bytes.fill(0);
    await settle();
    expect(line().text).toBe("mine");
  });

  it("is full while a body waits, and says when it is no more", async () => {
    const { proxy, transport, told } = await begun();
    const answers = held(proxy);
    for (let count = 0; count < 3; count++) {
      transport.send(new Uint8Array(64 * 1024));
      await settle();
    }
    expect([transport.isFull, told.room]).toEqual([true, 2]);
    answers[0]?.(204);
    await settle();
    expect([transport.isFull, told.room]).toEqual([false, 3]);
  });

  it("sends a body once more, with its number, where the answer did not come or time may mend it", async () => {
    const { proxy, transport, line, told } = await begun();
    const statuses = [503, 204];
    proxy.up = () => statuses.shift() ?? 204;
    transport.send(text("once"));
    await settle();
    expect([numbers(line().ups), told.closed]).toEqual([["0", "0"], []]);
    proxy.up = () => Promise.reject(new TypeError("network error"));
    transport.send(text("lost"));
    await settle();
    expect(numbers(line().ups)).toEqual(["0", "0", "1", "1"]);
    expect(told.closed.map(({ code, reason }) => [code, reason])).toEqual([[1006, "TypeError: network error"]]);
    expect(line().isGone).toBe(true);
  });

  it("is over where a body is not taken", async () => {
    const { proxy, transport, line, told } = await begun();
    proxy.up = () => 410;
    transport.send(text("late"));
    await settle();
    expect([numbers(line().ups), told.closed]).toEqual([
      ["0"],
      [{ code: 1006, reason: "what was sent was not taken (410)" }],
    ]);
  });

  it("that is cut, or ends without a word, is a connection that broke", async () => {
    for (const end of ["cut", "close"]) {
      const { told, line } = await begun();
      if (end === "cut") line().cut();
      else line().put(new Uint8Array([9, 0, 0, 0]));
      if (end === "close") line().close(1006, "");
      await settle();
      expect(told.closed.map(({ code }) => code)).toEqual([1006]);
    }
  });

  it("whose answer is held back by something in between says so", async () => {
    const { told, line } = await begun((proxy) => {
      proxy.greets = false;
    });
    await vi.advanceTimersByTimeAsync(4999);
    expect(told.closed).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(told.closed[0]?.reason).toContain("holds it back");
    expect([told.open, line().isGone]).toEqual([0, true]);
  });

  it("that is refused tells what the proxy said", async () => {
    const { told } = await begun((proxy) => {
      proxy.refusal = 429;
    });
    expect(told.closed).toEqual([{ code: 1006, reason: "limit: no (429)" }]);
  });

  it("closes behind what was sent", async () => {
    const { proxy, transport, told, line } = await begun();
    const answers = held(proxy);
    transport.send(text("last words"));
    transport.close(1000, "");
    await settle();
    expect([line().text, told.closed, line().isGone]).toEqual(["last words", [], false]);
    answers[0]?.(204);
    await settle();
    expect([told.closed, line().isGone]).toEqual([[{ code: 1000, reason: "" }], true]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("has its last words outlive a page that goes", async () => {
    const page = new EventTarget();
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    const { proxy, transport, line } = await begun();
    held(proxy);
    transport.send(text("a"));
    await settle();
    transport.send(text("b"));
    await settle();
    page.dispatchEvent(new Event("pagehide"));
    transport.send(text("c"));
    transport.close(1000, "");
    await settle();
    expect(line().ups.map(({ keepalive }) => keepalive)).toEqual([false, false, true]);
    expect(line().text).toBe("abc");
  });
});
