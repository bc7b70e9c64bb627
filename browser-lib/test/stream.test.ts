import { describe, expect, it } from "vitest";
import { type Stream, StreamError } from "../src/index.ts";
import { dial, type FarStream, outcome, pair, settle, until } from "./peer.ts";

const KIB = 1024;
const WINDOW = 256 * KIB;

async function text(stream: Stream): Promise<string> {
  let all = "";
  for await (const chunk of stream) all += new TextDecoder().decode(chunk);
  return all;
}

describe("opening", () => {
  it("may write before it is accepted, and before the connection is up", async () => {
    const { mdm, peer, socket } = dial({ hold: true });
    const stream = mdm.createStream({ file: "a" }, { path: "/x" });
    stream.write("early");
    await settle();
    expect(peer.messages).toHaveLength(0);
    socket.onopen?.({});
    const far = await peer.opened("/x");
    await until("the early bytes", () => far.text === "early");
    expect(far.first).toEqual({ path: "/x", meta: { file: "a" } });
    expect(peer.streams[0]?.first).toMatchObject({ path: "/session" });
  });

  it("says nothing of a meta that was not given", async () => {
    const { far } = await pair();
    expect(far.first).toEqual({ path: "/x" });
  });

  it("has its id when it was accepted", async () => {
    const { stream } = await pair();
    expect(stream.id).toBe("unique");
  });

  it("fails everything with the code of a refusal, and answers it with a reset", async () => {
    const { mdm, peer } = dial();
    const stream = mdm.createStream(undefined, { path: "/x" });
    const far = await peer.opened("/x");
    const write = stream.writable.getWriter();
    const pending = outcome(write.write(new Uint8Array(WINDOW * 2)));
    far.frame({ error: { code: "busy", message: "try later" } }).finish();
    await expect(stream.opened).rejects.toThrow(new StreamError("busy", "try later"));
    expect(await outcome(stream.closed)).toBe("busy");
    expect(await outcome(text(stream))).toBe("busy");
    expect(await pending).toBe("busy");
    await until("the answer", () => far.resetCode === 15);
  });

  it("gives an application's refusal as its number", async () => {
    const { mdm, peer } = dial();
    const stream = mdm.createStream();
    (await peer.opened("/")).frame({ error: { code: 4001 } });
    await expect(stream.opened).rejects.toMatchObject({ code: "4001", number: 4001 });
  });

  it.each([
    ["a finish without a reply", (far: FarStream) => void far.finish()],
    ["a reply that is not JSON", (far: FarStream) => void far.send("\0\x02no")],
    ["a reply that is too long", (far: FarStream) => void far.send(new Uint8Array([0xff, 0xff]))],
    ["a reply with an error that is none", (far: FarStream) => void far.frame({ error: null })],
  ])("is internal after %s", async (_, spoil) => {
    const { mdm, peer } = dial();
    const stream = mdm.createStream();
    spoil(await peer.opened("/"));
    expect(await outcome(stream.opened)).toBe("internal");
  });

  it("takes the code of a reset before the reply", async () => {
    const { mdm, peer } = dial();
    const stream = mdm.createStream();
    (await peer.opened("/")).reset(9);
    expect(await outcome(stream.opened)).toBe("busy");
  });

  it("throws for a meta that does not fit, before anything is sent", async () => {
    const { mdm, peer } = dial();
    expect(() => mdm.createStream("x".repeat(9000))).toThrow("bad_request");
    await settle();
    expect(peer.streams.map(({ first }) => first?.path)).toEqual(["/session"]);
  });
});

