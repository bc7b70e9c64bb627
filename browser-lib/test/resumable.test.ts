import { describe, expect, it, vi } from "vitest";
import { StreamClient } from "../src/index.ts";
import { holdClock } from "./clock.ts";
import { collect, joined, pattern, pour, settled } from "./joined.ts";
import { outcome, settle, until } from "./peer.ts";
import { passes } from "./splice.ts";
import { up } from "./up.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const WINDOW = 256 * KIB;
const CONNECT = "/browser-server/connect/NAME";

holdClock();

describe("a stream between our own libraries", () => {
  it("carries bytes both ways and ends clean at both ends", async () => {
    const { client, far } = await joined({ meta: { a: 1 } });
    expect([far.meta, client.id]).toEqual([{ a: 1 }, "unique"]);
    const [up, down] = [collect(far), collect(client)];
    void pour(client, pattern(100_000, 1));
    void pour(far, pattern(70_000, 2));
    await passes("both ends", () => up.end && down.end);
    expect(up.bytes().equals(pattern(100_000, 1))).toBe(true);
    expect(down.bytes().equals(pattern(70_000, 2))).toBe(true);
    const closed = [settled(client.closed), settled(far.closed)];
    await passes("closed", () => closed.every(({ how }) => how));
    expect(closed.map(({ how }) => how)).toEqual(["ok", "ok"]);
    expect(client.resumption).toEqual({ moves: 0, resent: 0, received: 70_000, acknowledged: 100_000 });
    await vi.advanceTimersByTimeAsync(200_000);
  });

  it("threat_13_survives cuts of either side without losing or doubling a byte", async () => {
    const { proxy, page, tab, client, far, served } = await joined();
    const [up, down] = [collect(far), collect(client)];
    const [sent, returned] = [pattern(MIB, 1), pattern(MIB, 2)];
    const written = [settled(pour(client, sent)), settled(pour(far, returned))];
    const cuts = 10;
    for (let at = 1; at <= cuts; at++) {
      const line = proxy.line(at % 2 === 0 ? "page" : "tab");
      line.cutIn[at % 3 === 0 ? "down" : "up"] = 7_001 * at;
      await passes(`cut ${at}`, () => line.isCut);
      await passes("connected again", () => page.state === "open" && tab.state === "open");
    }
    await passes("both ends", () => up.end && down.end);
    expect([up.end, down.end, served.length]).toEqual(["ok", "ok", 1]);
    expect(up.bytes().equals(sent)).toBe(true);
    expect(down.bytes().equals(returned)).toBe(true);
    const closed = [settled(client.closed), settled(far.closed)];
    await passes("closed", () => closed.every(({ how }) => how) && written.every(({ how }) => how));
    expect([...closed, ...written].map(({ how }) => how)).toEqual(["ok", "ok", "ok", "ok"]);
    const { moves = 0, resent = 0 } = client.resumption ?? {};
    expect(moves).toBeGreaterThan(0);
    expect(resent).toBeLessThanOrEqual(cuts * WINDOW);
    expect(far.resumption?.resent).toBeLessThanOrEqual(cuts * WINDOW);
    expect(page.stats()).toMatchObject({ moves, resent });
  });
});

describe("a peer that knows nothing of resumable streams", () => {
  it("gets what was written early behind the open, and nothing else before its reply", async () => {
    const { mdm, peer } = await up();
    const stream = StreamClient(mdm).connect("NAME");
    const writer = stream.writable.getWriter();
    void writer.write("early");
    const far = await peer.opened(CONNECT);
    await until("the early bytes", () => far.text === "early");
    expect(far.first?.resume).toMatchObject({ v: 1, early: 5, grace: 120 });
    await writer.write(" late");
    void writer.close();
    await settle();
    expect([far.text, far.isFinished]).toEqual(["early", false]);
    far.frame({ id: "u" }).send("back").finish();
    await until("the finish", () => far.isFinished);
    expect(far.text).toBe("early late");
    expect([stream.id, stream.resumption]).toEqual(["u", undefined]);
    const back = collect(stream);
    await until("the end", () => back.end);
    expect([back.end, back.bytes().toString(), await outcome(stream.closed)]).toEqual(["ok", "back", "ok"]);
  });

  it("gets all that was written together behind the open", async () => {
    const { mdm, peer } = await up();
    const stream = StreamClient(mdm).connect("NAME");
    for (let count = 0; count < 100; count++) stream.write("x");
    const far = await peer.opened(CONNECT);
    await until("all of it", () => far.text === "x".repeat(100));
    expect(far.first?.resume).toMatchObject({ early: 100 });
  });

  it("loses nothing of a large write that waits for it, and gives credit as ever", async () => {
    const { mdm, peer } = await up();
    const stream = StreamClient(mdm).connect("NAME");
    const bytes = pattern(3 * MIB);
    const written = settled(stream.writable.getWriter().write(bytes));
    const far = await peer.opened(CONNECT);
    await settle();
    expect([far.length, written.how, far.first?.resume]).toMatchObject([64 * KIB, "", { early: 64 * KIB }]);
    far.frame({ id: "u" });
    await until("all of it", () => far.length === bytes.length);
    expect(Buffer.from(far.bytes).equals(bytes)).toBe(true);
    await until("the write", () => written.how === "ok");
    const told = collect(stream);
    far.send(pattern(2 * MIB));
    await until("the way back", () => told.length === 2 * MIB);
  });

  it("is lost with the connection, and reset at once", async () => {
    const { mdm, peer, redialed } = await up();
    const [lost, reset] = [StreamClient(mdm).connect("NAME"), StreamClient(mdm).connect("OTHER")];
    (await peer.opened(CONNECT)).frame({ id: "u" });
    const far = (await peer.opened("/browser-server/connect/OTHER")).frame({ id: "v" });
    await Promise.all([lost.opened, reset.opened]);
    reset.reset(4001);
    await until("the reset", () => far.resetCode === 4001);
    peer.cut();
    expect(await outcome(lost.closed)).toBe("lost");
    await settle();
    expect((await redialed(2)).peer.streams).toHaveLength(1);
  });

  it("hears at once of a reset that came before its reply, and is asked for nothing more", async () => {
    const { mdm, peer } = await up();
    const stream = StreamClient(mdm).connect("NAME");
    const far = await peer.opened(CONNECT);
    stream.reset(4001);
    expect(await outcome(stream.closed)).toBe("4001");
    await until("the reset", () => far.resetCode === 4001);
    far.frame({ id: "u" });
    await settle();
    expect(peer.streams.filter(({ first }) => first?.path === CONNECT)).toEqual([far]);
  });

  it("as a client gets a plain stream from a server that could more", async () => {
    const { client, far } = await joined({}, {}, { isDeaf: true });
    expect([client.resumption, far.resumption]).toEqual([undefined, undefined]);
    const told = collect(far);
    void pour(client, pattern(100_000));
    await passes("the end", () => told.end);
    expect(told.bytes().equals(pattern(100_000))).toBe(true);
    const closed = settled(far.closed);
    client.reset(4001);
    await passes("the reset", () => closed.how === "4001");
  });
});

