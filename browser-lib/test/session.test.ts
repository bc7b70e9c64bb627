import { afterEach, describe, expect, it, vi } from "vitest";
import { u32 } from "../src/mux/frame.ts";
import { dial, outcome, settle, until } from "./peer.ts";

const KIB = 1024;

afterEach(() => {
  vi.useRealTimers();
});

describe("messages", () => {
  it("hold whole frames: 64 KiB of payload at most, and headers", async () => {
    const { mdm, peer } = dial();
    const stream = mdm.createStream();
    void stream.writable.getWriter().write(new Uint8Array(200 * KIB));
    const far = await peer.opened("/");
    await until("all of it", () => far.length === 200 * KIB);
    for (const message of peer.messages) {
      expect(message.length).toBeLessThanOrEqual(64 * KIB + 512);
      let at = 0;
      while (at < message.length) at += 12 + (message[at + 1] === 0 ? u32(message, at + 8) : 0);
      expect(at).toBe(message.length);
    }
  });

  it("are 64 KiB with their headers, whatever is written; a little rest waits for the next write, and not for long", async () => {
    const { mdm, peer } = dial();
    const stream = mdm.createStream();
    await peer.opened("/");
    peer.messages.length = 0;
    const writer = stream.writable.getWriter();
    for (let i = 0; i < 3; i++) {
      await writer.ready;
      void writer.write(new Uint8Array(64 * KIB));
    }
    await until("all of it", () => peer.to("/").length === 3 * 64 * KIB);
    const data = peer.messages.map(({ length }) => length).filter((length) => length > 12);
    expect(data.slice(0, 3)).toEqual([65536, 65536, 65536]);
    // What is left: a header with each message, and pings.
    expect(data).toHaveLength(4);
    expect(data[3]).toBeLessThan(128);
  });

  it("a rest that waits is the writer's no more", async () => {
    const { mdm, peer } = dial();
    const stream = mdm.createStream();
    const far = await peer.opened("/");
    far.reads = false;
    const chunk = new Uint8Array(256 * KIB + 100).fill(1);
    await stream.writable.getWriter().write(chunk);
    chunk.fill(9);
    far.read(far.length);
    await until("all of it", () => far.length === chunk.length);
    expect(far.bytes.every((byte) => byte === 1)).toBe(true);
  });

  it("small writes of one turn leave together, by either style", async () => {
    const { mdm, peer } = dial();
    const [node, web] = [mdm.createStream(), mdm.createStream(undefined, { path: "/web" })];
    await peer.opened("/web");
    await settle();
    const before = peer.messages.length;
    for (let i = 0; i < 100; i++) node.write("x");
    await until("all", () => peer.to("/").length === 100);
    expect(peer.messages.length - before).toBeLessThanOrEqual(2);
    const writer = web.writable.getWriter();
    for (let i = 0; i < 100; i++) void writer.write("x");
    await until("all", () => peer.to("/web").length === 100);
    expect(peer.messages.length - before).toBeLessThanOrEqual(4);
  });

  it("a small stream does not wait for a bulk one", async () => {
    const { mdm, peer, socket } = dial({ hold: true });
    const [bulk, small] = [
      mdm.createStream(undefined, { path: "/bulk" }),
      mdm.createStream(undefined, { path: "/small" }),
    ];
    bulk.write(new Uint8Array(200 * KIB));
    small.write("now");
    await settle();
    let before = 0;
    peer.onData = (stream) => {
      if (stream.first?.path === "/small") before ||= peer.to("/bulk").length;
    };
    socket.onopen?.({});
    await until("all of it", () => peer.streams.length === 3 && peer.to("/bulk").length === 200 * KIB);
    expect(peer.to("/small").text).toBe("now");
    expect(before).toBeLessThanOrEqual(16 * KIB);
  });
});

