import { once } from "node:events";
import { createServer, type Socket, connect as toPort } from "node:net";
import { Duplex, PassThrough, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, expect, it } from "vitest";
import { StreamError } from "../src/index.ts";
import { fromDuplex, toDuplex } from "../src/node/index.ts";
import { pattern } from "./joined.ts";
import { outcome, pair, settle, until } from "./peer.ts";

const BYTES = pattern(300_000);

/** What a Duplex tells from now on. */
function told(duplex: Duplex): string[] {
  const events: string[] = [];
  for (const event of ["end", "finish", "close"]) duplex.on(event, () => events.push(event));
  duplex.on("error", (error: StreamError) => events.push(`error ${error.code}`));
  return events;
}

describe("toDuplex", () => {
  it("reads, writes, ends and closes as Node does, in a pipeline", async () => {
    const { stream, far } = await pair();
    const duplex = toDuplex(stream);
    const events = told(duplex);
    const upper = new Transform({ transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()) });
    const talk = pipeline(duplex, upper, duplex);
    far.send("hello ").send("there").finish();
    await talk;
    await until("the end", () => far.isFinished && events.includes("close"));
    expect(far.text).toBe("HELLO THERE");
    expect(events.toSorted()).toEqual(["close", "end", "finish"]);
    await stream.closed;
  });

  it("each direction ends by itself, unless allowHalfOpen is false", async () => {
    const half = await pair();
    const duplex = toDuplex(half.stream);
    duplex.resume();
    half.far.finish();
    await once(duplex, "end");
    duplex.write("a late answer");
    duplex.end();
    await until("the answer", () => half.far.isFinished);
    expect(half.far.text).toBe("a late answer");

    const full = await pair();
    toDuplex(full.stream, { allowHalfOpen: false }).resume();
    full.far.finish();
    await until("our end", () => full.far.isFinished);
  });

  it("says honestly when it is time to wait, and drain when it is not; the source stops", async () => {
    const { stream, far } = await pair();
    far.reads = false;
    const duplex = toDuplex(stream);
    let written = 0;
    while (duplex.write(BYTES.subarray(0, 10_000))) {
      written += 10_000;
      await settle();
    }
    written += 10_000;
    expect(written).toBeLessThanOrEqual(512 * 1024);
    const drained = once(duplex, "drain");
    far.reads = true;
    far.read(far.length + 20);
    await drained;
    await until("all of it", () => far.length === written);
  });

  it("a slow reader stops the sender", async () => {
    const { stream, far, peer } = await pair();
    const duplex = toDuplex(stream);
    duplex.once("readable", () => {});
    far.send(new Uint8Array(1024 * 1024));
    await settle();
    expect(1024 * 1024 - peer.core.queued).toBeLessThanOrEqual(512 * 1024);
    let length = 0;
    duplex.on("data", (chunk) => {
      length += chunk.length;
    });
    await until("all", () => length === 1024 * 1024);
  });

  it("a reset is the error behind the data that came before; nothing looks like an end", async () => {
    const { stream, far } = await pair();
    const duplex = toDuplex(stream, { encoding: "utf8" });
    const events = told(duplex);
    far.send("before");
    await settle();
    far.reset(4001);
    duplex.on("data", (text) => events.push(text));
    await until("close", () => events.includes("close"));
    expect(events).toEqual(["before", "error 4001", "close"]);
  });

  it("a failure that nobody reads, or that a write meets, is told all the same", async () => {
    const { stream, far } = await pair();
    const events = told(toDuplex(stream));
    far.reset(4001);
    await until("close", () => events.includes("close"));
    expect(events).toEqual(["error 4001", "close"]);

    const other = await pair();
    const duplex = toDuplex(other.stream).pause();
    const written = told(duplex);
    other.peer.cut();
    await settle();
    duplex.write("late");
    await until("close", () => written.includes("close"));
    expect(written).toEqual(["error lost", "close"]);
  });

  it.each([
    [undefined, 15],
    [new Error("mine"), 17],
    [new StreamError("busy"), 9],
    [new StreamError(4001), 4001],
  ])("destroy(%s) resets with %i", async (error, code) => {
    const { stream, far } = await pair();
    const duplex = toDuplex(stream);
    duplex.on("error", () => {});
    duplex.destroy(error);
    await until("the reset", () => far.resetCode === code);
  });

  it("throws where somebody reads already", async () => {
    const { stream } = await pair();
    stream.readable.getReader();
    expect(() => toDuplex(stream)).toThrow(TypeError);
  });
});

