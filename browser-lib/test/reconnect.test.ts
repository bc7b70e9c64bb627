import { describe, expect, it, vi } from "vitest";
import { StreamClient } from "../src/index.ts";
import { holdClock } from "./clock.ts";
import { dial, outcome, settle, until } from "./peer.ts";
import { greet, page, record, up } from "./up.ts";

holdClock();

describe("a connection that breaks", () => {
  it("is followed by another at once, on the event, and everything tells of it in order", async () => {
    const { mdm, peer, redialed, dials } = await up();
    expect(mdm.state).toBe("open");
    const seen = record(mdm);
    peer.cut();
    expect(dials).toHaveLength(2);
    expect(mdm.state).toBe("connecting");
    await greet((await redialed(2)).peer);
    await settle();
    expect(seen).toEqual(["waiting", [1, 0, "lost"], "connecting", "open", "open!"]);
    expect(vi.getTimerCount()).toBe(1); // the look at whether the proxy lives
  });

  it("waits ever longer with full jitter while none can be made, and begins anew after one that was good", async () => {
    const { mdm, peer, dials, behaviour, redialed } = await up();
    const seen = record(mdm);
    behaviour.hold = true;
    peer.cut();
    for (let count = 2; count < 11; count++) {
      (await redialed(count)).peer.cut();
      await vi.advanceTimersByTimeAsync(2500);
    }
    const delays = seen.filter(Array.isArray).map(([, delay]) => delay);
    expect(delays).toEqual([0, 50, 100, 200, 400, 800, 1600, 2500, 2500, 2500]);
    dials.at(-1)?.socket.onopen?.({});
    await up(await redialed(11).then((last) => ({ ...last, mdm, dials, redialed, behaviour })));
    dials.at(-1)?.peer.cut();
    expect(seen.filter(Array.isArray).at(-1)).toEqual([1, 0, "lost"]);
    expect(dials).toHaveLength(12);
  });

  it("ends its streams lost, those of the next one live", async () => {
    const { mdm, peer, redialed } = await up();
    const stream = mdm.createStream();
    (await peer.opened("/")).frame({});
    await stream.opened;
    peer.cut();
    expect(await outcome(stream.closed)).toBe("lost");
    const next = mdm.createStream();
    (await (await redialed(2)).peer.opened("/")).frame({});
    expect(await outcome(next.opened)).toBe("ok");
  });

  it.each([1002, 1003, 1008, 1013])(
    "threat_09_by_our_own_fault (%d) is not followed by another at once, again and again",
    async (code) => {
      const { mdm, peer, redialed } = await up();
      const seen = record(mdm);
      peer.cut(code);
      for (let count = 2; count < 6; count++) {
        const { peer } = await redialed(count);
        await greet(peer);
        await settle();
        peer.cut(code);
        await vi.advanceTimersByTimeAsync(5000);
      }
      expect(seen.filter(Array.isArray).map(([, delay]) => delay)).toEqual([0, 50, 100, 200, 400]);
    },
  );

  it("before the proxy ever answered counts as none that was good", async () => {
    const { mdm, peer, redialed } = dial();
    const seen = record(mdm);
    await mdm.ready;
    peer.cut();
    const second = await redialed(2);
    await until("open", () => mdm.state === "open");
    second.peer.cut();
    expect(seen.filter(Array.isArray).map(([, delay]) => delay)).toEqual([0, 50]);
  });

  it("a first one that cannot be made is tried again, and ready resolves with the one that came", async () => {
    const { mdm, peer, redialed } = dial({ hold: true });
    peer.cut();
    (await redialed(2)).socket.onopen?.({});
    expect(await outcome(mdm.ready)).toBe("ok");
  });

  it("one that does not come within 15 s is given up for the next", async () => {
    const { dials, socket, peer, mdm } = dial({ hold: true });
    await vi.advanceTimersByTimeAsync(14_999);
    expect(dials).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(dials).toHaveLength(2);
    expect(peer.closedWith).toBeDefined();
    socket.onopen?.({});
    expect(mdm.state).toBe("connecting");
  });
});

