import { describe, expect, it } from "vitest";
import { dial, outcome, settle, until } from "./peer.ts";
import { type Pair, pair } from "./told.ts";

describe("reading", () => {
  it("data, then end; close after both finished", async () => {
    const { stream, far, events } = await pair();
    const data: unknown[] = [];
    stream.on("data", (chunk) => data.push(chunk));
    far.send("hello").finish();
    await until("the end", () => events.includes("end"));
    expect(data).toEqual([new TextEncoder().encode("hello")]);
    expect(events).toEqual(["end"]);
    stream.end();
    await until("close", () => events.includes("close"));
    expect(events.sort()).toEqual(["close", "end", "finish"]);
  });

  it("with an encoding data is text, and no character is cut in two", async () => {
    const { stream, far } = await pair("utf8");
    let text = "";
    stream.on("data", (chunk: string) => {
      text += chunk;
    });
    for (const byte of new TextEncoder().encode("日本")) {
      far.send(new Uint8Array([byte]));
      await settle();
    }
    expect(text).toBe("日本");
  });

  it("setEncoding changes what comes next", async () => {
    const { stream, far } = await pair();
    const kinds: string[] = [];
    stream.on("data", (chunk) => kinds.push(typeof chunk));
    far.send("a");
    await settle();
    stream.setEncoding("utf8");
    far.send("b");
    await settle();
    stream.setEncoding(null);
    far.send("c");
    await settle();
    expect(kinds).toEqual(["object", "string", "object"]);
  });

  it("pause stops the data and with it the sender; resume loses nothing", async () => {
    const { stream, far, peer } = await pair();
    let [length, chunks] = [0, 0];
    stream.on("data", (chunk) => {
      length += chunk.length;
      chunks++;
      stream.pause();
    });
    far.send(new Uint8Array(1024 * 1024));
    await settle();
    // One chunk, which is at most the message that it came in.
    expect(chunks).toBe(1);
    expect(length).toBeLessThanOrEqual(256 * 1024);
    // The sender is no more than a window ahead of it.
    const sent = 1024 * 1024 - peer.core.queued;
    expect(sent - length).toBeLessThanOrEqual(256 * 1024);
    while (length < 1024 * 1024) {
      stream.resume();
      await settle();
    }
    expect(length).toBe(1024 * 1024);
  });

  it("a loss is an error behind the data that came before, then close, and never end", async () => {
    const { stream, far, peer, events } = await pair("utf8");
    far.send("before");
    await settle();
    peer.cut();
    stream.on("data", (text) => events.push(`data ${text}`));
    await until("close", () => events.includes("close"));
    expect(events).toEqual(["data before", "error lost", "close"]);
  });

  it("close comes after the end, however late the data is asked for", async () => {
    const { stream, far, events } = await pair("utf8");
    stream.end("question");
    far.send("answer").finish();
    await settle();
    expect(events).toEqual(["finish"]);
    stream.on("data", (text: string) => events.push(text));
    await until("close", () => events.includes("close"));
    expect(events).toEqual(["finish", "answer", "end", "close"]);
  });

  it("close waits for nobody who has the lock, cancelled, or left nothing unread", async () => {
    for (const read of [
      ({ stream }: Pair) => void stream.readable.getReader(),
      ({ stream }: Pair) => void stream.readable.cancel(),
      null,
    ]) {
      const one = await pair();
      if (read) one.far.send("unread");
      one.far.finish();
      await settle();
      read?.(one);
      one.stream.end();
      await until("close", () => one.events.includes("close"));
    }
  });

  it("a failure does not wait for resume: what is held back is dropped, and nothing follows close", async () => {
    const { stream, far, peer, events } = await pair("utf8");
    stream.on("data", (text: string) => events.push(text));
    far.send("one");
    await until("one", () => events.includes("one"));
    stream.pause();
    far.send("two");
    await settle();
    peer.cut();
    await until("close", () => events.includes("close"));
    stream.resume();
    await settle();
    expect(events).toEqual(["one", "error lost", "close"]);
  });

  it("a failure does not wait for a drain that never comes", async () => {
    const { stream, far, events } = await pair();
    far.reads = false;
    stream.on("data", (chunk) => {
      if (stream.write(chunk)) return;
      stream.pause();
      stream.once("drain", () => stream.resume());
    });
    far.send(new Uint8Array(512 * 1024));
    await settle();
    far.reset(4001);
    await until("close", () => events.includes("close"));
    expect(events.slice(-2)).toEqual(["error 4001", "close"]);
  });

  it("an error that nobody listens for harms nobody", async () => {
    const { mdm, peer } = dial();
    const stream = mdm.createStream();
    stream.on("data", () => {});
    (await peer.opened("/")).reset(4001);
    expect(await outcome(stream.closed)).toBe("4001");
    await settle();
  });
});

