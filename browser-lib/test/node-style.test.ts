import { PassThrough, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { dial, outcome, settle, until } from "./peer.ts";

async function pair(encoding?: "utf8") {
  const { mdm, peer } = dial(encoding ? { encoding } : {});
  const stream = mdm.createStream();
  const far = await peer.opened("/");
  far.frame({});
  await stream.opened;
  const events: string[] = [];
  for (const event of ["end", "finish", "drain", "close"] as const) stream.on(event, () => events.push(event));
  stream.on("error", ({ code }) => events.push(`error ${code}`));
  return { mdm, peer, stream, far, events };
}

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
    let length = 0;
    stream.on("data", (chunk) => {
      length += chunk.length;
      stream.pause();
    });
    far.send(new Uint8Array(1024 * 1024));
    await settle();
    expect(length).toBeLessThanOrEqual(64 * 1024);
    expect(peer.core.queued).toBeGreaterThanOrEqual(768 * 1024 - 64 * 1024);
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

  it("what is neither text nor bytes throws at once and harms nothing", async () => {
    const { stream, far } = await pair();
    expect(() => stream.write({} as string)).toThrow(TypeError);
    stream.write("fine");
    await until("the text", () => far.text === "fine");
  });

  it("destroy gives up: cancelled, or internal for an error", async () => {
    const { stream, far } = await pair();
    stream.destroy();
    await until("the reset", () => far.resetCode === 15);
    const other = await pair();
    other.stream.destroy(new Error("my fault"));
    await until("the reset", () => other.far.resetCode === 17);
  });
});

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

  it("a failure destroys the destination: never a clean end", async () => {
    const { stream, far } = await pair();
    const to = new PassThrough();
    to.on("error", () => {});
    stream.pipe(to);
    far.send("x");
    await settle();
    far.reset(4001);
    await until("its end", () => to.destroyed);
    expect(to.writableEnded).toBe(false);
  });

  it("a destination that closes stops the reading", async () => {
    const { stream, far } = await pair();
    const to = new Writable({ write: (_chunk, _encoding, done) => done() });
    stream.pipe(to);
    await settle();
    to.destroy();
    await settle();
    stream.end();
    await until("the reset", () => far.resetCode === 15);
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
});
