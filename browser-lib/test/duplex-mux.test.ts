import { describe, expect, it } from "vitest";
import { type Duplex, MuxDemux, type Stream, StreamError } from "../src/index.ts";
import { pattern, pour } from "./joined.ts";
import { incoming, muxes, pair, textOf } from "./pair.ts";
import { dial, outcome, settle, until } from "./peer.ts";

describe("a mux over a pair of streams", () => {
  it.each(["client", "server"])("the %s opens streams, with their meta, and both directions work", async (role) => {
    const ends = muxes();
    const [near, far] = role === "client" ? ends : [ends[1], ends[0]];
    const metas: unknown[] = [];
    far.on("stream", (stream, meta) => {
      metas.push(meta, stream.meta);
      stream.pipe(stream);
    });
    const meta = { a: [1, "ä", null, { deep: true }], "": -0.5 };
    const stream = near.createStream(meta);
    stream.end("hello");
    expect(await textOf(stream)).toBe("hello");
    await stream.closed;
    expect(metas).toEqual([meta, meta]);
  });

  it("absent meta is undefined, and a path is passed on", async () => {
    const [near, far] = muxes();
    const streams = incoming(far);
    await near.createStream(undefined, { path: "/there" }).opened;
    expect(streams.map(({ meta, path, role }) => [meta, path, role])).toEqual([[undefined, "/there", "server"]]);
  });

  it("an option of a stream holds for it, and what is not said is the mux's", async () => {
    const [near] = muxes({ encoding: "utf8" });
    const abort = new AbortController();
    const stream = near.createStream(1, { priority: 40, signal: abort.signal, encoding: undefined });
    expect([stream.priority, near.createStream(2).priority]).toEqual([40, 16]);
    abort.abort();
    expect(await outcome(stream.closed)).toBe("cancelled");
  });

  it("a whole thing is sent to the other end, with its meta, its progress and the answer", async () => {
    const [near, far] = muxes();
    far.on("stream", (stream, meta) => {
      stream.on("data", () => {}).on("end", () => stream.end(`${meta}: had all`));
    });
    const told: number[] = [];
    const stream = near.send(new Blob(["x".repeat(100_000)]), "blob", { onProgress: ({ sent }) => told.push(sent) });
    expect(await textOf(stream)).toBe("blob: had all");
    expect([await stream.sent, told.at(-1)]).toEqual([100_000, 100_000]);
    expect(() => near.send(7 as unknown as string)).toThrow(TypeError);
  });

  it("both open at the same time, and streams interleave", async () => {
    const [near, far] = muxes();
    const order: string[] = [];
    for (const [mux, name] of [
      [near, "near"],
      [far, "far"],
    ] as const) {
      mux.on("stream", (stream, meta) => stream.on("data", (chunk) => order.push(`${name} ${meta} ${chunk}`)));
    }
    const a = far.createStream("a", { encoding: "utf8" });
    const [b, c] = [near.createStream("b"), near.createStream("c")];
    for (const text of ["1", "2"]) {
      a.write(text);
      b.write(text);
      c.write(text);
      await until(`round ${text}`, () => order.length === 3 * Number(text));
    }
    const decoded = order.map((entry) => entry.replace(/(\d+)$/, (code) => String.fromCharCode(Number(code))));
    expect(decoded.slice(0, 3).sort()).toEqual(["far b 1", "far c 1", "near a 1"]);
    expect(decoded.slice(3).sort()).toEqual(["far b 2", "far c 2", "near a 2"]);
  });

  it("a large transfer lets a small one through, whole and in order", async () => {
    const [near, far] = muxes();
    const sent = pattern(2 << 20);
    const chunks: Uint8Array[] = [];
    let length = 0;
    let smallAt = Infinity;
    const read = async (stream: Stream): Promise<void> => {
      for await (const chunk of stream) {
        if (length === 0) near.createStream("small").end();
        chunks.push(chunk);
        length += chunk.length;
      }
    };
    const bulk = new Promise<void>((resolve) => {
      far.on("stream", (stream, meta) => {
        if (meta === "bulk") resolve(read(stream));
        else smallAt = length;
      });
    });
    await pour(near.createWriteStream("bulk"), sent);
    await bulk;
    expect(Buffer.compare(Buffer.concat(chunks), sent)).toBe(0);
    expect(smallAt).toBeLessThan(1 << 20);
  });

  it("a reader that stops holds up its own sender and nobody else", async () => {
    const [near, far] = muxes();
    const [stopped, read] = [near.createStream("stopped"), near.createStream("read")];
    const streams = incoming(far);
    await Promise.all([stopped.opened, read.opened]);
    const written: Record<string, number> = { stopped: 0, read: 0 };
    for (const stream of [stopped, read]) {
      const writer = stream.writable.getWriter();
      void (async () => {
        for (let turn = 0; turn < 100; turn++) {
          await writer.write(pattern(32 * 1024, turn));
          written[String(stream.meta)] = (turn + 1) * 32 * 1024;
        }
        await writer.close();
      })();
    }
    let got = 0;
    for await (const chunk of streams[1] as AsyncIterable<Uint8Array>) got += chunk.length;
    expect(got).toBe(100 * 32 * 1024);
    await settle();
    // The window, and what is under way in the writer's own hands.
    expect(written.stopped).toBeLessThanOrEqual(256 * 1024 + 64 * 1024);
    expect(near.stats().streams).toBe(2);
    // It goes on where it stopped.
    let late = 0;
    for await (const chunk of streams[0] as AsyncIterable<Uint8Array>) late += chunk.length;
    expect(late).toBe(100 * 32 * 1024);
  });

  it("writes no more into the pair than it takes", async () => {
    let taken = 0;
    let largest = 0;
    const waiting: (() => void)[] = [];
    const writable = new WritableStream<Uint8Array>({
      write: (chunk) => {
        taken += chunk.length;
        return new Promise((resolve) => waiting.push(resolve));
      },
    });
    const source = new ReadableStream<Uint8Array>();
    const near = MuxDemux({ readable: source, writable }, { role: "client" });
    const streams = Array.from({ length: 20 }, (_, at) => near.createStream(at));
    for (const stream of streams) stream.write(pattern(200 * 1024));
    for (let turn = 0; turn < 8; turn++) {
      await settle();
      const before = taken;
      largest = Math.max(largest, near.stats().sent - taken);
      for (const go of waiting.splice(0)) go();
      await settle();
      largest = Math.max(largest, near.stats().sent - before);
    }
    // The pair holds one message, and one more waits at most: nothing piles up between the mux and it.
    expect(largest).toBeLessThanOrEqual(2 * 64 * 1024);
    // Without a sign of the other end no more is given away than the least allowance.
    expect(taken).toBeLessThanOrEqual(256 * 1024 + 64 * 1024);
    expect(near.stats().queued).toBeGreaterThan(1 << 20);
  });
});

