import { once } from "node:events";
import { describe, expect, it, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { boot, MuxDemux, type Stream, StreamClient, StreamServer } from "../src/index.ts";
import { socketUrl } from "../src/websocket.ts";
import { dial, outcome, settle, until } from "./peer.ts";

describe("dialing", () => {
  it("works with and without new, and offers bss.1", () => {
    const { mdm, protocols } = dial();
    expect(mdm).toBeInstanceOf(MuxDemux);
    expect(new StreamClient(mdm)).toBeInstanceOf(StreamClient);
    expect(StreamServer(mdm)).toBeInstanceOf(StreamServer);
    expect(protocols).toEqual(["bss.1"]);
  });

  it("takes a URL or a pair of streams, and says so for anything else", () => {
    for (const given of [{}, { readable: true, writable: true }, { readable: new ReadableStream() }]) {
      expect(() => MuxDemux(given as unknown as string)).toThrow("bad_request: MuxDemux takes a URL, or a pair");
    }
    expect(socketUrl(new URL("http://x.test/mux"))).toBe("ws://x.test/mux");
  });

  it("says what is missing where there is no page and no WebSocket", () => {
    expect(() => MuxDemux("/mux")).toThrow("no page to start from");
    vi.stubGlobal("WebSocket", undefined);
    expect(() => MuxDemux("ws://x/")).toThrow("unsupported: there is no WebSocket class");
    const options = { WebSocket: {} as unknown as typeof WebSocket };
    expect(() => MuxDemux("ws://x/", options)).toThrow("unsupported: there is no WebSocket class");
    vi.unstubAllGlobals();
  });

  it.each([
    [undefined, "https://page.test/dir/index.html?a#b", "wss://page.test/mux"],
    ["/boot", "http://page.test:8080/dir/", "ws://page.test:8080/boot"],
    ["boot", "http://page.test/dir/page", "ws://page.test/dir/boot"],
    ["http://other.test/mux#x", "https://page.test/", "ws://other.test/mux"],
    ["wss://other.test/mux", "http://page.test/", "wss://other.test/mux"],
    [undefined, "blob:http://page.test/0-1-2", "ws://page.test/mux"],
  ])("%s on %s is %s", (given, page, url) => {
    const { protocol, href, origin } = new URL(page);
    vi.stubGlobal("location", { protocol, href, origin });
    expect(socketUrl(given)).toBe(url);
    vi.unstubAllGlobals();
  });

  it("introduces itself first, with the token inside the connection", async () => {
    const { peer, url } = dial({ token: "secret" });
    const session = await peer.opened("/session");
    expect(session.first).toEqual({
      path: "/session",
      token: "secret",
      library: "browser-stream-server-js/0.1.0",
      capabilities: [],
    });
    expect(url).not.toContain("secret");
    expect(peer.streams[0]).toBe(session);
  });
});

describe("its life", () => {
  it("ready and open when it is up; close with code and reason when it is over", async () => {
    const { mdm, peer, socket } = dial({ hold: true, reconnect: false });
    const events: unknown[] = [];
    mdm.on("open", () => events.push("open")).on("close", (info) => events.push(info));
    socket.onopen?.({});
    await mdm.ready;
    peer.cut(1012);
    expect(events).toEqual(["open", { code: 1012, reason: "" }]);
  });

  it("a connection that cannot be made is an error, rejects ready, and its streams are lost", async () => {
    const { mdm, peer } = dial({ hold: true, reconnect: false });
    const errors: string[] = [];
    mdm.on("error", ({ code }) => errors.push(code));
    const stream = mdm.createStream();
    peer.cut();
    expect(await outcome(mdm.ready)).toBe("lost");
    expect(await outcome(stream.opened)).toBe("lost");
    expect(errors).toEqual(["lost"]);
    expect(await outcome(mdm.createStream().opened)).toBe("lost");
  });

  it("close() sends what is queued and a GO_AWAY, then closes; open streams are lost", async () => {
    const { mdm, peer } = dial();
    await mdm.ready;
    const stream = mdm.createStream();
    stream.end("last words");
    mdm.close();
    const far = await peer.opened("/");
    await until("the end", () => peer.goAway === 0 && peer.closedWith);
    expect([far.text, far.isFinished]).toEqual(["last words", true]);
    expect(peer.closedWith).toEqual({ code: 1000, reason: "" });
    expect(await outcome(stream.closed)).toBe("lost");
  });

  it("close() sends all that was written, by either style", async () => {
    const { mdm, peer } = dial();
    const [node, web] = [mdm.createStream(), mdm.createStream(undefined, { path: "/web" })];
    await peer.opened("/web");
    const writer = web.writable.getWriter();
    for (let i = 0; i < 200; i++) {
      node.write("x");
      void writer.write("x");
    }
    node.end(new Uint8Array(100_000));
    void writer.close();
    // A write after the end comes nowhere.
    writer.write("y").catch(() => {});
    mdm.close();
    await until("the close", () => peer.closedWith);
    expect([peer.to("/").length, peer.to("/").isFinished]).toEqual([100_200, true]);
    expect([peer.to("/web").length, peer.to("/web").isFinished]).toEqual([200, true]);
  });

  it("close() does not wait for credit", async () => {
    const { mdm, peer } = dial();
    const stream = mdm.createStream();
    const far = await peer.opened("/");
    far.reads = false;
    for (let i = 0; i < 10; i++) stream.write(new Uint8Array(100_000));
    stream.end();
    mdm.close();
    await until("the close", () => peer.closedWith);
    expect(far.length).toBeGreaterThan(260_000);
    expect(await outcome(stream.closed)).toBe("lost");
  });

  it("close() while it dials waits for the connection", async () => {
    const { mdm, peer, socket } = dial({ hold: true });
    mdm.createStream().end("early");
    mdm.close();
    await settle();
    expect(peer.closedWith).toBeUndefined();
    socket.onopen?.({});
    await until("the close", () => peer.closedWith);
    expect([peer.to("/").text, peer.to("/").isFinished]).toEqual(["early", true]);
  });

  it("a connection that breaks is an error, told once; a clean close is none", async () => {
    for (const [code, expected] of [
      [1006, ["lost"]],
      [1000, []],
    ] as const) {
      const { mdm, peer } = dial({ reconnect: false });
      const errors: string[] = [];
      mdm.on("error", (error) => errors.push(error.code));
      await mdm.ready;
      peer.cut(code);
      expect(errors).toEqual(expected);
    }
    const { mdm, peer } = dial();
    const errors: string[] = [];
    mdm.on("error", (error) => errors.push(error.code));
    (await peer.opened("/session")).frame({ error: { code: "unauthorized" } });
    await settle();
    peer.cut(4001);
    expect(errors).toEqual(["unauthorized"]);
  });

  it("threat_07_a_peer_that_breaks_the_protocol_is_cut_and_nobody_crashes", async () => {
    const { mdm, peer } = dial({ reconnect: false });
    await mdm.ready;
    const stream = mdm.createStream();
    const errors: string[] = [];
    mdm.on("error", ({ message }) => errors.push(message));
    peer.inject(new Uint8Array([9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]));
    expect(await outcome(stream.closed)).toBe("lost");
    await until("the GO_AWAY", () => peer.goAway === 1);
    expect(peer.closedWith).toEqual({ code: 4002, reason: "protocol" });
    expect(errors[0]).toContain("version");
  });

  it("text messages are no part of the protocol", async () => {
    const { mdm, peer, socket } = dial();
    await mdm.ready;
    socket.onmessage?.({ data: "text" });
    expect(peer.closedWith?.code).toBe(4003);
  });

  it("notes of the proxy are events, and unknown ones are ignored", async () => {
    const { mdm, peer } = dial();
    const events: unknown[] = [];
    mdm.on("drain", (ms) => events.push(["drain", ms])).on("bye", (code) => events.push(["bye", code]));
    const session = await peer.opened("/session");
    session.frame({ session: "s", node: "n", capabilities: [], limits: {} });
    session
      .frame({ note: "later" })
      .frame({ note: "drain", value: { after_ms: 500 } })
      .frame({ note: "bye", value: 1012 });
    await until("two", () => events.length === 2);
    expect(events).toEqual([
      ["drain", 500],
      ["bye", 1012],
    ]);
  });

  it("a refused token is an error, a proxy without session streams is none", async () => {
    for (const [code, expected] of [
      ["unauthorized", ["unauthorized"]],
      ["not_found", []],
    ] as const) {
      const { mdm, peer } = dial();
      const errors: string[] = [];
      mdm.on("error", (error) => errors.push(error.code));
      (await peer.opened("/session")).frame({ error: { code } });
      await settle();
      expect(errors).toEqual(expected);
    }
  });

  it("debug logs every frame", async () => {
    const log = vi.spyOn(console, "debug").mockImplementation(() => {});
    const { peer } = dial({ debug: true });
    await peer.opened("/session");
    await settle();
    expect(log.mock.calls.map((call) => call.join(" "))).toEqual([
      expect.stringMatching(/^→ DATA #1 SYN \d+$/),
      "← WINDOW_UPDATE #1 ACK 0",
    ]);
    log.mockRestore();
  });

  it("stats count", async () => {
    const { mdm, peer } = dial();
    await peer.opened("/session");
    await settle();
    expect(mdm.stats()).toMatchObject({ streams: 1, queued: 0, received: 12, allowance: 256 * 1024, dropped: 0 });
    expect(mdm.stats().sent).toBeGreaterThan(12);
  });
});

describe("streams that nobody took", () => {
  it("go to the stream event with their meta and path", async () => {
    const { mdm, peer } = dial();
    const seen: [Stream, unknown][] = [];
    mdm.on("stream", (stream, meta) => seen.push([stream, meta]));
    await mdm.ready;
    const far = peer.open({ path: "/upload", meta: { file: "hello.txt" } }).send("Hello");
    await until("the stream", () => seen.length === 1 && far.first);
    expect([seen[0]?.[0].path, seen[0]?.[1]]).toEqual(["/upload", { file: "hello.txt" }]);
  });

  it("are refused not_found without a listener", async () => {
    const { mdm, peer } = dial();
    await mdm.ready;
    const far = peer.open({ path: "/upload" });
    await until("the refusal", () => far.isOver);
    expect(far.first?.error).toMatchObject({ code: "not_found" });
  });

  it.each([
    ["not JSON", "\0\x02no"],
    ["an array", "\0\x02[]"],
    ["no path", "\0\x02{}"],
    ["too long", "\xff\xff"],
    ["a key twice", `\0\x1a{"path":"/a","path":"/bcd"}`],
  ])("threat_11_an_open_that_is_%s_is_bad_request", async (_, bytes) => {
    const { mdm, peer } = dial();
    mdm.on("stream", () => expect.fail("nobody may see it"));
    await mdm.ready;
    const far = peer.openRaw().send(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
    await until("the refusal", () => far.isOver);
    expect(far.first?.error).toMatchObject({ code: "bad_request" });
  });

  it("threat_11_an_open_that_ends_too_early_is_bad_request", async () => {
    const { mdm, peer } = dial();
    await mdm.ready;
    const far = peer.openRaw().send("\0").finish();
    await until("the refusal", () => far.isOver);
    expect(far.first?.error).toMatchObject({ code: "bad_request" });
  });

  it("threat_11_proto_in_an_open_writes_no_prototype", async () => {
    const { mdm, peer } = dial();
    const metas: unknown[] = [];
    mdm.on("stream", (_, meta) => metas.push(meta));
    await mdm.ready;
    peer.open(JSON.parse('{"path":"/x","__proto__":{"polluted":1},"meta":{"__proto__":{"polluted":1}}}') as object);
    await until("the stream", () => metas.length === 1);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect(JSON.stringify(metas[0])).toBe('{"__proto__":{"polluted":1}}');
  });
});

describe("the original's programs", () => {
  it("run with only their imports changed", async () => {
    const { mdm, peer } = dial({ encoding: "utf8" });
    const heard: string[] = [];
    StreamServer(mdm, (stream) => {
      stream.on("data", (data: string) => heard.push(data));
      stream.write("from server");
    }).listen("SERVER_NAME");
    const stream = StreamClient(mdm).connect("SERVER_NAME");
    stream.on("data", (data: string) => heard.push(data));
    stream.write("from client");

    (await peer.opened("/browser-server/listen/SERVER_NAME")).frame({ id: "claim" });
    const client = await peer.opened("/browser-server/connect/SERVER_NAME");
    const served = peer.open({ path: "/browser-server/accept/SERVER_NAME", id: "u" });
    await until("both wrote", () => served.text === "from server" && client.text === "from client");
    served.send(client.bytes);
    client.frame({ id: "u" }).send(served.bytes);
    await until("both heard", () => heard.length === 2);
    expect(heard.sort()).toEqual(["from client", "from server"]);
  });

  it("boot gives text", () => {
    class Socket {
      binaryType = "";
      onopen = null;
      onmessage = null;
      onclose = null;
      onerror = null;
      send(): void {}
      close(): void {}
    }
    expect(boot("ws://x/boot", { WebSocket: Socket })).toBeInstanceOf(MuxDemux);
  });
});

describe("in Node with ws", () => {
  it("dials a real socket", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const first = new Promise<Buffer>((resolve) => {
      server.on("connection", (socket) => socket.once("message", (data) => resolve(data as Buffer)));
    });
    const mdm = MuxDemux(`http://127.0.0.1:${port}/mux`, { WebSocket });
    await mdm.ready;
    expect((await first).subarray(0, 8).toString("hex")).toBe("0000000100000001");
    const closed = new Promise((resolve) => mdm.on("close", resolve));
    mdm.close();
    expect(await closed).toEqual({ code: 1000, reason: "" });
    await new Promise((resolve) => server.close(resolve));
  });
});