describe("no other connection follows", () => {
  it("where the option says so", async () => {
    const { mdm, peer, dials } = await up(dial({ reconnect: false }));
    const seen = record(mdm);
    peer.cut();
    expect(seen).toEqual(["closed", "error lost", "close 1006"]);
    expect(dials).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("where the proxy refused our token", async () => {
    const { mdm, peer, dials } = dial();
    const seen = record(mdm);
    (await peer.opened("/session")).frame({ error: { code: "unauthorized" } });
    await settle();
    peer.cut();
    expect(seen).toEqual(["open", "open!", "error unauthorized", "closed", "close 4001"]);
    expect(dials).toHaveLength(1);
  });

  it.each([
    [403, 1],
    [426, 1],
    [429, 2],
    [503, 2],
  ])("where a program is told a refusal that will stay: %d makes %d dials", async (status, count) => {
    const { mdm, socket, peer, dials } = dial({ hold: true });
    socket.onerror?.({ message: `Unexpected server response: ${status}` });
    peer.cut();
    await settle();
    expect(dials).toHaveLength(count);
    expect(mdm.state).toBe(count === 1 ? "closed" : "connecting");
    if (count === 1) expect(await outcome(mdm.ready)).toBe("lost");
  });
});

describe("a program that calls reconnect()", () => {
  it("has the next attempt made now, once, and nothing while there is none to make", async () => {
    const { mdm, dials, redialed, peer, behaviour } = await up();
    mdm.reconnect();
    expect(dials).toHaveLength(1);
    behaviour.hold = true;
    peer.cut();
    mdm.reconnect();
    expect(dials).toHaveLength(2);
    (await redialed(2)).peer.cut();
    expect([mdm.state, dials.length]).toEqual(["waiting", 2]);
    mdm.reconnect();
    expect([mdm.state, dials.length]).toEqual(["connecting", 3]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(dials).toHaveLength(3);
    mdm.close();
    dials.at(-1)?.peer.cut();
    mdm.reconnect();
    expect([mdm.state, dials.length]).toEqual(["closed", 3]);
  });
});

describe("a page that wakes", () => {
  it.each(["online", "pageshow", "visibilitychange"])("dials at once on %s", async (type) => {
    const { happen } = page();
    const { dials, redialed, peer, behaviour } = await up();
    behaviour.hold = true;
    peer.cut();
    (await redialed(2)).peer.cut();
    expect(dials).toHaveLength(2);
    happen(type);
    expect(dials).toHaveLength(3);
    happen(type);
    await vi.advanceTimersByTimeAsync(5000);
    expect(dials).toHaveLength(3);
  });

  it("does nothing when it is hidden, and dials in the background when the network is back", async () => {
    const { happen, document } = page();
    const { dials, redialed, peer, behaviour } = await up();
    behaviour.hold = true;
    peer.cut();
    (await redialed(2)).peer.cut();
    document.hidden = true;
    happen("visibilitychange");
    expect(dials).toHaveLength(2);
    happen("online");
    expect(dials).toHaveLength(3);
  });

  it("asks a connection when the network may be gone, and does not dial sooner for that", async () => {
    const { happen } = page();
    const { mdm, peer, dials, redialed, behaviour } = await up();
    peer.isMute = true;
    happen("offline");
    await vi.advanceTimersByTimeAsync(9_999);
    expect([mdm.state, dials.length]).toEqual(["open", 1]);
    behaviour.hold = true;
    await vi.advanceTimersByTimeAsync(1);
    (await redialed(2)).peer.cut();
    happen("offline");
    expect(dials).toHaveLength(2);
    happen("online");
    expect(dials).toHaveLength(3);
  });

  it("threat_27_asks_a_connection_that_seems_to_live, which is followed when it does not answer within 10 s", async () => {
    const { happen } = page();
    const { mdm, peer, dials } = await up();
    await vi.advanceTimersByTimeAsync(9000);
    const messages = peer.messages.length;
    happen("visibilitychange");
    await settle();
    expect(peer.messages.length).toBe(messages + 1);
    await vi.advanceTimersByTimeAsync(10_001);
    expect(mdm.state).toBe("open");
    peer.isMute = true;
    happen("online");
    await vi.advanceTimersByTimeAsync(9_999);
    expect(dials).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(dials).toHaveLength(2);
    expect(peer.closedWith?.code).toBe(4000);
  });
});

describe("a stream that is opened meanwhile", () => {
  it("waits for the next connection, and what was written early arrives in order", async () => {
    const { mdm, peer, redialed, behaviour } = await up();
    behaviour.hold = true;
    peer.cut();
    (await redialed(2)).peer.cut();
    expect(mdm.state).toBe("waiting");
    const stream = StreamClient(mdm).connect("NAME");
    stream.write("one ");
    stream.end("two");
    behaviour.hold = false;
    await vi.advanceTimersByTimeAsync(50);
    const far = await (await redialed(3)).peer.opened("/browser-server/connect/NAME");
    await until("the early bytes", () => far.text === "one two");
    far.frame({ id: "u" });
    await until("the finish", () => far.isFinished);
    far.finish();
    expect(await outcome(stream.closed)).toBe("ok");
  });

  it("waits as long as a connect may take, and no longer", async () => {
    const { mdm } = dial({ hold: true });
    const short = StreamClient(mdm).connect("NAME", { wait: 0 });
    const usual = StreamClient(mdm).connect("NAME");
    const program = mdm.createStream();
    await vi.advanceTimersByTimeAsync(14_999);
    const isOver = (stream: { closed: Promise<void> }) => Promise.race([outcome(stream.closed), settle()]);
    expect(await isOver(short)).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(await isOver(short)).toBe("timeout");
    expect(await isOver(usual)).toBeUndefined();
    await vi.advanceTimersByTimeAsync(2000);
    expect([await isOver(usual), await isOver(program)]).toEqual(["timeout", "timeout"]);
  });

  it("has all the time that the proxy gives it once there is a connection", async () => {
    const { mdm, peer, socket } = dial({ hold: true });
    const stream = StreamClient(mdm).connect("NAME");
    await vi.advanceTimersByTimeAsync(14_000);
    socket.onopen?.({});
    const far = await peer.opened("/browser-server/connect/NAME");
    await vi.advanceTimersByTimeAsync(16_900);
    far.frame({ id: "u" });
    expect(await outcome(stream.opened)).toBe("ok");
  });

  it("is given up by its signal, and the next connection never hears of it", async () => {
    const { mdm, redialed, peer } = dial({ hold: true });
    const abort = new AbortController();
    const stream = StreamClient(mdm).connect("NAME", { signal: abort.signal });
    peer.cut();
    abort.abort();
    expect(await outcome(stream.opened)).toBe("cancelled");
    const second = await redialed(2);
    second.socket.onopen?.({});
    await second.peer.opened("/session");
    await settle();
    expect(second.peer.streams.map(({ first }) => first?.path)).toEqual(["/session"]);
    expect(vi.getTimerCount()).toBe(1);
  });
});

describe("close()", () => {
  it("while it waits ends everything at once and leaves nothing behind", async () => {
    const { listening } = page();
    const { mdm, peer, redialed, behaviour } = await up();
    behaviour.hold = true;
    const seen = record(mdm);
    peer.cut();
    (await redialed(2)).peer.cut();
    const stream = mdm.createStream();
    expect(listening.size).toBeGreaterThan(0);
    mdm.close();
    expect(await outcome(stream.closed)).toBe("lost");
    expect(seen.slice(-2)).toEqual(["closed", "close 1000"]);
    await settle();
    expect([vi.getTimerCount(), listening.size]).toEqual([0, 0]);
    await vi.advanceTimersByTimeAsync(60_000);
    await redialed(2);
  });

  it("while it dials waits for the outcome; a failure is the end", async () => {
    const { listening } = page();
    const { mdm, peer, dials } = dial({ hold: true });
    mdm.close();
    peer.cut();
    expect([mdm.state, dials.length]).toEqual(["closed", 1]);
    await settle();
    expect([vi.getTimerCount(), listening.size]).toEqual([0, 0]);
  });

  it("while it is open, twice, is one close", async () => {
    const { listening } = page();
    const { mdm, peer, dials } = await up();
    const seen = record(mdm);
    mdm.close();
    mdm.close();
    await until("the close", () => peer.closedWith);
    await settle();
    expect([seen, dials.length]).toEqual([["closed", "close 1000"], 1]);
    expect([vi.getTimerCount(), listening.size]).toEqual([0, 0]);
  });

  it("in a listener of what tells of the drop is heard", async () => {
    const { mdm, peer, dials } = await up();
    mdm.on("reconnecting", () => mdm.close());
    peer.cut();
    expect([mdm.state, dials.length]).toEqual(["closed", 1]);
    await settle();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("closes the old connection, too, that has streams yet", async () => {
    const { mdm, peer, redialed } = await up();
    const stream = mdm.createStream();
    await peer.opened("/");
    peer.to("/session").frame({ note: "drain", value: { after_ms: 1 } });
    await until("the note", () => mdm.state === "waiting");
    await vi.advanceTimersByTimeAsync(1);
    const next = await redialed(2);
    await until("open", () => mdm.state === "open");
    mdm.close();
    await until("both closes", () => peer.closedWith && next.peer.closedWith);
    expect(await outcome(stream.closed)).toBe("lost");
    await settle();
    expect([mdm.state, vi.getTimerCount()]).toEqual(["closed", 0]);
  });
});