describe("writing", () => {
  it("write says honestly when it is time to wait, and drain when it is not", async () => {
    const { stream, far, events } = await pair();
    far.reads = false;
    expect(stream.write("small")).toBe(true);
    let written = 5;
    while (stream.write(new Uint8Array(32 * 1024))) {
      written += 32 * 1024;
      await settle();
    }
    written += 32 * 1024;
    await settle();
    expect(events).not.toContain("drain");
    expect(written).toBeLessThanOrEqual(512 * 1024);
    far.reads = true;
    far.read(far.length + 20);
    await until("drain", () => events.includes("drain"));
    await until("all of it", () => far.length === written);
  });

  it("end writes a last chunk and finishes", async () => {
    const { stream, far, events } = await pair();
    stream.end("bye");
    await until("the finish", () => far.isFinished && events.includes("finish"));
    expect(far.text).toBe("bye");
    expect(() => stream.write("late")).toThrow("write after end");
  });

  it("end throws while somebody else writes, and ends the stream when they do not any more", async () => {
    const { stream, far } = await pair();
    const writer = stream.writable.getWriter();
    expect(() => stream.end()).toThrow(TypeError);
    await writer.write("theirs");
    writer.releaseLock();
    stream.end(", ours");
    await until("the finish", () => far.isFinished);
    expect(far.text).toBe("theirs, ours");
  });

  it("a small buffer may be used again at once", async () => {
    const { stream, far } = await pair();
    const buffer = new Uint8Array(4096);
    for (let i = 0; i < 20; i++) stream.write(buffer.fill(i));
    stream.write(buffer.fill(20).buffer);
    buffer.fill(99);
    await until("all", () => far.length === 21 * 4096);
    expect(far.bytes.every((byte, at) => byte === Math.floor(at / 4096))).toBe(true);
  });

  it("what is neither text nor bytes throws at once and harms nothing", async () => {
    const { stream, far } = await pair();
    expect(() => stream.write({} as string)).toThrow(TypeError);
    stream.write("fine");
    await until("the text", () => far.text === "fine");
  });

  it("destroy gives up: cancelled and close alone, or internal, that error and close", async () => {
    const { stream, far, events } = await pair();
    expect([stream.destroyed, stream.destroy().destroyed]).toEqual([false, true]);
    await until("the reset", () => far.resetCode === 15);
    expect(await outcome(stream.closed)).toBe("cancelled");
    await until("close", () => events.includes("close"));
    expect(events).toEqual(["close"]);

    const other = await pair();
    const [fault, told] = [new Error("my fault"), [] as unknown[]];
    other.stream.on("error", (error) => told.push(error)).destroy(fault);
    await until("the reset", () => other.far.resetCode === 17);
    await until("close", () => other.events.includes("close"));
    expect(other.events).toEqual(["error internal", "close"]);
    expect(told).toEqual([expect.objectContaining({ message: "internal: Error: my fault", cause: fault })]);
  });

  it("a destroy after a failure hides nothing", async () => {
    const { stream, far, events } = await pair();
    far.reset(4001);
    await stream.closed.catch(() => stream.destroy());
    await until("close", () => events.includes("close"));
    expect(events).toEqual(["error 4001", "close"]);
  });

  it("after destroy a write comes nowhere and says so, and nothing is told but close", async () => {
    const { stream, far, events } = await pair();
    stream.on("data", () => events.push("data"));
    far.send("unread");
    stream.destroy();
    expect(stream.write("late")).toBe(false);
    await settle();
    expect([events, far.text]).toEqual([["close"], ""]);
  });

  it("there is no drain behind an end", async () => {
    const { stream, far, events } = await pair();
    far.reads = false;
    expect(stream.writableNeedDrain).toBe(false);
    expect(stream.write(new Uint8Array(512 * 1024))).toBe(false);
    expect(stream.writableNeedDrain).toBe(true);
    stream.end();
    far.reads = true;
    far.read(far.length + 20);
    await until("the finish", () => events.includes("finish"));
    expect(events).toEqual(["finish"]);
  });
});

describe("listeners", () => {
  it("once, off and their other names", async () => {
    const { stream, far } = await pair("utf8");
    const seen: string[] = [];
    const gone = (text: string): void => void seen.push(`gone ${text}`);
    stream.addListener("data", gone).removeListener("data", gone);
    stream.once("data", (text) => seen.push(`once ${text}`));
    far.send("a");
    await settle();
    far.send("b");
    await settle();
    expect(seen).toEqual(["once a"]);
  });

  it("once beside on is one call more, and only once", async () => {
    const { stream, far } = await pair("utf8");
    const seen: string[] = [];
    const listener = (text: string): void => void seen.push(text);
    stream.on("data", listener).once("data", listener);
    far.send("a");
    await settle();
    far.send("b");
    await settle();
    expect(seen).toEqual(["a", "a", "b"]);
  });
});
