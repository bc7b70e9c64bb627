import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type ConnectOptions,
  type Stream,
  StreamClient,
  StreamServer,
  type StreamServerOptions,
} from "../src/index.ts";
import { outcome } from "./peer.ts";
import { passes, Proxy } from "./splice.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const WINDOW = 256 * KIB;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** Bytes that tell where they belong. */
function pattern(length: number, seed = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8) * 7 + seed) & 0xff);
}

/** A client and its server over a proxy. */
async function joined(options: ConnectOptions = {}, serving: StreamServerOptions = {}) {
  const proxy = new Proxy();
  const [page, tab] = [proxy.page("page"), proxy.page("tab")];
  const served: Stream[] = [];
  const server = StreamServer(tab, serving, (stream) => served.push(stream)).listen("NAME");
  await server.listening;
  const client = StreamClient(page).connect("NAME", options);
  await passes("a client", () => served.length > 0);
  await client.opened;
  const [far] = served as [Stream];
  return { proxy, page, tab, server, served, client, far };
}

/** Reads all of it, and how that ended. */
function collect(stream: Stream) {
  const chunks: Uint8Array[] = [];
  const told = { length: 0, end: "" };
  const run = async () => {
    for await (const chunk of stream) {
      chunks.push(chunk);
      told.length += chunk.length;
    }
  };
  void outcome(run()).then((end) => {
    told.end = end;
  });
  return Object.assign(told, { bytes: () => Buffer.concat(chunks) });
}

async function pour(stream: Stream, bytes: Uint8Array<ArrayBuffer>, step = 40_000): Promise<void> {
  const writer = stream.writable.getWriter();
  for (let at = 0; at < bytes.length; at += step) await writer.write(bytes.subarray(at, at + step));
  await writer.close();
}

function settled(promise: Promise<unknown>) {
  const told = { how: "" };
  void outcome(promise).then((how) => {
    told.how = how;
  });
  return told;
}

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

  it("survives cuts of either side without losing or doubling a byte", async () => {
    const { proxy, page, tab, client, far, served } = await joined();
    const [up, down] = [collect(far), collect(client)];
    const [sent, returned] = [pattern(MIB, 1), pattern(MIB, 2)];
    const written = [settled(pour(client, sent)), settled(pour(far, returned))];
    let cuts = 0;
    for (let at = 1; at <= 10; at++) {
      const owner = at % 2 === 0 ? "page" : "tab";
      const way = at % 3 === 0 ? "down" : "up";
      const line = proxy.line(owner);
      line.cutIn[way] = 20_011 * at;
      const before = cuts;
      await passes(`cut ${at}`, () => line.isCut || (up.end && down.end));
      cuts = before + Number(line.isCut);
      await passes("connected again", () => page.state === "open" && tab.state === "open");
    }
    await passes("both ends", () => up.end && down.end);
    expect([up.end, down.end, served.length]).toEqual(["ok", "ok", 1]);
    expect(up.bytes().equals(sent)).toBe(true);
    expect(down.bytes().equals(returned)).toBe(true);
    const closed = [settled(client.closed), settled(far.closed)];
    await passes("closed", () => closed.every(({ how }) => how) && written.every(({ how }) => how));
    expect([...closed, ...written].map(({ how }) => how)).toEqual(["ok", "ok", "ok", "ok"]);
    expect(cuts).toBeGreaterThan(5);
    const { moves = 0, resent = 0 } = client.resumption ?? {};
    expect(moves).toBeGreaterThan(0);
    expect(resent).toBeLessThanOrEqual(cuts * WINDOW);
    expect(far.resumption?.resent).toBeLessThanOrEqual(cuts * WINDOW);
    expect(page.stats()).toMatchObject({ moves, resent });
  });
});