describe("what is under way", () => {
  async function mute() {
    const dialed = dial();
    await dialed.mdm.ready;
    const streams = [0, 1, 2, 3].map((i) => dialed.mdm.createStream(undefined, { path: `/${i}` }));
    await dialed.peer.opened("/3");
    await settle();
    dialed.peer.isMute = true;
    const writes = streams.map((stream) => outcome(stream.writable.getWriter().write(new Uint8Array(200 * KIB))));
    await settle();
    const sent = () => dialed.mdm.stats().sent;
    return { ...dialed, streams, writes, sent };
  }

  it("stops at the allowance and goes on with a pong, without a timer", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "setInterval"] });
    const { peer, writes, sent } = await mute();
    expect(sent()).toBeGreaterThanOrEqual(256 * KIB);
    expect(sent()).toBeLessThan(330 * KIB);
    peer.isMute = false;
    peer.pump();
    expect(await Promise.all(writes)).toEqual(["ok", "ok", "ok", "ok"]);
    expect(sent()).toBeGreaterThan(800 * KIB);
  });

  it("does not stand when slow pongs make the allowance less", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const { mdm, peer } = dial();
    const stream = mdm.createStream();
    const far = await peer.opened("/");
    const allowances = new Set<number>();
    const writer = stream.writable.getWriter();
    let total = 0;
    peer.isMute = true;
    for (let turn = 0; turn < 100 || far.length < total; turn++) {
      expect(turn).toBeLessThan(1000);
      if (turn < 100 && (writer.desiredSize ?? 0) > 0) {
        // Less than is asked for behind: what comes after the last ping is still unanswered when the pongs are late.
        void writer.write(new Uint8Array(3900 * KIB));
        total += 3900 * KIB;
      }
      await settle();
      // Now and then everything is late at once.
      vi.advanceTimersByTime(turn % 16 > 8 ? 500 : 1);
      peer.isMute = false;
      peer.pump();
      peer.isMute = true;
      await settle();
      allowances.add(mdm.stats().allowance / KIB);
    }
    expect(allowances).toContain(4096);
    expect(allowances).toContain(256);
  });

  it("threat_06_pongs_that_nobody_acknowledges_are_dropped", async () => {
    const { mdm, peer } = dial();
    await mdm.ready;
    await settle();
    peer.isMute = true;
    const pings = new Uint8Array(12 * 1024);
    for (let at = 0; at < pings.length; at += 12) pings.set([0, 2, 0, 1], at);
    await until("some are dropped", () => {
      peer.inject(pings.slice());
      return mdm.stats().dropped > 0;
    });
    expect(mdm.stats().sent).toBeGreaterThan(8 * KIB * KIB - 64 * KIB);
    expect(mdm.stats().sent).toBeLessThan(8 * KIB * KIB + 64 * KIB);
  });

  it("control frames are not held up", async () => {
    const { streams, peer, sent } = await mute();
    const before = sent();
    streams[0]?.reset(4001);
    await until("the reset", () => peer.to("/0").resetCode === 4001);
    expect(sent() - before).toBeLessThan(100);
  });
});

describe("liveness", () => {
  async function aged() {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const dialed = dial({ reconnect: false });
    const errors: string[] = [];
    dialed.mdm.on("error", ({ message }) => errors.push(message));
    const stream = dialed.mdm.createStream();
    await dialed.peer.opened("/");
    return { ...dialed, errors, stream };
  }

  it("a proxy that says nothing for a minute, ping or no ping, is gone", async () => {
    const { peer, stream, errors } = await aged();
    peer.isMute = true;
    for (let i = 0; i < 5; i++) await vi.advanceTimersByTimeAsync(9_900);
    expect(errors).toEqual([]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await outcome(stream.closed)).toBe("lost");
    expect(errors).toEqual(["lost: the proxy does not answer any more"]);
    expect(peer.closedWith?.code).toBe(4000);
  });

  it("one that answers pings, or sends anything, is alive", async () => {
    const { mdm, peer, errors } = await aged();
    for (let i = 0; i < 30; i++) await vi.advanceTimersByTimeAsync(10_000);
    await settle();
    expect(errors).toEqual([]);
    expect(peer.messages.length).toBeGreaterThan(3);
    expect(mdm.stats().rtt).toBeDefined();
  });

  it("threat_27_a_page_that_slept_asks_before_it_trusts_the_silence", async () => {
    const { errors, stream, mdm } = await aged();
    vi.setSystemTime(Date.now() + 3_600_000);
    await vi.advanceTimersByTimeAsync(3_600_000);
    await settle();
    expect(errors).toEqual([]);
    mdm.close();
    expect(await outcome(stream.closed)).toBe("lost");
  });
});
