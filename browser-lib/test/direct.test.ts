import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type DirectOptions, type MuxDemux, type Stream, StreamClient, StreamServer } from "../src/index.ts";
import { elapse, holdClock } from "./elapse.ts";
import { collect, pattern, pour, settled } from "./joined.ts";
import { Rtc } from "./rtc.ts";
import { passes, Switch } from "./splice.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

let rtc: Rtc;
const pages: MuxDemux[] = [];

beforeEach(() => {
  holdClock();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  rtc = new Rtc().install();
  // What is computed beside the page would come when it likes.
  vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) });
});

afterEach(async () => {
  // Or their attempts would go on into the next test.
  for (const page of pages.splice(0)) page.close();
  await elapse(500);
  vi.restoreAllMocks();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A client and its server over a proxy, and what each says of direct connections. */
async function joined(mine: boolean | DirectOptions = true, theirs: boolean | DirectOptions = true) {
  const proxy = new Switch();
  const [page, tab] = [proxy.page("page"), proxy.page("tab")];
  pages.push(page, tab);
  const served: Stream[] = [];
  const server = StreamServer(tab, { direct: theirs }, (stream) => served.push(stream)).listen("NAME");
  await server.listening;
  const clients = StreamClient(page, { direct: mine });
  const connect = async (): Promise<[Stream, Stream]> => {
    const before = served.length;
    const stream = clients.connect("NAME");
    await passes("a client", () => served.length > before);
    await stream.opened;
    return [stream, served[before] as Stream];
  };
  return { proxy, page, tab, server, connect };
}

const isOn =
  (kind: string, ...streams: Stream[]) =>
  () =>
    streams.every(({ carrier }) => carrier === kind);

describe("a stream of two ends that both want it", () => {
  it("starts over the proxy and goes on over a direct connection, which carries all that follows", async () => {
    const { connect } = await joined();
    const [client, far] = await connect();
    const told: string[] = [];
    client.on("carrier", (carrier) => told.push(carrier));
    expect([client.carrier, far.carrier]).toEqual(["proxy", "proxy"]);
    const [up, down] = [collect(far), collect(client)];
    const writer = client.writable.getWriter();
    void writer.write("at once ");
    writer.releaseLock();
    await passes("the first bytes", () => up.length > 0);
    expect(isOn("proxy", client, far)(), "before the direct connection").toBe(true);
    await passes("the move", isOn("direct", client, far));
    const before = client.carried?.proxy.sent ?? 0;
    void pour(client, pattern(MIB, 1));
    void pour(far, pattern(MIB, 2));
    await passes("both ends", () => up.end && down.end);
    expect([up.end, down.end, told]).toEqual(["ok", "ok", ["direct"]]);
    expect(up.bytes().subarray(8).equals(pattern(MIB, 1)) && down.bytes().equals(pattern(MIB, 2))).toBe(true);
    const { proxy, direct } = client.carried ?? { proxy: undefined, direct: undefined };
    expect(proxy?.sent, "bytes over the proxy").toBeLessThanOrEqual(before + 64);
    expect(direct?.sent).toBeGreaterThan(MIB);
    expect(direct).toMatchObject({ moves: 1 });
    expect(proxy).toMatchObject({ moves: 0 });
  });

  it("shares one connection with all others to that server, in messages that every browser takes", async () => {
    const { connect } = await joined();
    const pairs = [await connect(), await connect(), await connect()];
    await passes("the moves", isOn("direct", ...pairs.flat()));
    const ends = pairs.map(([, far]) => collect(far));
    for (const [client] of pairs) void pour(client, pattern(300_000));
    await passes("the ends", () => ends.every(({ end }) => end === "ok"));
    expect(rtc.made.map(({ channel }) => channel?.how)).toEqual(Array(2).fill({ negotiated: true, id: 0 }));
    for (const { channel } of rtc.made) expect(channel?.largest).toBeLessThanOrEqual(64 * KIB);
  });

  it("is back over the proxy within 3 s when the path falls silent, loses nothing, and is direct again later", async () => {
    const { proxy, connect } = await joined();
    const [client, far] = await connect();
    await passes("the move", isOn("direct", client, far));
    const up = collect(far);
    const connections = proxy.opens.length;
    const bytes = pattern(MIB);
    const writer = client.writable.getWriter();
    void writer.write(bytes.subarray(0, MIB / 2));
    await passes("some of it", () => up.length > 1000);
    rtc.silence();
    const at = performance.now();
    void writer.write(bytes.subarray(MIB / 2));
    void writer.close();
    await passes("the way back", isOn("proxy", client, far));
    expect(performance.now() - at).toBeLessThanOrEqual(3000);
    await passes("the end", () => up.end);
    expect(proxy.opens.length, "the proxy carrier was parked").toBe(connections);
    expect(up.bytes().equals(bytes)).toBe(true);
    await passes("a second connection", () => rtc.made.length === 4);
    await passes("the second move", isOn("direct", client, far));
    expect(client.carried?.direct.moves).toBe(2);
  });

  it("goes back at once when it is told, and comes again as often as it is direct", async () => {
    const { connect } = await joined();
    const [client, far] = await connect();
    const up = collect(far);
    for (let move = 1; move <= 5; move++) {
      await passes("direct", isOn("direct", client, far));
      client.write(`${move} `);
      await elapse(2000);
      rtc.live[0]?.channel?.close();
      await passes("back", isOn("proxy", client, far), 100);
    }
    client.end();
    await passes("the end", () => up.end);
    expect([up.end, up.bytes().toString()]).toEqual(["ok", "1 2 3 4 5 "]);
    expect(client.carried).toMatchObject({ proxy: { moves: 5 }, direct: { moves: 5 } });
  });

  it("notices nothing when both connections to the proxy break", async () => {
    const { proxy, page, tab, connect } = await joined();
    const [client, far] = await connect();
    await passes("the move", isOn("direct", client, far));
    const [up, told] = [collect(far), [] as string[]];
    client.on("carrier", (carrier) => told.push(carrier));
    proxy.isClosed = true;
    for (const owner of ["page", "tab"]) proxy.line(owner).cut();
    await passes("no connection", () => page.state !== "open" && tab.state !== "open");
    void pour(client, pattern(MIB));
    await passes("the end", () => up.end, 500);
    expect(up.bytes().equals(pattern(MIB))).toBe(true);
    expect([told, client.resumption?.moves, client.resumption?.resent]).toEqual([[], 1, 0]);
    expect([page.state, tab.state], "there was no connection to the proxy all the while").not.toContain("open");
  });

  it("waits when the direct connection dies as well, and goes on over the proxy without a byte lost", async () => {
    const { proxy, page, tab, connect } = await joined();
    const [client, far] = await connect();
    await passes("the move", isOn("direct", client, far));
    const up = collect(far);
    const bytes = pattern(MIB);
    const writer = client.writable.getWriter();
    void writer.write(bytes.subarray(0, MIB / 2));
    await passes("some of it", () => up.length > 1000);
    proxy.isClosed = true;
    for (const owner of ["page", "tab"]) proxy.line(owner).cut();
    rtc.silence();
    void writer.write(bytes.subarray(MIB / 2));
    void writer.close();
    await elapse(20_000);
    expect([up.length < MIB, up.end, rtc.live.length]).toEqual([true, "", 0]);
    proxy.isClosed = false;
    for (const line of [...proxy.lines]) line.cut();
    await passes("the end", () => up.end);
    expect([up.end, up.bytes().equals(bytes)]).toEqual(["ok", true]);
    expect([page.state, tab.state]).toEqual(["open", "open"]);
  });

  it("is lost at the other end as soon as a page goes", async () => {
    const { page, connect } = await joined();
    const [client, far] = await connect();
    await passes("the move", isOn("direct", client, far));
    const closed = settled(far.closed);
    page.close();
    await passes("the end", () => closed.how, 100);
    expect(closed.how).toBe("lost");
    await passes("the end of the connection", () => rtc.live.length === 0, 2000);
  });

  it("lets go of the connection when nothing has ridden on it for a while", async () => {
    const { connect } = await joined();
    const [client, far] = await connect();
    await passes("the move", isOn("direct", client, far));
    client.end();
    far.resume().end();
    await Promise.all([client.resume().closed, far.closed]);
    expect(rtc.live).toHaveLength(2);
    await elapse(40_000);
    expect(rtc.live).toHaveLength(0);
    expect(vi.getTimerCount(), "timers of connections to the proxy").toBeLessThanOrEqual(2);
  });
});

describe("servers that help", () => {
  const TURN = { urls: ["turn:turn.test:3478"], username: "name", credential: "word" };
  const used = () => rtc.made.map(({ config }) => config.iceServers);

  it("are those that the proxy names, asked for once a minute", async () => {
    const { proxy, connect } = await joined();
    proxy.ice = { stun_port: 3478, servers: [{ ...TURN, expires_in: 600 }] };
    const [client, far] = await connect();
    await passes("the move", isOn("direct", client, far));
    await connect();
    const servers = [{ urls: "stun:proxy.test:3478" }, TURN];
    expect([used(), proxy.asked]).toEqual([[servers, servers], 2]);
  });

  it("are none where the proxy knows of none, and the streams go direct all the same", async () => {
    const { proxy, connect } = await joined();
    await passes("the move", isOn("direct", ...(await connect())));
    expect([used(), proxy.asked]).toEqual([[[], []], 2]);
  });

  it("are the page's own where it names some, or none", async () => {
    const { proxy, connect } = await joined({ iceServers: [TURN] }, { iceServers: [] });
    await passes("the move", isOn("direct", ...(await connect())));
    expect(used()).toEqual(expect.arrayContaining([[TURN], []]));
    expect(proxy.asked).toBe(0);
  });
});

it("what cannot be is refused where it is given", async () => {
  const page = new Switch().page("page");
  pages.push(page);
  const given = (direct: unknown) => () => StreamClient(page, { direct: direct as DirectOptions });
  expect(given("yes")).toThrow("bad_request: direct is true or an object");
  expect(given({ iceServers: [{ urls: "nowhere" }] })).toThrow("no URL of a server");
  for (const direct of [false, undefined, true, {}, { iceTransportPolicy: "relay" }]) {
    expect(given(direct)).not.toThrow();
    expect(() => StreamServer(page, { direct } as { direct: DirectOptions })).not.toThrow();
  }
});

describe("a direct connection that cannot be", () => {
  it.each(["no addresses", "no path"])("for want of %s delays nobody, and is tried ever less often", async (why) => {
    if (why === "no path") rtc.isPossible = false;
    const { connect } = await joined(why === "no path" ? true : { iceTransportPolicy: "relay" });
    const start = performance.now();
    const [client, far] = await connect();
    const up = collect(far);
    client.write("at once");
    await passes("the bytes", () => up.length > 0, 50);
    expect(performance.now() - start).toBeLessThan(50);
    await elapse(300_000);
    expect(client.carrier).toBe("proxy");
    // Each lasts 3 s; the pauses are of 1, 2, 4, 8, 16 and 30 s.
    expect(rtc.made.length / 2).toBeGreaterThanOrEqual(9);
    expect(rtc.made.length / 2).toBeLessThanOrEqual(14);
    expect(rtc.live.length).toBeLessThanOrEqual(2);
  });

  it("is tried no sooner for streams that come while a pause lasts", async () => {
    rtc.isPossible = false;
    const { connect } = await joined();
    await connect();
    for (let came = 0; came < 100; came++) {
      await elapse(3000);
      await connect();
    }
    expect(rtc.made.length / 2).toBeLessThanOrEqual(14);
  });

  it("since the platform has none, is asked of nobody", async () => {
    vi.stubGlobal("RTCPeerConnection", undefined);
    const { proxy, connect } = await joined();
    const [client, far] = await connect();
    await elapse(10_000);
    expect(isOn("proxy", client, far)()).toBe(true);
    expect(proxy.opens).toHaveLength(1);
    expect(proxy.opens[0]?.resume).not.toHaveProperty("direct");
  });

  it.each([
    [true, false],
    [false, true],
  ])("threat_31_where not both want it (%s, %s) shows nobody an address", async (mine, theirs) => {
    const { proxy, connect } = await joined(mine, theirs);
    const [client] = await connect();
    await elapse(10_000);
    expect([client.carrier, rtc.made.length, proxy.opens.length]).toEqual(["proxy", 0, 1]);
  });
});
