import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { MuxDemux, StreamClient, type StreamError, StreamServer } from "../src/index.ts";
import { doubt } from "../src/websocket.ts";
import { holdClock } from "./clock.ts";
import { dial, settle, until } from "./peer.ts";
import { greet, up } from "./up.ts";

/** What a promise was rejected with, in words. */
function why(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "it did not fail",
    (error: StreamError) => error.message,
  );
}

/** The page that the library runs in. */
function on(page: string): void {
  vi.stubGlobal("location", new URL(page));
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("without a connection", () => {
  it.each([
    ["in Node", undefined, "does the proxy run there?"],
    ["on a page of another origin", "http://localhost:5173/", "does the proxy run there, and allow this page (--allow"],
    ["on a page of that origin", "http://proxy.test/", "does the proxy serve this page? Else MuxDemux("],
  ])("%s the error names what may be wrong", async (_, page, doubt) => {
    if (page) on(page);
    const { mdm, peer } = dial({ hold: true, reconnect: false });
    peer.cut();
    expect(await why(mdm.ready)).toContain(`lost: no connection to ws://proxy.test/mux: ${doubt}`);
  });

  it("the error names the path where it is another than the proxy's usual one", () => {
    const url = "ws://proxy.test/wrong";
    expect(doubt(url)).toBe("does the proxy run there at /mux?");
    on("http://proxy.test/");
    expect(doubt(url)).toContain("does the proxy serve this page at /mux? Else ");
  });

  it("the error says what the WebSocket class told, and asks nothing", async () => {
    const server = createServer((_, response) => void response.writeHead(404).end()).listen(0, "127.0.0.1");
    await until("the server", () => server.listening);
    const { port } = server.address() as AddressInfo;
    const mdm = MuxDemux(`ws://127.0.0.1:${port}/mx`, { WebSocket });
    const told = `no connection to ws://127.0.0.1:${port}/mx: Unexpected server response: 404`;
    expect(await why(mdm.ready)).toBe(`lost: ${told}`);
    server.close();
  });

  it("a connect, resumable or not, a claim and a stream fail with the same", async () => {
    const { mdm, peer } = dial({ hold: true, reconnect: false });
    const server = StreamServer(mdm).listen("NAME");
    const streams = [undefined, false].map((resume) => StreamClient(mdm).connect("NAME", { resume }));
    const opened = [...streams, mdm.createStream()].map(({ opened }) => why(opened));
    const claimed = why(server.listening);
    peer.cut();
    const expected = "lost: no connection to ws://proxy.test/mux: does the proxy run there?";
    expect(await Promise.all([...opened, claimed])).toEqual(Array(4).fill(expected));
  });

  describe("in time", () => {
    holdClock();

    it("so they do when they waited for one in vain", async () => {
      const { mdm, peer } = dial({ hold: true });
      const streams = [undefined, false].map((resume) => StreamClient(mdm).connect("NAME", { resume }));
      const opened = [...streams, mdm.createStream()].map(({ opened }) => why(opened));
      peer.cut();
      await vi.advanceTimersByTimeAsync(20_000);
      const expected = "timeout: no connection to ws://proxy.test/mux: does the proxy run there?";
      expect(await Promise.all(opened)).toEqual(Array(3).fill(expected));
      mdm.close();
    });
  });
});

describe("after close()", () => {
  it("what is opened, and what waits to be, fails with that", async () => {
    const { mdm } = await up();
    const waiting = why(StreamClient(mdm).connect("NAME").opened);
    mdm.close();
    await settle();
    const server = StreamServer(mdm).listen("OTHER");
    const streams = [undefined, false].map((resume) => StreamClient(mdm).connect("NAME", { resume }));
    const opened = [...streams, mdm.createStream()].map(({ opened }) => why(opened));
    const expected = "lost: this MuxDemux was closed";
    expect(await Promise.all([waiting, why(server.listening), ...opened])).toEqual(Array(5).fill(expected));
  });

  it("while a connection is being made, too", async () => {
    const { mdm, peer } = dial({ hold: true });
    const opened = why(mdm.createStream().opened);
    mdm.close();
    peer.cut();
    expect(await opened).toBe("lost: this MuxDemux was closed");
  });
});

describe("a proxy that said that it goes down", () => {
  it("is what the next attempts name, until it is back", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const { mdm, peer, redialed, behaviour } = await up();
    const told: string[] = [];
    mdm.on("reconnecting", ({ error }) => told.push(error.detail));
    behaviour.hold = true;
    peer.to("/session").frame({ note: "drain", value: { after_ms: 0 } });
    (await redialed(2)).peer.cut();
    await until("the next attempt", () => told.length === 2);
    expect(told).toEqual(["the proxy goes down", "no connection to ws://proxy.test/mux: the proxy goes down"]);
    const back = await redialed(3);
    back.socket.onopen?.({});
    await greet(back.peer);
    back.peer.cut();
    (await redialed(4)).peer.cut();
    expect(told.at(-1)).toBe("no connection to ws://proxy.test/mux: does the proxy run there?");
    mdm.close();
  });
});
