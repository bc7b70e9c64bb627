import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { frame } from "../src/framing.ts";
import { type MuxDemux, type Stream, StreamClient, StreamServer } from "../src/index.ts";
import { Connection as Mux } from "../src/mux/connection.ts";
import { Outbound } from "../src/mux/frame.ts";
import { sessionOf } from "../src/mux-demux.ts";
import { prove } from "../src/resume/proof.ts";
import { elapse, holdClock } from "./elapse.ts";
import { settled } from "./joined.ts";
import { type Connection, Rtc } from "./rtc.ts";
import { passes, Switch } from "./splice.ts";

const CONNECT = "/browser-server/connect/NAME";
const NONCE = "60".repeat(16);

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

/** A server, two clients' pages, and what each stream of the server is. */
async function joined() {
  const proxy = new Switch();
  const [page, tab, other] = [proxy.page("page"), proxy.page("tab"), proxy.page("other")];
  pages.push(page, tab, other);
  const served: Stream[] = [];
  const server = StreamServer(tab, { direct: true }, (stream) => served.push(stream)).listen("NAME");
  await server.listening;
  /** Each `way` needs a connection of its own. */
  const connect = async (of = page, way = 0): Promise<Stream> => {
    const direct = { iceServers: [{ urls: `stun:${way}.test` }] };
    const stream = StreamClient(of, { direct }).connect("NAME");
    await stream.opened;
    return stream;
  };
  return { proxy, page, tab, other, served, connect };
}

const isDirect = (stream: Stream) => () => stream.carrier === "direct";

/** What a stream says that its client opened: its id and its secret. */
function birthOf(proxy: Switch): { id: string; secret: string } {
  const [open] = proxy.opens;
  return open?.resume as { id: string; secret: string };
}

/** The connection of the server's side, whose client is `connection`, or the other way round. */
const peerOf = (connection: Connection | undefined) => connection?.peer as Connection;

it("one client has no more than its share of the connections that a server may have", async () => {
  const { page, other, connect } = await joined();
  const streams: Stream[] = [];
  for (let way = 0; way < 12; way++) streams.push(await connect(page, way));
  await elapse(2000);
  expect(streams.filter((stream) => isDirect(stream)())).toHaveLength(4);
  const neighbour = await connect(other);
  await passes("the move of another client", isDirect(neighbour));
});

it("signals on which nothing comes of it end", async () => {
  const { proxy, page, connect } = await joined();
  rtc.isPossible = false;
  await connect();
  const { id, secret } = birthOf(proxy);
  const replies: { resume: { nonce: string } }[] = [];
  const asked = sessionOf(page).session.open({
    path: CONNECT,
    fields: { resume: { v: 1, signal: id, nonce: NONCE } },
    replied: (reply) => replies.push(reply as never),
  });
  await asked.opened;
  const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
  const macs = await prove({
    carrier: 0,
    identity: { id: bytes(id), secret: bytes(secret), name: "NAME" },
    client: bytes(NONCE),
    server: bytes(replies[0]?.resume.nonce ?? ""),
    label: "bss-direct-1",
  });
  asked.write(frame({ note: "proof", value: Buffer.from(macs?.client ?? []).toString("hex") }));
  const closed = settled(asked.closed);
  await elapse(5000);
  expect(closed.how, "it is who it says it is, and may take its time").toBe("");
  await elapse(10_000);
  expect(closed.how).toBe("cancelled");
});

it.each([0, 2, "1", undefined])("signals of another version (%j) are refused", async (v) => {
  const { proxy, page, connect } = await joined();
  await connect();
  const signal = birthOf(proxy).id;
  const fields = { resume: { v, signal, nonce: NONCE } };
  const asked = settled(sessionOf(page).session.open({ path: CONNECT, fields }).opened);
  await passes("the answer", () => asked.how);
  expect(asked.how).toBe("bad_request");
});

it("a peer that opens streams without end loses the connection, and its streams stay", async () => {
  const { connect } = await joined();
  const stream = await connect();
  await passes("the move", isDirect(stream));
  const told: string[] = [];
  stream.on("carrier", (carrier) => told.push(carrier));
  const [client] = rtc.live;
  let id = 1001;
  for (let message = 0; message < 30; message++) {
    const bytes = new Uint8Array(100 * 12);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < bytes.length; at += 12, id += 2) {
      view.setUint32(at, 0x0001_0001);
      view.setUint32(at + 4, id);
    }
    if (client?.channel?.readyState === "open") client.channel.send(bytes);
    await elapse(1);
  }
  await passes("the end of the connection", () => peerOf(client).isClosed && client?.isClosed, 1000);
  await passes("another", isDirect(stream));
  expect(told).toEqual(["proxy", "direct"]);
});

it("a page that closed has no connection for long, whatever the other side answers", async () => {
  const { page, connect } = await joined();
  const stream = await connect();
  await passes("the move", isDirect(stream));
  stream.closed.catch(() => {});
  const [client] = rtc.live;
  const server = peerOf(client);
  // From here on that side does nothing but answer pings, and has a stream that it never finishes.
  const nothing = () => {};
  const mux = new Mux<number>(
    "acceptor",
    {
      opened: (id) => id,
      ...{ data: nothing, finished: nothing, reset: nothing, credit: nothing },
      ...{ ended: nothing, sent: nothing, pong: nothing, goAway: nothing },
    },
    0,
  );
  const out = new Outbound(1024);
  if (server.channel) {
    server.channel.onmessage = ({ data }) => {
      mux.receive(new Uint8Array(data as ArrayBuffer), 0);
      out.length = 0;
      mux.transmit(out);
      if (out.length > 0) server.channel?.send(out.bytes.slice(0, out.length));
    };
  }
  server.close = nothing;
  mux.open(0);
  await elapse(3000);
  page.close();
  await elapse(6000);
  expect(client?.isClosed).toBe(true);
});
