import { describe, expect, it } from "vitest";
import type { Stream } from "../src/index.ts";
import { holdClock } from "./clock.ts";
import { joined } from "./joined.ts";
import { outcome, pair, settle, until } from "./peer.ts";
import { passes } from "./splice.ts";

const KIB = 1024;

/** The values that lie framed in these bytes, as text, and that nothing else does. */
function values(bytes: Uint8Array): string[] {
  const found: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
    found.push(new TextDecoder().decode(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return found;
}

function collect(stream: Stream) {
  const got: string[] = [];
  const run = async () => {
    for await (const value of stream.latest()) got.push(new TextDecoder().decode(value));
  };
  return { got, end: outcome(run()) };
}

describe("latest", () => {
  it("every value goes out while it can leave, the last one before the end", async () => {
    const { stream, far } = await pair();
    const latest = stream.latest();
    for (let i = 0; i < 100; i++) {
      latest.set(`value ${i}`);
      await settle();
    }
    latest.set("");
    await latest.end();
    await until("the end", () => far.isFinished);
    expect(values(far.bytes)).toEqual([...Array.from({ length: 100 }, (_, i) => `value ${i}`), ""]);
    expect(latest.skipped).toBe(0);
    expect(() => latest.set("late")).toThrow("set after end");
  });

  it("of those that are set together the first leaves, the newest follows, and the others are counted", async () => {
    const { stream, far } = await pair();
    const latest = stream.latest();
    const buffer = new Uint8Array(1);
    for (let i = 0; i < 10; i++) latest.set(buffer.fill(48 + i));
    await settle();
    expect(values(far.bytes)).toEqual(["0", "9"]);
    expect(latest.skipped).toBe(8);
  });

  it("at a reader that stopped one value is cut, one waits, and the newest of all is the next that it gets", async () => {
    const { stream, far } = await pair();
    far.reads = false;
    const latest = stream.latest();
    const value = (i: number) => `${i}`.padEnd(10 * KIB, ".");
    for (let i = 0; i < 1000; i++) {
      latest.set(value(i));
      await settle();
    }
    // The window, less the reply's few bytes, holds 25 whole values and a part of the next, which is on its way and comes whole.
    expect(far.length).toBeLessThanOrEqual(256 * KIB);
    expect(latest.skipped).toBe(1000 - 26 - 1);
    far.reads = true;
    far.read(far.length + 20);
    await until("the newest", () => far.length === 27 * (4 + 10 * KIB));
    expect(values(far.bytes).map(Number.parseFloat)).toEqual([...Array.from({ length: 26 }, (_, i) => i), 999]);
  });

  it("comes out at the other end value by value, however it was cut on the way", async () => {
    const { stream, far } = await pair();
    const { got, end } = collect(stream);
    const bytes = new Uint8Array([0, 0, 0, 1, 97, 0, 0, 0, 0, 0, 0, 0, 3, 98, 99, 100]);
    for (const byte of bytes) {
      far.send(new Uint8Array([byte]));
      await settle();
    }
    far.send(bytes).finish();
    expect([await end, got]).toEqual(["ok", ["a", "", "bcd", "a", "", "bcd"]]);
  });

  it.each([
    ["an end inside of a value", [0, 0, 0, 2, 97], "bad_request"],
    ["an end inside of a length", [0, 0], "bad_request"],
    ["a value that is too long", [0, 16, 0, 1], "limit"],
  ])("%s is an error", async (_, bytes, code) => {
    const { stream, far } = await pair();
    const { got, end } = collect(stream);
    far.send(new Uint8Array(bytes)).finish();
    expect([await end, got]).toEqual([code, []]);
  });

  it("what ended the stream is told by its end, and a set behind that harms nothing", async () => {
    const { stream, far } = await pair();
    const latest = stream.latest().set("a");
    far.reset(4001);
    await stream.closed.catch(() => {});
    latest.set("b");
    expect(await outcome(latest.end())).toBe("4001");
  });

  it("a writable that somebody else holds is said at once", async () => {
    const { stream } = await pair();
    stream.write("mine");
    expect(() => stream.latest().set("a")).toThrow(TypeError);
  });
});

describe("latest on a resumable stream", () => {
  holdClock();

  it("keeps only the newest while the connection is gone, and goes on with it", async () => {
    const { proxy, client, far } = await joined();
    const latest = client.latest();
    const { got, end } = collect(far);
    latest.set("before");
    await passes("the first", () => got.length === 1);
    proxy.isClosed = true;
    proxy.line("page").cut();
    for (let i = 0; i < 100; i++) {
      latest.set(`during ${i}`);
      await settle();
    }
    // The first lies ready to be sent, the newest behind it.
    expect(latest.skipped).toBe(98);
    proxy.isClosed = false;
    proxy.line("page").cut();
    await passes("the newest", () => got.at(-1) === "during 99");
    void latest.end();
    await passes(
      "the end",
      () => client.resumption?.acknowledged === got.reduce((sum, { length }) => sum + 4 + length, 0),
    );
    far.end();
    expect(await end).toBe("ok");
    expect(got).toEqual(["before", "during 0", "during 99"]);
  });
});
