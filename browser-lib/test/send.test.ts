import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { type Chunk, type Progress, type Sendable, StreamClient } from "../src/index.ts";
import { holdClock } from "./clock.ts";
import { collect, joined, pattern } from "./joined.ts";
import { dial, outcome, settle, until } from "./peer.ts";
import { passes } from "./splice.ts";

const KIB = 1024;
const BYTES = pattern(300_000);

/** The bytes in pieces of odd lengths. */
function* pieces(): Generator<Uint8Array<ArrayBuffer>> {
  for (let [at, length] = [0, 1]; at < BYTES.length; at += length, length = (length * 3) % 100_003)
    yield BYTES.subarray(at, at + length);
}

async function* later(): AsyncGenerator<Chunk> {
  for (const piece of pieces()) {
    await settle();
    yield piece;
  }
}

function send(data: Sendable, options: Parameters<ReturnType<typeof dial>["mdm"]["send"]>[2] = {}) {
  const { mdm, peer } = dial();
  const told: Progress[] = [];
  const stream = mdm.send(data, { name: "n" }, { path: "/in", onProgress: (one) => told.push(one), ...options });
  return { mdm, peer, stream, told };
}

const kinds: [name: string, data: () => Sendable, total: number | undefined][] = [
  ["a Blob", () => new Blob([BYTES]), BYTES.length],
  ["a File", () => new File([BYTES.subarray(0, 5), BYTES.subarray(5)], "a.bin"), BYTES.length],
  ["an ArrayBuffer", () => BYTES.slice().buffer, BYTES.length],
  ["a view", () => new DataView(BYTES.buffer, BYTES.byteOffset, BYTES.length), BYTES.length],
  ["a ReadableStream", () => new Blob([BYTES]).stream(), undefined],
  ["a pair that has one", () => ({ readable: new Blob([BYTES]).stream() }), undefined],
  ["an async iterable", later, undefined],
  ["an iterable", pieces, undefined],
  ["a Node stream", () => Readable.from(pieces()), undefined],
];

const WHAT = "what can be sent is text, bytes, a Blob, or a stream or an iterable of text and bytes";

describe("what can be sent", () => {
  it.each(kinds)("%s: its bytes, its meta, its progress, and the end", async (_, data, total) => {
    const { peer, stream, told } = send(data());
    const far = await peer.opened("/in");
    far.frame({ id: "unique" });
    expect(far.first).toMatchObject({ path: "/in", meta: { name: "n" } });
    expect(await stream.sent).toBe(BYTES.length);
    await until("the end", () => far.isFinished);
    expect(Buffer.compare(far.bytes, BYTES)).toBe(0);
    expect(told.at(-1)).toEqual({ sent: BYTES.length, total });
    const steps = told.map(({ sent }, i) => sent - (told[i - 1]?.sent ?? 0));
    expect(steps.every((step) => step > 0 && step <= 64 * KIB)).toBe(true);
    far.send("thanks").finish();
    expect(await new Response(stream.readable).text()).toBe("thanks");
    await stream.closed;
  });

  it("a text is sent as UTF-8, and nothing as nothing", async () => {
    for (const text of ["日本 and more", ""]) {
      const { peer, stream } = send(text);
      expect(await stream.sent).toBe(new TextEncoder().encode(text).length);
      await until("the end", () => peer.to("/in").isFinished);
      expect(peer.to("/in").text).toBe(text);
    }
  });

  it("a total that the caller knows is told", async () => {
    const { stream, told } = send(pieces(), { total: 7 });
    await stream.sent;
    expect(told.every(({ total }) => total === 7)).toBe(true);
  });

  it("what cannot be sent throws at once, and nothing is opened", async () => {
    const { mdm, peer } = dial();
    const locked = new ReadableStream();
    locked.getReader();
    for (const wrong of [7, null, undefined, {}] as unknown[])
      expect(() => mdm.send(wrong as Sendable)).toThrow(new TypeError(WHAT));
    expect(() => mdm.send(locked)).toThrow(TypeError);
    await settle();
    expect(peer.streams.map(({ first }) => first?.path)).toEqual(["/session"]);
  });
});

