import { describe, expect, it } from "vitest";
import { Channel } from "../src/channel/index.ts";
import { StreamError } from "../src/index.ts";
import { heard, ID, published, tells } from "./channel-peer.ts";
import { dial, outcome, settle, until } from "./peer.ts";

const KIB = 1024;
const ID_BYTES = Uint8Array.from(Buffer.from(ID.replaceAll("-", ""), "hex"));

describe("a publication", () => {
  it("says what it is with its open, and hears what holds", async () => {
    const { mdm, peer } = dial();
    const options = { meta: { name: "é" }, policy: "drop", waitFor: 8, replay: 1024, publishers: "many" } as const;
    const publication = Channel(mdm).publish("a b", options);
    const far = await peer.opened("/channel/publish/a%20b");
    expect(far.first).toEqual({
      path: "/channel/publish/a%20b",
      meta: { name: "é" },
      channel: { policy: "drop", wait_for: 8, replay: 1024, publishers: "many" },
    });
    far.frame({ id: ID, channel: { policy: "wait", message_bytes_max: 5 } });
    await publication.opened;
    expect([publication.policy, publication.messageBytesMax]).toEqual(["wait", 5]);
  });

  it("refuses what is no name and no option before anything is opened", () => {
    const channel = Channel(dial().mdm);
    expect(() => channel.publish("")).toThrow("a name has");
    expect(() => channel.publish("x", { waitFor: 1.5 })).toThrow("waitFor is");
    expect(() => channel.publish("x", { replay: -1 })).toThrow("replay is");
  });

  it("sends each thing as one message, in the order of the calls, whatever it is", async () => {
    const { publication, far } = await published();
    async function* pieces() {
      yield "pie";
      await settle();
      yield new TextEncoder().encode("ces");
    }
    const sent = await Promise.all([
      publication.send(pieces()),
      publication.send("text"),
      publication.send(""),
      publication.send(new Blob(["a ", "blob"])),
      publication.send(new Blob(["streamed"]).stream()),
      publication.send([]),
      publication.send(new Uint8Array([104, 105]).buffer),
    ]);
    expect(sent).toEqual([6, 4, 0, 6, 8, 0, 2]);
    expect(heard(far)).toEqual(["pieces", "text", "", "a blob", "streamed", "", "hi"]);
    expect(publication.progress.sent).toBe(26);
  });

  it("cuts what is long into parts of 64 KiB, and tells of each", async () => {
    const { publication, far } = await published();
    const progress: number[] = [];
    const data = "x".repeat(150 * KIB);
    await publication.send(data, { onProgress: ({ sent, total }) => progress.push(sent, total ?? -1) });
    expect(heard(far)).toEqual([data]);
    const total = 150 * KIB;
    expect(progress).toEqual([64 * KIB, total, 128 * KIB, total, total, total]);
  });

  it("sends what comes piece by piece while it is still coming", async () => {
    const { publication, far } = await published();
    const source = new TransformStream<string, string>();
    const writer = source.writable.getWriter();
    const sent = publication.send(source.readable);
    await writer.write("first");
    await until("the first", () => far.length > 0);
    expect(heard(far)).toEqual([{ begun: "first" }]);
    await writer.close();
    expect(await sent).toBe(5);
    expect(heard(far)).toEqual(["first"]);
  });

  it("waits for credit: no more leaves than the window, and `send` with it", async () => {
    const { publication, far } = await published();
    far.reads = false;
    let done = 0;
    const run = async () => {
      for (let i = 0; i < 64; i++) {
        await publication.send(new Uint8Array(64 * KIB));
        done++;
      }
    };
    const all = run();
    await settle();
    // The fourth's heads are all that is beyond the window, and were copied.
    expect(done).toBe(4);
    expect(far.length).toBeLessThanOrEqual(256 * KIB);
    far.reads = true;
    far.read(far.length);
    await all;
    expect(heard(far).length).toBe(64);
  });

  it("takes messages by `writable`, and ends with it", async () => {
    const { publication, far } = await published();
    const writer = publication.writable.getWriter();
    await writer.write("one");
    await writer.write(new Blob(["two"]));
    const closed = writer.close();
    await until("the end", () => far.isFinished);
    expect(heard(far)).toEqual(["one", "two", { code: 0, text: "" }]);
    far.send(tells.end(0)).finish();
    await closed;
  });

  it("gives up by aborting `writable`, with a code that was meant for it", async () => {
    const { publication, far } = await published();
    const aborted = publication.writable.abort(new StreamError(4001));
    await until("the reset", () => far.resetCode !== undefined);
    expect([far.resetCode, await outcome(aborted), await outcome(publication.closed)]).toEqual([4001, "ok", "4001"]);
  });
});

