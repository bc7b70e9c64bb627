import { describe, expect, it } from "vitest";
import { MuxDemux, type Stream } from "../src/index.ts";
import { incoming, muxes, pair, textOf } from "./pair.ts";
import { outcome, settle, until } from "./peer.ts";

/** A stream between the two ends, at both of them. */
async function ends() {
  const lines = pair();
  const [near, far] = muxes({}, lines);
  const streams = incoming(far);
  const stream = near.createStream("x");
  await stream.opened;
  const [there] = streams as [Stream];
  return { near, far, lines, stream, there };
}

describe("close", () => {
  it("waits for the streams, takes no new ones of either end, and ends the pair cleanly", async () => {
    const { near, far, stream, there } = await ends();
    let isClosed = false;
    const closing = near.close().then(() => {
      isClosed = true;
    });
    stream.write("last ");
    there.write("answer");
    await settle();
    expect(isClosed).toBe(false);
    expect(await outcome(near.createStream().opened)).toBe("gone");
    expect(await outcome(far.createStream().opened)).toBe("gone");
    stream.end("words");
    there.end();
    expect(await textOf(there)).toBe("last words");
    expect(await textOf(stream)).toBe("answer");
    await Promise.all([closing, far.closed, stream.closed, there.closed]);
    expect(await outcome(far.createStream().opened)).toBe("gone");
  });

  it("without streams it closes at once, at both ends, also when both close or one closes twice", async () => {
    const [near, far] = muxes();
    const seen: string[] = [];
    for (const mux of [near, far]) mux.on("close", () => seen.push("close")).on("error", ({ code }) => seen.push(code));
    await Promise.all([near.close(), far.close(), near.close()]);
    expect(seen).toEqual(["close", "close"]);
  });

  it("what was written before still arrives, and what waits for its reader too", async () => {
    const [near, far] = muxes();
    const streams = incoming(far);
    near.createWriteStream().end("x".repeat(100_000));
    await near.close();
    await far.closed;
    expect((await textOf(streams[0] as Stream)).length).toBe(100_000);
  });

  it("now: does not wait, and streams end lost at both ends", async () => {
    const { near, far, stream, there } = await ends();
    stream.write("this leaves");
    await near.close({ now: true });
    await far.closed;
    expect(await outcome(stream.closed)).toBe("lost");
    expect(await outcome(there.closed)).toBe("lost");
    const { value } = await there.readable.getReader().read();
    expect(new TextDecoder().decode(value)).toBe("this leaves");
  });

  it("an error that is told meanwhile still arrives with its message", async () => {
    const { near, far, stream, there } = await ends();
    const closing = near.close();
    stream.error("too late", 300);
    await expect(there.closed).rejects.toMatchObject({ code: "300", detail: "too late" });
    await Promise.all([closing, far.closed]);
  });

  it("behind a stream that was reset it closes as well", async () => {
    const { near, far, stream } = await ends();
    const closing = far.close();
    stream.reset();
    await Promise.all([closing, near.closed]);
  });
});

describe("an end of the pair", () => {
  it("abort: both ends know at once, and why", async () => {
    const { near, far, stream, there } = await ends();
    const errors: string[] = [];
    far.on("error", ({ message }) => errors.push(message));
    near.abort(4001);
    expect(await outcome(near.closed)).toBe("4001");
    expect(await outcome(far.closed)).toBe("lost");
    expect(errors).toEqual(["lost: what carries the mux failed: 4001"]);
    for (const end of [stream, there]) expect(await outcome(end.closed)).toBe("lost");
    expect(await outcome(far.createStream().opened)).toBe("lost");
  });

  it("a pair that breaks is lost, whichever half does", async () => {
    let fail = (_: unknown): void => {};
    const silent = new ReadableStream<Uint8Array>();
    const broken = new WritableStream<Uint8Array>({
      start: (controller) => {
        fail = (error) => controller.error(error);
      },
    });
    const mux = MuxDemux({ readable: silent, writable: broken }, { role: "client" });
    fail(new Error("no carrier"));
    await expect(mux.closed).rejects.toMatchObject({ code: "lost", detail: "what carries the mux failed: no carrier" });
  });

  it("a far end that finishes without a word loses the streams, and the mux is over", async () => {
    let finish = (): void => {};
    const readable = new ReadableStream<Uint8Array>({
      start: (controller) => {
        finish = () => controller.close();
      },
    });
    let isFinished = false;
    const writable = new WritableStream<Uint8Array>({
      close: () => {
        isFinished = true;
      },
    });
    const mux = MuxDemux({ readable, writable }, { role: "server" });
    const stream = mux.createStream();
    finish();
    await mux.closed;
    expect(await outcome(stream.closed)).toBe("lost");
    await until("our finish", () => isFinished);
  });
});

describe("a mux over a mux", () => {
  it("needs no role, and its streams know theirs", async () => {
    const { stream, there } = await ends();
    const [near, far] = [MuxDemux(stream), new MuxDemux(there)];
    expect([near.role, far.role]).toEqual(["client", "server"]);
    far.on("stream", (inner) => inner.pipe(inner));
    const inner = near.createStream("inner");
    inner.end("round trip");
    expect(await textOf(inner)).toBe("round trip");
    await near.close();
    // What carried it finished with it.
    await Promise.all([stream.closed, there.closed]);
  });

  it("abort resets the stream that carries it, with the code", async () => {
    const { stream, there } = await ends();
    const [near, far] = [MuxDemux(stream), MuxDemux(there)];
    near.abort(300);
    expect(await outcome(far.closed)).toBe("lost");
    expect(await outcome(stream.closed)).toBe("300");
    expect(await outcome(there.closed)).toBe("300");
  });
});