describe("its course", () => {
  it("a reader that stops stops the source, and progress tells no more than left", async () => {
    const { mdm, peer } = dial();
    let asked = 0;
    const told: number[] = [];
    const endless = async function* () {
      for (;;) {
        // The far side is to have its say: all else here happens in microtasks.
        await new Promise((resolve) => setImmediate(resolve));
        asked += 64 * KIB;
        yield BYTES.subarray(0, 64 * KIB);
      }
    };
    const stream = mdm.send(endless(), null, { onProgress: ({ sent }) => told.push(sent) });
    const far = await peer.opened("/");
    far.reads = false;
    await settle();
    await settle();
    const before = asked;
    await settle();
    expect(asked).toBe(before);
    // A window at the reader, two pieces in its WritableStream, one on the way there and one in hand.
    expect(asked).toBeLessThanOrEqual((256 + 4 * 64) * KIB);
    expect(told.at(-1)).toBeLessThanOrEqual(far.length + 4 * KIB);
    stream.destroy();
    expect(await outcome(stream.sent)).toBe("cancelled");
  });

  it("a signal resets the stream, stops the source and rejects `sent`", async () => {
    const abort = new AbortController();
    const source = new PassThrough();
    const { peer, stream } = send(source, { signal: abort.signal });
    source.write("some");
    const far = await peer.opened("/in");
    await until("some", () => far.text === "some");
    abort.abort();
    expect(await outcome(stream.sent)).toBe("cancelled");
    await until("the reset", () => far.resetCode === 15);
    expect(source.destroyed).toBe(true);
  });

  it("the other side's reset stops a source that gives nothing, and rejects with its code", async () => {
    let reason: unknown;
    const silent = new ReadableStream<Chunk>({
      cancel: (why) => {
        reason = why;
      },
    });
    const { peer, stream } = send(silent);
    (await peer.opened("/in")).reset(4001);
    expect(await outcome(stream.sent)).toBe("4001");
    expect(reason).toMatchObject({ code: "4001" });
  });

  it("a source that fails resets the stream, never finishes it, and rejects with its own error", async () => {
    const broken = new Error("disk");
    const { peer, stream } = send(
      (function* () {
        yield "some";
        throw broken;
      })(),
    );
    await expect(stream.sent).rejects.toBe(broken);
    await expect(stream.closed).rejects.toMatchObject({ code: "internal", cause: broken });
    const far = await peer.opened("/in");
    await until("the reset", () => far.resetCode === 17);
    expect(far.isFinished).toBe(false);
  });

  it("a piece that is none is the source's fault", async () => {
    const { stream } = send([1] as unknown as Sendable);
    await expect(stream.sent).rejects.toBeInstanceOf(TypeError);
  });

  it("what was written goes first, and behind a sending nothing is written", async () => {
    const { mdm, peer } = dial();
    const stream = mdm.createStream();
    stream.write("head ");
    const sent = stream.send("body");
    expect(() => stream.write("late")).toThrow("write after end");
    expect(() => stream.send("late")).toThrow("write after end");
    const finishes: string[] = [];
    stream.on("finish", () => finishes.push("finish"));
    stream.end();
    expect(await sent).toBe(4);
    await until("the end", () => peer.to("/").isFinished);
    expect([peer.to("/").text, finishes]).toEqual(["head body", ["finish"]]);
  });
});

describe("between pages", () => {
  holdClock();

  it("a client sends to a name, the server sends back on the same stream", async () => {
    const { page, served, far, client } = await joined();
    client.end();
    far.end();
    const stream = StreamClient(page).send("NAME", new Blob([BYTES]), { what: "file" });
    const back = collect(stream);
    await passes("the stream", () => served.length === 2);
    const [, taken] = served;
    if (!taken) throw new Error("no stream");
    expect(taken.meta).toEqual({ what: "file" });
    void taken.send(taken);
    await passes("the echo", () => back.end === "ok");
    expect(await stream.sent).toBe(BYTES.length);
    expect(Buffer.compare(back.bytes(), BYTES)).toBe(0);
  });
});