describe("one way", () => {
  it("createReadStream only reads: the other end sees the finish at once", async () => {
    const [near, far] = muxes();
    far.on("stream", async (stream) => stream.end(`you said ${JSON.stringify(await textOf(stream))}`));
    const stream = near.createReadStream("news");
    expect(await textOf(stream)).toBe('you said ""');
    await stream.closed;
    expect(() => stream.write("x")).toThrow("write after end");
  });

  it("createWriteStream only writes: the other end has nothing to say", async () => {
    const [near, far] = muxes();
    const streams = incoming(far);
    const stream = near.createWriteStream("times");
    stream.end("noon");
    await until("a stream", () => streams.length > 0);
    const [there] = streams as [Stream];
    expect(() => there.write("x")).toThrow("write after end");
    expect(await textOf(there)).toBe("noon");
    await Promise.all([stream.closed, there.closed]);
  });

  it("over a proxy, too: the open says so and what comes is dropped", async () => {
    const { mdm, peer } = dial();
    const write = mdm.createWriteStream("log", { path: "/log" });
    const read = mdm.createReadStream("news", { path: "/news" });
    const [log, news] = [await peer.opened("/log"), await peer.opened("/news")];
    expect(log.first).toEqual({ path: "/log", meta: "log", one_way: true });
    expect(news.first).toEqual({ path: "/news", meta: "news" });
    await until("a finish", () => news.isFinished);
    log.frame({});
    log.send(pattern(1000));
    log.finish();
    write.end();
    await write.closed;
    read.reset();
  });
});

describe("allowHalfOpen", () => {
  it("is true unless stated: each direction ends by itself", async () => {
    const [near, far] = muxes();
    const streams = incoming(far);
    const stream = near.createStream();
    stream.end();
    await until("a stream", () => streams.length > 0);
    const [there] = streams as [Stream];
    await textOf(there);
    await settle();
    there.end("last word");
    expect(await textOf(stream)).toBe("last word");
  });

  it("false: our direction ends behind the other side's, and behind what was written on its end", async () => {
    const [near, far] = muxes({ allowHalfOpen: false });
    far.on("stream", (stream) => {
      stream.on("end", () => stream.write("and out"));
      stream.on("data", (chunk) => stream.write(chunk));
    });
    const stream = near.createStream();
    stream.end("over ");
    expect(await textOf(stream)).toBe("over and out");
    await stream.closed;
  });

  it("may be said for one stream", async () => {
    const [near, far] = muxes();
    far.on("stream", (stream) => stream.end("bye"));
    const stream = near.createStream(1, { allowHalfOpen: false, encoding: "utf8" });
    const said: unknown[] = [];
    stream.on("data", (text) => said.push(text)).on("end", () => said.push("end"));
    await stream.closed;
    expect(said).toEqual(["bye", "end"]);
  });
});

