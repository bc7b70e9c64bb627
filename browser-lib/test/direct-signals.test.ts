import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { frame } from "../src/framing.ts";
import { type MuxDemux, type Stream, StreamClient, StreamServer } from "../src/index.ts";
import { sessionOf } from "../src/mux-demux.ts";
import { Negotiation } from "../src/negotiation/negotiation.ts";
import type { Opening } from "../src/opening.ts";
import { elapse, holdClock } from "./elapse.ts";
import { settled } from "./joined.ts";
import { Connection, Rtc } from "./rtc.ts";
import { passes, Switch } from "./splice.ts";

const CONNECT = "/browser-server/connect/NAME";
const NONCE = "60".repeat(16);

let rtc: Rtc;
const pages: MuxDemux[] = [];
/** How much later it is than the timers know: the page stood still. */
let stood: number;

beforeEach(() => {
  holdClock();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  rtc = new Rtc().install();
  // What is computed beside the page would come when it likes.
  vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) });
  stood = 0;
  const now = performance.now.bind(performance);
  vi.spyOn(performance, "now").mockImplementation(() => now() + stood);
});

afterEach(async () => {
  // Or their attempts would go on into the next test.
  for (const page of pages.splice(0)) page.close();
  await elapse(500);
  vi.restoreAllMocks();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function joined(options: { accept?: () => boolean } = {}) {
  const proxy = new Switch();
  const [page, tab, stranger] = [proxy.page("page"), proxy.page("tab"), proxy.page("stranger")];
  pages.push(page, tab, stranger);
  const served: Stream[] = [];
  const server = StreamServer(tab, { direct: true, ...options }, (stream) => served.push(stream)).listen("NAME");
  await server.listening;
  const connect = async (): Promise<Stream> => {
    const stream = StreamClient(page, { direct: true }).connect("NAME");
    await stream.opened;
    return stream;
  };
  return { proxy, page, tab, stranger, served, connect };
}

const isDirect = (stream: Stream) => () => stream.carrier === "direct";

/** What a stream says that its client opened: its id and its secret. */
function birthOf(proxy: Switch): { id: string; secret: string } {
  return proxy.opens[0]?.resume as { id: string; secret: string };
}

describe("who asks a server for its address", () => {
  it.each([
    ["names no stream", { v: 1, signal: "00".repeat(16), nonce: NONCE }, "gone"],
    ["says nothing that can be read", { v: 1, signal: "zz" }, "bad_request"],
  ])("and %s gets none", async (_, resume, code) => {
    rtc.isPossible = false;
    const { stranger } = await joined();
    const asked = settled(ask(stranger, resume).opened);
    await passes("the answer", () => asked.how);
    expect([asked.how, rtc.made]).toEqual([code, []]);
  });

  it("threat_31_and knows a client's stream but not its secret gets none", async () => {
    rtc.isPossible = false;
    const { proxy, stranger, connect } = await joined();
    await connect();
    await passes("its own attempt", () => rtc.made.length === 2);
    const before = rtc.made.length;
    const stream = ask(stranger, { v: 1, signal: birthOf(proxy).id, nonce: NONCE });
    await stream.opened;
    const closed = settled(stream.closed);
    stream.write(frame({ note: "proof", value: "00".repeat(32) }));
    stream.write(frame({ note: "description", value: { type: "offer", sdp: "v=0\r\na=0\r\n" } }));
    await passes("the reset", () => closed.how);
    expect([closed.how, rtc.made.length]).toEqual(["cancelled", before]);
  });
});

it("threat_31_a_server_that_cannot_prove_whose_it_is_gets_no_address", async () => {
  const { proxy, tab, connect } = await joined();
  const stream = await connect();
  await passes("the move", isDirect(stream));
  const made = rtc.made.length;
  // Whoever has the name now knows the stream's id, from the signals, and answers as if it knew the secret.
  let asked = 0;
  sessionOf(tab).session.routes.set("/browser-server/accept/NAME", (opening: Opening) => {
    asked++;
    opening.accept({}, { resume: { v: 1, nonce: NONCE, mac: "00".repeat(32) } });
  });
  const before = proxy.opens.length;
  for (const connection of rtc.live) connection.channel?.close();
  await passes("an attempt", () => asked > 0 && proxy.opens.length > before);
  await elapse(1000);
  expect([rtc.made.length, stream.carrier]).toEqual([made, "proxy"]);
});

describe("signals that are garbage", () => {
  const garbage = [
    { what: "no description", type: "offer", sdp: "garbage" },
    { what: "media", type: "offer", sdp: "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=0\r\n" },
  ];
  it.each(garbage)("as $what end the attempt and touch nothing else", async (description) => {
    const { served, connect } = await joined();
    rtc.garbage = description;
    const harmed = await connect();
    await passes("a second attempt", () => rtc.made.length > 2);
    expect(harmed.carrier).toBe("proxy");
    rtc.garbage = undefined;
    harmed.write("over the proxy");
    const [far] = served;
    await passes("the bytes", () => far?.resumption?.received === 14);
    await passes("a better attempt", isDirect(harmed));
  });
});

it("threat_31_signals_of_one_pair_are_heard_by_nobody_else", async () => {
  const { proxy, stranger, connect } = await joined();
  const hear = vi.spyOn(Negotiation.prototype, "hear");
  const others = StreamClient(stranger, { direct: true });
  const [stream, other] = [await connect(), others.connect("NAME")];
  await other.opened;
  await passes("the moves", () => isDirect(stream)() && isDirect(other)());
  const said = (field: "id" | "signal") =>
    proxy.opens.map(({ resume }) => (resume as Record<string, unknown>)[field]).filter(Boolean);
  expect([said("id").length, said("signal").sort()]).toEqual([2, said("id").sort()]);
  expect(rtc.made).toHaveLength(4);
  // Who said what lies in the descriptions: each of the four heard of one other, and that one of it.
  const heard = new Map<unknown, Set<string>>();
  for (const [at, [note, value]] of hear.mock.calls.entries()) {
    if (note !== "description") continue;
    const end = hear.mock.contexts[at];
    heard.set(end, (heard.get(end) ?? new Set()).add(/^a=(\d+)/m.exec((value as { sdp: string }).sdp)?.[1] ?? ""));
  }
  expect([...heard.values()].map(({ size }) => size)).toEqual([1, 1, 1, 1]);
  for (const connection of rtc.made) expect(connection.peer?.peer).toBe(connection);
});

it("addresses_that_are_found_when_the_connection_is_there_already_are_left_out", async () => {
  const { connect } = await joined();
  const stream = await connect();
  await passes("the move", isDirect(stream));
  for (const { onicecandidate } of rtc.live)
    onicecandidate?.({ candidate: { toJSON: () => ({ candidate: "host 1" }) } });
  await elapse(1000);
  expect([stream.carrier, rtc.live.length]).toEqual(["direct", 2]);
});

describe("a negotiation", () => {
  /** Two that hear each other. */
  function two(media = false) {
    const pcs = [new Connection(rtc, {}), new Connection(rtc, {})] as const;
    const failed: number[] = [];
    const ends: Negotiation[] = pcs.map(
      (pc, side) =>
        new Negotiation(pc as unknown as RTCPeerConnection, {
          isPolite: side === 0,
          say: (note, value) => setTimeout(() => ends[1 - side]?.hear(note, value), 10),
          failed: () => failed.push(side),
          media,
          notesMax: media ? undefined : 200,
        }),
    );
    return { pcs, ends, failed };
  }

  it("whose offers cross comes to the one of the side that is not polite", async () => {
    const { pcs, failed } = two();
    for (const pc of pcs) pc.createDataChannel("", {});
    await elapse(200);
    expect(pcs.map(({ channel }) => channel?.readyState)).toEqual(["open", "open"]);
    expect(pcs.map(({ localDescription }) => localDescription?.type)).toEqual(["answer", "offer"]);
    expect(failed).toEqual([]);
  });

  it("passes over what it does not know, and fails at more than anybody has to say", async () => {
    const { ends, failed } = two();
    for (let note = 0; note < 200; note++) ends[1]?.hear("unknown", note);
    await elapse(100);
    expect(failed).toEqual([]);
    ends[1]?.hear("unknown", 201);
    expect(failed).toEqual([1]);
  });

  it("fails at sound and video unless it takes them, and counts no notes where no bound is named", async () => {
    const description = { type: "offer", sdp: "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=0\r\n" };
    const deaf = two();
    deaf.ends[1]?.hear("description", description);
    await elapse(100);
    expect(deaf.failed).toEqual([1]);
    const call = two(true);
    for (let note = 0; note < 500; note++) call.ends[1]?.hear("unknown", note);
    call.ends[1]?.hear("description", { ...description, sdp: description.sdp.replace("a=0", "a=2") });
    await elapse(100);
    expect(call.failed, "the side that was made an offer").not.toContain(1);
    expect(call.pcs[1].signalingState).toBe("stable");
  });
});

describe("a page that stood still", () => {
  it("asks again before it believes that the other side is gone", async () => {
    const { connect } = await joined();
    const stream = await connect();
    await passes("the move", isDirect(stream));
    await elapse(2000);
    rtc.held = [];
    stream.write("asks for an answer");
    // It was asked, and the answer is there; but the page stands still for long.
    await elapse(1000);
    stood += 60_000;
    await elapse(500);
    const held = rtc.held;
    rtc.held = undefined;
    for (const deliver of held) deliver();
    await elapse(3000);
    expect([stream.carrier, rtc.made.length, stream.resumption?.moves]).toEqual(["direct", 2, 1]);
  });

  it("asks once more, as its first question or the answer may be lost", async () => {
    const { served, connect } = await joined();
    const stream = await connect();
    await passes("the move", isDirect(stream));
    stream.write("heard");
    await passes("the bytes", () => served[0]?.resumption?.received === 5);
    await elapse(200);
    rtc.silence();
    await elapse(1200);
    stood += 60_000;
    for (const connection of rtc.live) connection.isSilent = false;
    await elapse(5000);
    expect([stream.carrier, rtc.made.length, stream.resumption?.moves]).toEqual(["direct", 2, 1]);
  });

  it("believes it then", async () => {
    const { connect } = await joined();
    const stream = await connect();
    await passes("the move", isDirect(stream));
    rtc.silence();
    stream.write("asks for an answer");
    await elapse(1500);
    stood += 60_000;
    const at = performance.now();
    await passes("the way back", () => stream.carrier === "proxy");
    expect(performance.now() - at).toBeLessThanOrEqual(3000);
  });
});

/** Opens a stream of signals as a program would that does not keep to the rules. */
function ask(mdm: MuxDemux, resume: object): Stream {
  return sessionOf(mdm).session.open({ path: CONNECT, fields: { resume } });
}