describe("ending", () => {
  it("is clean when both finished, and a reply survives the requester's half-close", async () => {
    const { stream, far } = await pair();
    stream.end("question");
    await until("the question", () => far.text === "question" && far.isFinished);
    far.send("answer").finish();
    expect(await text(stream)).toBe("answer");
    expect(await outcome(stream.closed)).toBe("ok");
    await until("the end", () => far.isOver);
  });

  it("threat_12_a_reset_or_a_loss_is_no_clean_end_and_what_came_before_is_read_first", async () => {
    for (const [end, code] of [
      [(far: FarStream) => far.reset(4001), "4001"],
      [(_: FarStream, peer: { cut(): void }) => peer.cut(), "lost"],
    ] as const) {
      const { stream, far, peer } = await pair();
      far.send("before");
      await settle();
      end(far, peer);
      expect(await outcome(stream.closed)).toBe(code);
      const reader = stream.readable.getReader();
      expect(new TextDecoder().decode((await reader.read()).value)).toBe("before");
      expect(await outcome(reader.read())).toBe(code);
      expect(await outcome(stream.writable.getWriter().write("x"))).toBe(code);
    }
  });

  it.each([
    [0, "cancelled"],
    [9, "busy"],
    [19, "internal"],
    [255, "internal"],
    [256, "256"],
    [0xffff_ffff, "4294967295"],
  ])("a reset with %i is %s", async (number, code) => {
    const { stream, far } = await pair();
    far.reset(number);
    expect(await outcome(stream.closed)).toBe(code);
  });

  it("reads to a finish that came before the loss", async () => {
    const { stream, far, peer } = await pair();
    far.send("all of it").finish();
    await settle();
    peer.cut();
    expect(await text(stream)).toBe("all of it");
    expect(await outcome(stream.closed)).toBe("lost");
  });

  it("resets with an application's code, or as cancelled", async () => {
    const { stream, far } = await pair();
    stream.reset(4001);
    expect(await outcome(stream.closed)).toBe("4001");
    await until("the reset", () => far.resetCode === 4001);
    const other = await pair();
    other.stream.reset();
    await until("the reset", () => other.far.resetCode === 15);
    expect(() => other.stream.reset(255)).toThrow(RangeError);
  });

  it("abort() of the writable resets both directions, with a write that waits for credit", async () => {
    const { stream, far } = await pair();
    far.reads = false;
    const writer = stream.writable.getWriter();
    const stuck = outcome(writer.write(new Uint8Array(2 * WINDOW)));
    await until("the window is used up", () => far.length > WINDOW / 2);
    await writer.abort();
    expect(await stuck).not.toBe("ok");
    expect(await outcome(stream.closed)).toBe("cancelled");
    await until("the reset", () => far.resetCode === 15);
  });

  it("cancel() of the readable keeps writing, and resets once the writable has ended", async () => {
    const { stream, far } = await pair();
    await stream.readable.cancel();
    far.send(new Uint8Array(WINDOW));
    stream.end("still here");
    await until("what was written", () => far.text === "still here" && far.resetCode === 15);
    expect(far.isFinished).toBe(true);
    expect(far.isOver).toBe(true);
    expect(await outcome(stream.closed)).toBe("cancelled");
  });

  it("is clean if both finished after all, whoever stopped reading", async () => {
    const { stream, far } = await pair();
    await stream.readable.cancel();
    far.finish();
    await settle();
    stream.end();
    expect(await outcome(stream.closed)).toBe("ok");
    expect([far.isFinished, far.resetCode]).toEqual([true, undefined]);

    const late = await pair();
    await late.stream.readable.cancel();
    late.far.reads = false;
    late.stream.end(new Uint8Array(2 * WINDOW));
    await settle();
    // The finish is behind what waits for credit, and the reset behind that.
    late.far.finish();
    await settle();
    late.far.read(late.far.length + 20);
    expect(await outcome(late.stream.closed)).toBe("ok");
    expect([late.far.isFinished, late.far.resetCode]).toEqual([true, undefined]);
  });

  it("an AbortSignal resets it, before it is opened and after", async () => {
    const abort = new AbortController();
    const { stream, far } = await pair({ signal: abort.signal });
    abort.abort();
    expect(await outcome(stream.closed)).toBe("cancelled");
    await until("the reset", () => far.resetCode === 15);
    const { mdm } = dial();
    const never = mdm.createStream(undefined, { signal: AbortSignal.abort() });
    expect(await outcome(never.opened)).toBe("cancelled");
    expect(mdm.stats().streams).toBe(1);
  });

  it("refuses what is neither text nor bytes and resets", async () => {
    const { stream } = await pair();
    const chunk = { no: "bytes" } as unknown as string;
    await expect(stream.writable.getWriter().write(chunk)).rejects.toThrow(TypeError);
    expect(await outcome(stream.closed)).toBe("bad_request");
  });
});

describe("backpressure", () => {
  it("threat_06_a_reader_that_stops_stops_its_writer_within_the_window", async () => {
    const { peer, stream, far } = await pair();
    const waiting = () => peer.core.queuedOn(far.id);
    far.send(new Uint8Array(64 * KIB));
    await settle();
    far.send(new Uint8Array(4 * WINDOW));
    await settle();
    // Nobody has asked for a byte: the first window is used up, the reply in it, and nothing comes back.
    const stopped = waiting();
    expect(stopped).toBeGreaterThanOrEqual(3 * WINDOW + 64 * KIB);
    const reader = stream.readable.getReader();
    await settle();
    expect(waiting()).toBe(stopped);
    let read = (await reader.read()).value?.length ?? 0;
    expect(read).toBe(64 * KIB);
    await settle();
    expect(waiting()).toBe(stopped);
    while (read < 4 * WINDOW + 64 * KIB) read += (await reader.read()).value?.length ?? 0;
    expect(read).toBe(4 * WINDOW + 64 * KIB);
  });

  it("a writer waits for the far reader's credit", async () => {
    const { stream, far } = await pair();
    far.reads = false;
    const writer = stream.writable.getWriter();
    let written = 0;
    const loop = (async () => {
      for (let i = 0; i < 64; i++) {
        await writer.write(new Uint8Array(16 * KIB));
        written += 16 * KIB;
      }
    })();
    await settle();
    expect(written).toBeLessThanOrEqual(WINDOW);
    expect(writer.desiredSize).toBeGreaterThan(0);
    far.reads = true;
    far.read(far.length);
    await loop;
    await until("all of it", () => far.length === 64 * 16 * KIB);
  });

  it("small writes wait only when many are queued, and may be changed after them", async () => {
    const { stream, far } = await pair();
    const writer = stream.writable.getWriter();
    const chunk = new Uint8Array([1]);
    for (let i = 0; i < 3; i++) {
      chunk[0] = i;
      await writer.write(chunk);
    }
    chunk[0] = 9;
    await until("three bytes", () => far.length === 3);
    expect([...far.bytes]).toEqual([0, 1, 2]);
    far.reads = false;
    let written = 0;
    const writing = (async () => {
      for (; written < 400; written++) await writer.write(new Uint8Array(KIB));
    })();
    await settle();
    // A window less the open and what came before, and 64 KiB behind it.
    expect(written).toBeGreaterThan(256);
    expect(written).toBeLessThanOrEqual(256 + 64);
    far.reads = true;
    far.read(far.length);
    await writing;
    await until("all of it", () => far.length === 3 + 400 * KIB);
  });

  it("pipes through and back", async () => {
    const { stream, far } = await pair();
    const done = stream.readable.pipeTo(stream.writable);
    far.send("echo").finish();
    await done;
    await until("the echo", () => far.text === "echo" && far.isFinished);
    expect(await outcome(stream.closed)).toBe("ok");
  });

  it("leaving the loop early cancels reading", async () => {
    const { stream, far } = await pair();
    far.send("a");
    for await (const _ of stream) break;
    stream.end();
    await until("the reset", () => far.resetCode === 15);
  });
});
