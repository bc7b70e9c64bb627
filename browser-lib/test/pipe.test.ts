import { PassThrough, Readable, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { outcome, settle, until } from "./peer.ts";
import { pair } from "./told.ts";

describe("pipe", () => {
  it("into itself is an echo", async () => {
    const { stream, far } = await pair();
    expect(stream.pipe(stream)).toBe(stream);
    far.send("echo").finish();
    await until("the echo", () => far.text === "echo" && far.isFinished);
    expect(await outcome(stream.closed)).toBe("ok");
  });

  it("into a WritableStream waits for it and closes it", async () => {
    const { stream, far } = await pair();
    const chunks: number[] = [];
    let isClosed = false;
    stream.pipe(
      new WritableStream<Uint8Array>({
        write: async (chunk) => {
          await settle();
          chunks.push(chunk.length);
        },
        close: () => {
          isClosed = true;
        },
      }),
    );
    far.send(new Uint8Array(300_000)).finish();
    await until("the end", () => isClosed);
    expect(chunks.reduce((sum, length) => sum + length, 0)).toBe(300_000);
  });

  it("into a Node stream, and data listeners see the same bytes", async () => {
    const { stream, far } = await pair("utf8");
    const to = new PassThrough();
    let seen = "";
    stream.on("data", (text) => {
      seen += text;
    });
    stream.pipe(to);
    far.send("both").finish();
    let piped = "";
    for await (const chunk of to) piped += chunk;
    expect([seen, piped]).toEqual(["both", "both"]);
  });

  it("with end: false the destination stays open at the end, and may be written on", async () => {
    const [one, two] = [await pair(), await pair()];
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    one.stream.pipe(two.stream, { end: false });
    two.stream.pipe(writable, { end: false });
    const seen: string[] = [];
    void (async () => {
      for await (const chunk of readable) seen.push(new TextDecoder().decode(chunk));
    })();
    one.far.send("one ").finish();
    two.far.send("back").finish();
    await until("both ends", () => one.events.includes("end") && two.events.includes("end"));
    two.stream.end("two");
    await until("the end", () => two.far.isFinished);
    expect(two.far.text).toBe("one two");
    await writable.getWriter().close();
    await until("the text", () => seen.join("") === "back");
  });

  it("unpipe lets go of one or of all, pauses when nobody is left, and loses nothing", async () => {
    const { stream, far } = await pair();
    const [one, two] = [new PassThrough(), new PassThrough()];
    stream.pipe(one);
    stream.pipe(two);
    far.send("a");
    await settle();
    stream.unpipe(one);
    far.send("b");
    await settle();
    expect(stream.isPaused()).toBe(false);
    stream.unpipe();
    expect(stream.isPaused()).toBe(true);
    far.send("c").finish();
    await settle();
    expect([String(one.read()), String(two.read())]).toEqual(["a", "ab"]);
    let rest = "";
    for await (const chunk of stream.pipe(new PassThrough())) rest += chunk;
    expect([rest, one.writableEnded, two.writableEnded]).toEqual(["c", false, false]);
  });

  it("unpipe gives a WritableStream back", async () => {
    const { stream } = await pair();
    const to = new WritableStream();
    stream.pipe(to);
    stream.unpipe(to);
    expect(to.locked).toBe(false);
  });

  it("from a Node stream: at our speed, and to the end", async () => {
    const { stream, far } = await pair();
    far.reads = false;
    const from = Readable.from(
      (function* () {
        for (let i = 0; i < 40; i++) yield Buffer.alloc(32 * 1024, i);
      })(),
      { objectMode: false },
    );
    from.pipe(stream as unknown as Writable);
    await settle();
    expect([from.isPaused(), stream.writableNeedDrain]).toEqual([true, true]);
    far.reads = true;
    far.read(far.length + 20);
    await until("the end", () => far.isFinished);
    expect(far.length).toBe(40 * 32 * 1024);
    expect(far.bytes.every((byte, at) => byte === Math.floor(at / 32768))).toBe(true);
  });

  it("a Node stream that is piped into one that fails stops", async () => {
    const { stream, far, events } = await pair();
    const from = new PassThrough();
    from.pipe(stream as unknown as Writable);
    far.reset(4001);
    await until("close", () => events.includes("close"));
    from.write("late");
    await settle();
    expect([events, far.text, from.isPaused()]).toEqual([["error 4001", "close"], "", true]);
  });

  it("a failure destroys the destination: never a clean end", async () => {
    const { stream, far } = await pair();
    const to = new PassThrough();
    // An error that nobody listens for would end the process.
    stream.pipe(to);
    far.send("x");
    await settle();
    far.reset(4001);
    await until("its end", () => to.destroyed);
    expect(to.writableEnded).toBe(false);
  });

  it("a destination that closes stops the reading", async () => {
    const { stream, far, events } = await pair();
    const to = new Writable({ write: (_chunk, _encoding, done) => done() });
    stream.pipe(to);
    await settle();
    to.destroy();
    await settle();
    expect(events).toEqual([]);
    stream.end();
    await until("the reset", () => far.resetCode === 15);
    expect(events).not.toContain("end");
  });

  it("a WritableStream that fails stops the reading, and one whose stream fails is aborted with the error", async () => {
    const { stream, far, events } = await pair();
    stream.pipe(new WritableStream({ write: () => Promise.reject(new Error("disk full")) }));
    far.send("a");
    await settle();
    stream.end();
    await until("the reset", () => far.resetCode === 15);
    expect(events).not.toContain("end");

    const other = await pair();
    const reasons: unknown[] = [];
    other.stream.pipe(new WritableStream({ abort: (reason) => void reasons.push(reason) }));
    other.far.reset(4001);
    await until("the abort", () => reasons.length === 1);
    expect(reasons).toEqual([expect.objectContaining({ code: "4001" })]);
    const late = other.stream.pipe(new PassThrough());
    expect(late.destroyed).toBe(true);
  });

  it("into streams that block ends with them, alone, to itself and in a ring", async () => {
    const echo = await pair();
    echo.far.reads = false;
    echo.stream.pipe(echo.stream);
    echo.far.send(new Uint8Array(1024 * 1024));
    await settle();
    echo.far.reset(4001);
    await until("close", () => echo.events.includes("close"));
    expect(echo.events.slice(-2)).toEqual(["error 4001", "close"]);

    const [one, two] = [await pair(), await pair()];
    two.far.reads = false;
    one.stream.pipe(two.stream).pipe(one.stream);
    one.far.send(new Uint8Array(1024 * 1024));
    await settle();
    two.far.reset(4001);
    await until("both closed", () => [one, two].every(({ events }) => events.includes("close")));
    expect(one.far.resetCode).toBe(4001);
  });

  it.each([
    ["write", ["error internal"]],
    ["end", ["end", "error internal"]],
  ] as const)("a destination whose %s throws is let go, and the error told", async (method, expected) => {
    const { stream, far, events } = await pair();
    const fails = () => {
      throw new Error("cannot");
    };
    stream.pipe({ write: () => true, end: () => {}, once: () => {}, [method]: fails });
    far.send("a").finish();
    await settle();
    expect(events.sort()).toEqual(expected);
    stream.end();
    await until("close", () => events.includes("close"));
    expect(await outcome(stream.closed)).toBe("ok");
  });
});