describe("news of readers", () => {
  it("is told as it comes, also byte by byte", async () => {
    const { publication, far } = await published();
    const told: unknown[] = [];
    publication.on("readers", (count) => told.push(count));
    publication.on("came", (reader) => told.push(reader));
    publication.on("left", ({ number, taken, error }) => told.push([number, taken, error?.code]));
    publication.on("lagging", ({ id }) => told.push(id));
    publication.on("progress", (progress) => told.push(progress));
    const news = [tells.came(0, ID_BYTES), tells.readers(1), tells.progress(1 << 20, 2 ** 33), tells.left(0, 18, 77)];
    for (const byte of Buffer.concat([...news, tells.left(5, 0, 0), tells.readers(0)])) far.send(Uint8Array.of(byte));
    await until("all", () => told.length === 7);
    expect(told).toEqual([
      { id: ID, number: 0 },
      1,
      { sent: 0, slowest: 1 << 20, delivered: 2 ** 33 },
      [0, 77, "lagging"],
      ID,
      [5, 0, undefined],
      0,
    ]);
    expect([publication.readers, publication.progress.delivered]).toEqual([0, 2 ** 33]);
  });

  it("that is none ends the publication", async () => {
    const { publication, far } = await published();
    far.send(Uint8Array.of(9));
    expect(await outcome(publication.closed)).toBe("bad_request");
    await until("the reset", () => far.resetCode !== undefined);
  });
});

describe("one message fails and the publication goes on", () => {
  it("where its source does: `send` rejects with that, readers see it cut", async () => {
    const { publication, far } = await published();
    async function* breaks() {
      yield "half";
      throw new Error("the disk");
    }
    await expect(publication.send(breaks())).rejects.toThrow("the disk");
    await publication.send("next");
    expect(heard(far)).toEqual([null, "next"]);
  });

  it("where it is taken back in the middle, at its beginning, and before its turn", async () => {
    const { publication, far } = await published();
    const cancel = new AbortController();
    const { signal } = cancel;
    let cancelled: unknown;
    const source = new ReadableStream<string>({
      start: (controller) => controller.enqueue("half"),
      cancel: (reason) => {
        cancelled = reason;
      },
    });
    const first = outcome(publication.send(source, { signal }));
    const second = outcome(publication.send("never", { signal }));
    const third = publication.send("next");
    await until("the beginning", () => far.length > 0);
    cancel.abort();
    expect([await first, await second, await third]).toEqual(["cancelled", "cancelled", 4]);
    expect(cancelled).toMatchObject({ code: "cancelled" });
    expect(await outcome(publication.send("never", { signal }))).toBe("cancelled");
    expect(heard(far)).toEqual([null, "next"]);
  });

  it("where nobody gives credit and the signal aborts", async () => {
    const { publication, far } = await published();
    far.reads = false;
    const cancel = new AbortController();
    const sent = outcome(publication.send(new Uint8Array(1024 * KIB), { signal: cancel.signal }));
    await settle();
    cancel.abort();
    expect(await sent).toBe("cancelled");
    far.reads = true;
    far.read(far.length);
    await publication.send("next");
    await until("both", () => heard(far).length === 2);
    expect(heard(far)).toEqual([null, "next"]);
  });

  it("and not any more where all of it was handed on", async () => {
    const { publication, far } = await published();
    far.reads = false;
    const cancel = new AbortController();
    // More than there is credit for, and no more than waits for it.
    const data = "x".repeat(384 * KIB);
    const sent = outcome(publication.send(data, { signal: cancel.signal }));
    await settle();
    expect(far.length).toBeLessThan(data.length);
    cancel.abort();
    far.reads = true;
    far.read(far.length);
    expect(await sent).toBe("ok");
    await publication.send("next");
    await until("both", () => heard(far).length === 2);
    expect(heard(far)).toEqual([data, "next"]);
  });

  it("where it is too large, known from the start or not: `limit`", async () => {
    const { publication, far } = await published({}, 10);
    await publication.send("0123456789");
    expect(await outcome(publication.send("0123456789a"))).toBe("limit");
    expect(await outcome(publication.send(["01234", "56789a"]))).toBe("limit");
    expect(heard(far)).toEqual(["0123456789", null]);
    expect(() => publication.send(7 as never)).toThrow(TypeError);
  });
});