/** A socket and the one that its server has. */
async function sockets(): Promise<{ ours: Socket; theirs: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const ours = toPort({ port, host: "127.0.0.1", allowHalfOpen: true });
  const [[theirs]] = await Promise.all([once(server, "connection"), once(ours, "connect")]);
  server.close();
  return { ours, theirs };
}

describe("fromDuplex", () => {
  it("both directions of a socket, each with its end", async () => {
    const { ours, theirs } = await sockets();
    const { readable, writable } = fromDuplex(ours);
    theirs.end(BYTES);
    expect(Buffer.compare(new Uint8Array(await new Response(readable).arrayBuffer()), BYTES)).toBe(0);
    const writer = writable.getWriter();
    void writer.write("after the end");
    await writer.close();
    let text = "";
    for await (const chunk of theirs) text += chunk;
    expect(text).toBe("after the end");
  });

  it("a chunk's buffer is nobody else's", async () => {
    const duplex = new PassThrough();
    duplex.write(Buffer.from("small"));
    const { value } = await fromDuplex(duplex).readable.getReader().read();
    expect(value?.buffer.byteLength).toBe(5);
  });

  it("is read no faster than it is asked, and a write waits for the Duplex", async () => {
    const taken: (() => void)[] = [];
    let given = 0;
    const duplex = new Duplex({
      highWaterMark: 16,
      read() {
        this.push(Buffer.alloc(16, given++));
      },
      write: (_chunk, _encoding, done) => void taken.push(done),
    });
    const { readable, writable } = fromDuplex(duplex);
    await settle();
    const before = given;
    expect(before).toBeLessThanOrEqual(2);
    const reader = readable.getReader();
    for (let i = 0; i < 5; i++) expect((await reader.read()).value?.[0]).toBe(i);
    expect(given).toBeLessThanOrEqual(before + 6);

    let written = false;
    void writable
      .getWriter()
      .write("slow")
      .then(() => {
        written = true;
      });
    await settle();
    expect(written).toBe(false);
    taken[0]?.();
    await settle();
    expect(written).toBe(true);
  });

  it.each([
    [new StreamError(4001), "4001"],
    [new Error("disk"), "internal"],
    [undefined, "cancelled"],
  ])("destroyed with %s both fail with %s", async (error, code) => {
    const duplex = new PassThrough();
    const { readable, writable } = fromDuplex(duplex);
    const [reader, writer] = [readable.getReader(), writable.getWriter()];
    duplex.destroy(error);
    expect(await Promise.all([outcome(reader.read()), outcome(writer.closed)])).toEqual([code, code]);
    const late = fromDuplex(duplex);
    expect(await outcome(late.readable.getReader().read())).toBe(code);
  });

  it("an abort destroys it with the reason, a cancel once writing is done", async () => {
    const aborted = new PassThrough();
    const reason = new StreamError("busy");
    const seen = once(aborted, "error");
    const pair = fromDuplex(aborted);
    await pair.writable.abort(reason);
    expect(await seen).toEqual([reason]);
    expect(await outcome(pair.readable.getReader().read())).toBe("busy");

    const { ours, theirs } = await sockets();
    const { readable, writable } = fromDuplex(ours);
    await readable.cancel();
    theirs.write("unwanted");
    const writer = writable.getWriter();
    await writer.write("still said");
    expect(String(await once(theirs, "data"))).toBe("still said");
    theirs.end();
    await writer.close();
    await once(ours, "close");
  });

  it("there and back again: a stream over a Duplex over a pair is the stream", async () => {
    const { stream, far } = await pair();
    const { readable, writable } = fromDuplex(toDuplex(stream));
    const echo = readable.pipeTo(writable);
    far.send(BYTES).finish();
    await echo;
    await until("the echo", () => far.isFinished);
    expect(Buffer.compare(far.bytes, BYTES)).toBe(0);
  });
});
