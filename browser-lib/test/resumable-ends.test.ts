import { describe, expect, it, vi } from "vitest";
import { type Stream, StreamClient, StreamError, StreamServer } from "../src/index.ts";
import { holdClock } from "./clock.ts";
import { collect, joined, pattern, pour, settled } from "./joined.ts";
import { outcome } from "./peer.ts";
import { passes, Switch } from "./splice.ts";
import { page as window } from "./up.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const WINDOW = 256 * KIB;
const AHEAD = 256 * KIB;

holdClock();

/** How both ends of a stream ended, once they have. */
async function ends(client: Stream, far: Stream): Promise<string[]> {
  const both = [settled(client.closed), settled(far.closed)];
  await passes("both ends", () => both.every(({ how }) => how));
  return both.map(({ how }) => how);
}

describe("a resumable stream's ends", () => {
  it("are its directions', one after the other", async () => {
    const { proxy, client, far } = await joined();
    const [up, down] = [collect(far), collect(client)];
    await pour(client, pattern(1000));
    await passes("the first end", () => up.end);
    proxy.line("page").cut();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([up.end, down.end]).toEqual(["ok", ""]);
    await pour(far, pattern(2000));
    expect(await ends(client, far)).toEqual(["ok", "ok"]);
    expect([up.length, down.length]).toEqual([1000, 2000]);
  });

  it.each(["client", "far"] as const)("are one where the %s resets both, also while it is cut off", async (who) => {
    for (const cut of [false, true]) {
      const all = await joined();
      if (cut) all.proxy.line("page").cut();
      all[who].reset(4001);
      expect(await ends(all.client, all.far)).toEqual(["4001", "4001"]);
      await passes("nobody counted", () => all.server.clients === 0);
    }
  });

  it("come when reading was given up and all was written", async () => {
    const { client, far } = await joined();
    const up = collect(far);
    await client.readable.cancel();
    void far.writable.getWriter().write("unwanted");
    client.end("to the end");
    expect(await ends(client, far)).toEqual(["cancelled", "cancelled"]);
    expect(up.bytes().toString()).toBe("to the end");
  });

  it("are lost after the grace, and say how far it came", async () => {
    const { proxy, client, far, server } = await joined();
    const up = collect(far);
    void client.writable.getWriter().write(pattern(1000));
    await passes("the bytes", () => up.length === 1000 && client.resumption?.acknowledged === 1000);
    proxy.isClosed = true;
    proxy.line("page").cut();
    const closed = [settled(client.closed), settled(far.closed)];
    await vi.advanceTimersByTimeAsync(119_000);
    expect(closed.map(({ how }) => how)).toEqual(["", ""]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(closed.map(({ how }) => how)).toEqual(["lost", ""]);
    const error = await client.closed.catch((error: StreamError) => error);
    expect(error?.detail).toContain("0 bytes had come, 1000 were acknowledged");
    expect(server.clients).toBe(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(closed.map(({ how }) => how)).toEqual(["lost", "lost"]);
    expect([up.end, server.clients]).toEqual(["lost", 0]);
  });

  it("are lost where the server forgot it, and the next carrier hears so", async () => {
    const { proxy, client, tab, page } = await joined();
    tab.close();
    const again = proxy.page("tab");
    await StreamServer(again, () => {}).listen("NAME").listening;
    const closed = settled(client.closed);
    await passes("the loss", () => closed.how);
    expect([closed.how, page.state]).toEqual(["lost", "open"]);
  });

  it("are lost to one who joins a stream that was never there", async () => {
    const first = await joined();
    first.proxy.line("page").cut();
    // Another owner of the name, to whom the client's JOIN comes.
    const other = first.proxy.page("other");
    await StreamServer(other, () => {}).listen("NAME").listening;
    const closed = settled(first.client.closed);
    await passes("the loss", () => closed.how);
    expect(closed.how).toBe("lost");
  });

  it("come at once at close(), behind what was written", async () => {
    const { page, client, far } = await joined();
    const up = collect(far);
    client.write("the last words");
    page.close();
    expect(await ends(client, far)).toEqual(["lost", "lost"]);
    expect(up.bytes().toString()).toBe("the last words");
  });

  it("come at once where the connection is the only one", async () => {
    const proxy = new Switch();
    const server = StreamServer(proxy.page("tab"), () => {}).listen("NAME");
    await server.listening;
    const client = StreamClient(proxy.page("page", { reconnect: false })).connect("NAME");
    await client.opened;
    proxy.line("page").cut();
    expect(await outcome(client.closed)).toBe("lost");
  });

  it("come with the page that goes for good", async () => {
    const { happen } = window();
    const { client, far } = await joined();
    happen("pagehide");
    expect(await ends(client, far)).toEqual(["lost", "lost"]);
  });

  it("are the clients' own after end(), and gone with end({ now })", async () => {
    const { proxy, server, client, far } = await joined();
    const up = collect(far);
    await server.end();
    client.write("still here");
    await passes("the bytes", () => up.length === 10);
    expect(server.clients).toBe(1);
    expect(proxy.opens).toHaveLength(1);
    void server.end({ now: true });
    expect(await ends(client, far)).toEqual(["gone", "gone"]);
  });
});

describe("a server's client", () => {
  it("stays one while its connection, or the claim, is away", async () => {
    const { proxy, server, client, far, tab } = await joined();
    const states: string[] = [];
    server.on("suspended", () => states.push("suspended")).on("resumed", () => states.push("resumed"));
    proxy.line("tab").cut();
    proxy.line("page").cut();
    await passes("the name", () => states.length === 2 && tab.state === "open");
    expect([server.clients, states]).toEqual([1, ["suspended", "resumed"]]);
    const up = collect(far);
    client.end("through");
    far.end();
    expect(await ends(client, far)).toEqual(["ok", "ok"]);
    expect([up.bytes().toString(), server.clients]).toEqual(["through", 0]);
  });

  it("is told its refusal, and told it again", async () => {
    const proxy = new Switch();
    let judged = 0;
    const accept = () => {
      judged++;
      throw new StreamError(4001, "not you");
    };
    await StreamServer(proxy.page("tab"), { accept }).listen("NAME").listening;
    const client = StreamClient(proxy.page("page")).connect("NAME");
    const error = await client.opened.catch((error: StreamError) => error);
    expect(error && [error.code, error.detail]).toEqual(["4001", "not you"]);
    const [open] = proxy.opens;
    const again = proxy.line("tab").open({ ...open, path: "/browser-server/accept/NAME" });
    await passes("the refusal", () => again.first);
    expect([again.first?.error, judged]).toEqual([{ code: 4001, message: "not you" }, 1]);
  });

  it("is one stream, however often its birth open comes", async () => {
    const { proxy, served } = await joined();
    const [open] = proxy.opens;
    for (let count = 0; count < 2; count++) {
      const again = proxy.line("tab").open({ ...open, path: "/browser-server/accept/NAME" });
      await passes("the reply", () => again.first);
      expect(again.first?.resume).toEqual({ v: 1, grace: 120 });
    }
    expect(served).toHaveLength(1);
  });

  it("is the same where the reply to its birth open was lost", async () => {
    const proxy = new Switch();
    const served: Stream[] = [];
    let decide = (_: boolean): void => {};
    const accept = () => new Promise<boolean>((resolve) => (decide = resolve));
    await StreamServer(proxy.page("tab"), { accept }, (stream) => served.push(stream)).listen("NAME").listening;
    const client = StreamClient(proxy.page("page")).connect("NAME");
    client.write("early");
    await passes("the open", () => proxy.opens.length === 1);
    const line = proxy.line("page");
    line.isMute = true;
    decide(true);
    await passes("a stream", () => served.length === 1);
    line.cut();
    expect(await outcome(client.opened)).toBe("ok");
    expect([proxy.opens.length, served.length]).toEqual([2, 1]);
    expect(proxy.opens[1]?.resume).toEqual(proxy.opens[0]?.resume);
    const [far] = served as [Stream];
    const up = collect(far);
    client.end(" and late");
    far.end();
    expect(await ends(client, far)).toEqual(["ok", "ok"]);
    expect(up.bytes().toString()).toBe("early and late");
  });

  it("that went before anybody decided about it never was, and is judged anew if it comes again", async () => {
    const proxy = new Switch();
    const served: Stream[] = [];
    const decisions: ((verdict: boolean) => void)[] = [];
    const accept = () => new Promise<boolean>((resolve) => decisions.push(resolve));
    await StreamServer(proxy.page("tab"), { accept }, (stream) => served.push(stream)).listen("NAME").listening;
    const client = StreamClient(proxy.page("page")).connect("NAME");
    await passes("a client", () => decisions.length === 1);
    proxy.line("page").cut();
    await passes("the client again", () => decisions.length === 2);
    for (const decide of decisions) decide(true);
    expect(await outcome(client.opened)).toBe("ok");
    expect(served).toHaveLength(1);
  });

  it("threat_33_with_another_secret is forbidden, with a field that is none a bad request, and nobody else notices", async () => {
    const { proxy, served, client, far } = await joined();
    const [open] = proxy.opens;
    const resume = open?.resume as { secret: string };
    const answer = async (resume: unknown) => {
      const leg = proxy.line("tab").open({ path: "/browser-server/accept/NAME", resume });
      await passes("the answer", () => leg.first);
      return (leg.first?.error as { code?: unknown } | undefined)?.code;
    };
    expect(await answer({ ...resume, secret: "00".repeat(32) })).toBe("forbidden");
    for (const wrong of [5, "x", {}, { v: 1 }, { ...resume, v: "1" }, { ...resume, id: "4G".repeat(16) }]) {
      expect(await answer(wrong), JSON.stringify(wrong)).toBe("bad_request");
    }
    expect(await answer({ ...resume, early: 65_537 })).toBe("bad_request");
    expect(served).toHaveLength(1);
    expect(await answer({ ...resume, v: 2 })).toBeUndefined();
    await passes("a plain stream", () => served.length === 2);
    expect(served[1]?.resumption).toBeUndefined();
    const up = collect(far);
    client.end("undisturbed");
    await passes("the end", () => up.end === "ok");
  });

  it("threat_09_who_does_not_say_which_it_is is one of 64 a session, for 10 s, and keeps nobody else from it", async () => {
    const { proxy } = await joined();
    const join = () => proxy.line("tab").open({ path: "/browser-server/accept/NAME", resume: { v: 1, join: true } });
    const legs = Array.from({ length: 65 }, join);
    await passes("all answers", () => legs.every(({ first }) => first));
    expect(legs.filter(({ first }) => first?.error)).toEqual([]);
    // The 65th has the first one's place.
    await passes("the oldest closed", () => proxy.line("tab").legs.size === 67);
    const chatter = legs[1];
    chatter?.send(Uint8Array.of(5));
    await passes("one closed", () => proxy.line("tab").legs.size === 66);
    const late = join();
    await passes("the answer", () => late.first);
    expect(late.first?.resume).toEqual({ v: 1 });
    await vi.advanceTimersByTimeAsync(10_000);
    await passes("only the stream, the claim and the introduction", () => proxy.line("tab").legs.size === 3);
  });
});

describe("a writer", () => {
  it("stops 256 KiB ahead of what the reader's window lets out, and goes on with the reader", async () => {
    const { client, far } = await joined();
    const writer = client.writable.getWriter();
    let written = 0;
    const pouring = (async () => {
      for (let at = 0; at < 4 * MIB; at += 64 * KIB) {
        await writer.write(new Uint8Array(64 * KIB));
        written += 64 * KIB;
      }
      await writer.close();
    })();
    const stands = async () => {
      const before = performance.now();
      await passes("a second", () => performance.now() > before + 1000);
      return written;
    };
    await stands();
    expect([await stands(), written]).toEqual([AHEAD + WINDOW, AHEAD + WINDOW]);
    const up = collect(far);
    await passes("the end", () => up.end);
    await pouring;
    expect(up.length).toBe(4 * MIB);
  });

  it("may use its buffer again as soon as the write is done", async () => {
    const { proxy, client, far } = await joined();
    const up = collect(far);
    const writer = client.writable.getWriter();
    // The fifth is taken in part, for it would be more than 256 KiB ahead of what went out.
    const [count, size] = [12, 105_000];
    const buffer = new Uint8Array(size);
    let written = 0;
    proxy.line("page").isMute = true;
    void (async () => {
      for (; written < count; written++) {
        await writer.write(buffer.fill(written));
        buffer.fill(0xff);
      }
      await writer.close();
    })();
    await vi.advanceTimersByTimeAsync(1000);
    expect(written).toBe(4);
    proxy.line("page").cut();
    await passes("the end", () => up.end);
    const expected = Buffer.concat(Array.from({ length: count }, (_, seed) => Buffer.alloc(size, seed)));
    expect(up.bytes().equals(expected)).toBe(true);
  });
});

describe("a connection that says nothing", () => {
  it("is found out while something waits for it, and the stream goes on over the next", async () => {
    const { proxy, client, far, page } = await joined();
    const up = collect(far);
    const line = proxy.line("page");
    line.isMute = true;
    client.end("who hears it?");
    // The carrier is asked after 5 s, and the connection below it with it, which has 10 s for its answer.
    await vi.advanceTimersByTimeAsync(15_100);
    expect(line.isCut).toBe(true);
    await passes("the bytes", () => up.end === "ok");
    expect(proxy.line("page")).not.toBe(line);
    expect(page.state).toBe("open");
    expect(client.resumption?.moves).toBeGreaterThan(0);
  });

  it("below one carrier only shows when the page wakes", async () => {
    const { happen } = window();
    const { proxy, client } = await joined();
    const line = proxy.line("page");
    for (const leg of line.legs) leg.hangs = true;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(proxy.opens).toHaveLength(1);
    happen("online");
    await vi.advanceTimersByTimeAsync(10_500);
    await passes("another carrier", () => client.resumption?.moves === 1);
    expect([proxy.opens.length, proxy.line("page") === line]).toEqual([2, true]);
  });
});