describe("the end of a publication", () => {
  it("comes behind what was sent, and when all have taken that", async () => {
    const { publication, far } = await published();
    void publication.send("last");
    const ended = publication.end("done ✓");
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    await until("the finish", () => far.isFinished);
    expect(heard(far)).toEqual(["last", { code: 0, text: "done ✓" }]);
    expect(isOver).toBe(false);
    far.send(tells.end(0)).finish();
    await ended;
    expect(() => publication.send("late")).toThrow("send after end");
    await publication.end();
  });

  it("with an error takes its message along and does not wait for sources; `closed` rejects with it", async () => {
    const { publication, far } = await published();
    const never = outcome(publication.send(new ReadableStream<string>({ start: (c) => c.enqueue("half") })));
    await until("the beginning", () => far.length > 0);
    publication.error("the sender pressed Cancel");
    expect(await never).toBe("cancelled");
    await until("the finish", () => far.isFinished);
    expect(heard(far)).toEqual([{ code: 15, text: "the sender pressed Cancel" }, { begun: "half" }]);
    far.send(tells.end(0)).finish();
    await expect(publication.closed).rejects.toThrow("cancelled: the sender pressed Cancel");
  });

  it("by `reset` or the signal is at once", async () => {
    const { publication, far } = await published();
    const waits = outcome(publication.send(new ReadableStream<string>()));
    publication.reset(4001);
    await until("the reset", () => far.resetCode !== undefined);
    expect([far.resetCode, await waits, await outcome(publication.closed)]).toEqual([4001, "4001", "4001"]);
    const cancel = new AbortController();
    const other = await published({ signal: cancel.signal });
    cancel.abort();
    expect(await outcome(other.publication.closed)).toBe("cancelled");
  });

  it.each([
    ["our connection breaks", "lost"],
    ["the proxy ends it without a word", "lost"],
    ["the proxy says that it is over", "gone"],
    ["the proxy resets it", "limit"],
  ])("by itself fails whatever is being sent: %s", async (how, code) => {
    const { publication, far, peer } = await published();
    const told: string[] = [];
    publication.on("error", (error) => told.push(error.code)).on("close", () => told.push("close"));
    const sends = [publication.send(new ReadableStream<string>()), publication.send("behind it")].map(outcome);
    await settle();
    if (how.startsWith("our")) peer.cut();
    else if (how.endsWith("word")) far.finish();
    else if (how.endsWith("over")) far.send(tells.end(12, "the operator")).finish();
    else far.reset(8);
    expect(await Promise.all(sends)).toEqual([code, code]);
    expect(await outcome(publication.closed)).toBe(code);
    expect(told).toEqual([code, "close"]);
  });

  it("is a refusal where the name is taken", async () => {
    const { mdm, peer } = dial();
    const publication = Channel(mdm).publish("NAME");
    const sent = outcome(publication.send("x"));
    (await peer.opened("/channel/publish/NAME")).frame({ error: { code: "name_taken" } });
    expect(await outcome(publication.opened)).toBe("name_taken");
    expect([await sent, await outcome(publication.closed)]).toEqual(["name_taken", "name_taken"]);
  });
});