describe("errors", () => {
  it("nobody listens: not_found, and the message says where to", async () => {
    const [near] = muxes();
    const stream = near.createStream("x");
    const error: unknown = await stream.opened.catch((error: unknown) => error);
    expect(error).toBeInstanceOf(StreamError);
    expect(error).toMatchObject({ code: "not_found", detail: expect.stringContaining('mux.on("stream"') });
  });

  it("error(message) reaches the other end behind what had left, with its message and code", async () => {
    const [near, far] = muxes();
    const streams = incoming(far);
    const stream = near.createStream("x");
    stream.write("before");
    await until("a stream", () => streams.length > 0);
    const [there] = streams as [Stream];
    const said: unknown[] = [];
    there
      .setEncoding("utf8")
      .on("data", (text) => said.push(text))
      .on("error", ({ code, detail }) => said.push([code, detail]));
    await until("the text", () => said.length > 0);
    stream.error("the disk is full", 4001);
    expect(await outcome(stream.closed)).toBe("4001");
    expect(await outcome(there.closed)).toBe("4001");
    expect(said).toEqual(["before", ["4001", "the disk is full"]]);
    await until("nothing left", () => near.stats().streams === 0 && far.stats().streams === 0);
    // The mux goes on.
    await near.createStream().opened;
  });

  it("the accepting end may say it too, without a code, and a long one is cut between two characters", async () => {
    const [near, far] = muxes();
    far.on("stream", (stream) => stream.error("é".repeat(1000)));
    const error: unknown = await near.createStream().closed.catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "internal", detail: "é".repeat(512) });
  });

  it("an error that says nothing right is refused, and nothing else happens", async () => {
    const [near, far] = muxes();
    incoming(far);
    const stream = near.createStream();
    const bad = near.createStream({ stream: "1" }, { path: "/stream-error" });
    expect(await outcome(bad.opened)).toBe("bad_request");
    const stranger = near.createStream({ stream: 77, code: 7, message: "?" }, { path: "/stream-error" });
    expect(await outcome(stranger.opened)).toBe("ok");
    expect(await outcome(stream.opened)).toBe("ok");
  });

  it("two ends of the same role are told so", async () => {
    const [near, far] = pair();
    const [a, b] = [MuxDemux(near, { role: "server" }), MuxDemux(far, { role: "server" })];
    const stream = a.createStream();
    for (const mux of [a, b]) {
      await expect(mux.closed).rejects.toMatchObject({
        code: "bad_request",
        detail: expect.stringContaining('role: "client"'),
      });
    }
    expect(await outcome(stream.opened)).toBe("lost");
  });

  it("a pair must be one, free, and say which end it is", () => {
    const [near] = pair();
    expect(() => MuxDemux(near)).toThrow("bad_request: say which end this is");
    expect(() => MuxDemux({ readable: true, writable: true } as unknown as Duplex)).toThrow("Duplex.toWeb");
    near.readable.getReader();
    expect(() => MuxDemux(near, { role: "client" })).toThrow("bad_request: somebody else");
  });

  it("bytes that are no mux, and chunks that are no bytes, end it", async () => {
    const { mux, said } = fed();
    said.enqueue(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
    expect(await outcome(mux.closed)).toBe("internal");
    const text = fed();
    text.said.enqueue("text" as unknown as Uint8Array);
    expect(await outcome(text.mux.closed)).toBe("lost");
  });

  it("any chunk of bytes will do, and is left as it was", async () => {
    const { mux, said } = fed();
    const ping = [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
    const shared = Buffer.from([9, ...ping, 9]);
    said.enqueue(shared.subarray(1, 13));
    said.enqueue(Uint8Array.from(ping).buffer);
    said.enqueue(new DataView(Uint8Array.from(ping).buffer));
    await until("all of it", () => mux.stats().received === 36);
    expect([...shared]).toEqual([9, ...ping, 9]);
  });
});

/** A mux that is fed by hand. */
function fed() {
  let said: ReadableStreamDefaultController<ArrayBuffer | ArrayBufferView> | undefined;
  const readable = new ReadableStream<ArrayBuffer | ArrayBufferView>({
    start: (controller) => {
      said = controller;
    },
  });
  const mux = MuxDemux({ readable, writable: new WritableStream() }, { role: "client" });
  if (!said) throw new Error("no controller");
  return { mux, said };
}