describe("who wants none", () => {
  it("as a client does not ask for one", async () => {
    const { mdm, peer } = await up();
    StreamClient(mdm).connect("NAME", { resume: false });
    expect((await peer.opened(CONNECT)).first).toEqual({ path: CONNECT });
  });

  it("as a server answers without it", async () => {
    const { proxy, client, far } = await joined({}, { resume: false });
    expect([client.resumption, far.resumption]).toEqual([undefined, undefined]);
    const closed = [settled(client.closed), settled(far.closed)];
    proxy.line("tab").cut();
    await passes("the loss", () => closed.every(({ how }) => how === "lost"));
  });
});

describe("below a stream that lives on", () => {
  it("a session that drains is left for the next at once, and comes to its end", async () => {
    const { proxy, client, far, page } = await joined();
    const up = collect(far);
    const old = proxy.line("page");
    old.note({ note: "drain", value: { after_ms: 10 } });
    client.write("over the old one ");
    await passes("the next", () => proxy.line("page") !== old && page.state === "open");
    await passes("the end of the old one", () => old.isCut);
    client.end("over the new one");
    await passes("the bytes", () => up.end);
    expect(up.bytes().toString()).toBe("over the old one over the new one");
    expect(client.resumption?.moves).toBe(1);
  });

  it("runs no timer while nothing waits for anything", async () => {
    const { client, far } = await joined();
    const up = collect(far);
    client.write("said");
    await passes("the acknowledgement", () => client.resumption?.acknowledged === 4 && up.length === 4);
    await vi.advanceTimersByTimeAsync(30_000);
    // Each session looks whether its proxy lives.
    expect(vi.getTimerCount()).toBe(2);
  });

  it("a page without a secure context proves itself, too", async () => {
    vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) });
    const { proxy, client, far } = await joined();
    const up = collect(far);
    proxy.line("page").cut();
    client.end("proven");
    await passes("the bytes", () => up.end);
    expect([up.bytes().toString(), client.resumption?.moves]).toEqual(["proven", 1]);
  });

  it("the counts of those that ended stay with the page", async () => {
    const { proxy, client, far, page } = await joined();
    const line = proxy.line("page");
    line.isMute = true;
    client.end(pattern(1000));
    await vi.advanceTimersByTimeAsync(10);
    line.cut();
    far.end();
    far.resume();
    const closed = settled(client.closed);
    await passes("the end", () => closed.how);
    expect(page.stats()).toMatchObject({ moves: 1, resent: 1000 });
  });

  it("a stream that the proxy's program opens or gets is plain", async () => {
    const { mdm, peer } = await up();
    const stream = mdm.createStream(undefined, { path: "/x" });
    expect((await peer.opened("/x")).first).toEqual({ path: "/x" });
    expect(stream.resumption).toBeUndefined();
    const taken: unknown[] = [];
    mdm.on("stream", (stream) => taken.push(stream.resumption));
    const open = { path: "/y", resume: { v: 1, join: true } };
    const [joins, other] = [peer.open(open), peer.open({ path: "/y" })];
    await until("both answers", () => joins.first && other.first);
    expect([joins.first?.error, other.first, taken]).toMatchObject([{ code: "not_found" }, {}, [undefined]]);
  });
});
