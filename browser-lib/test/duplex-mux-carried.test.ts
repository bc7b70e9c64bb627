import { readFile } from "node:fs/promises";
import { describe, expect, it, vi } from "vitest";
import { type DuplexMux, MuxDemux, type Stream, StreamClient, StreamServer } from "../src/index.ts";
import { holdClock } from "./clock.ts";
import { collect, joined, pattern, pour, settled } from "./joined.ts";
import { incoming, muxes, pair } from "./pair.ts";
import { passes, Switch } from "./splice.ts";

const KIB = 1024;

holdClock();

/** A mux over one stream between a client and its server. */
async function carried() {
  const between = await joined();
  const { client, far } = between;
  return { ...between, near: MuxDemux(client), there: MuxDemux(far) };
}

describe("a mux over a stream of ours", () => {
  it("client and server of one connection open streams to each other", async () => {
    const { near, there, client, far } = await carried();
    expect([near.role, there.role]).toEqual(["client", "server"]);
    const metas: unknown[] = [];
    const answer = (mux: DuplexMux): void => {
      mux.on("stream", (stream, meta) => {
        metas.push(meta);
        stream.pipe(stream);
      });
    };
    answer(near);
    answer(there);
    const echoes = [near.createStream({ from: "client" }), there.createStream({ from: "server" })].map((stream, at) => {
      void pour(stream, pattern(300 * KIB, at));
      return collect(stream);
    });
    await passes("both", () => echoes.every(({ end }) => end));
    expect(echoes.map((echo, at) => [echo.end, echo.bytes().equals(pattern(300 * KIB, at))])).toEqual([
      ["ok", true],
      ["ok", true],
    ]);
    expect(metas).toHaveLength(2);
    const over = [near.close(), there.closed, client.closed, far.closed].map(settled);
    await passes("the end", () => over.every(({ how }) => how));
    expect(over.map(({ how }) => how)).toEqual(["ok", "ok", "ok", "ok"]);
  });

  it("works as the README prints it", async () => {
    const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
    const code = /```js\n(const mux = .*?)```/s.exec(readme)?.[1];
    const proxy = new Switch();
    const [tab, page] = [proxy.page("tab"), proxy.page("page")];
    const seen: unknown[] = [];
    await StreamServer(tab, (stream) => {
      const mux = MuxDemux(stream);
      mux.on("stream", (stream, meta) => stream.on("data", () => seen.push(meta)));
    }).listen("NAME").listening;
    const names = ["MuxDemux", "StreamClient", "mdm"];
    new Function(...names, `${code}`)(MuxDemux, StreamClient, page);
    await passes("the time", () => seen.length > 0);
    expect(seen).toEqual(["times"]);
  });

  it("cut connections below do not disturb it: no byte is lost or doubled on any of its streams", async () => {
    const { proxy, page, tab, near, there, client } = await carried();
    there.on("stream", (stream) => stream.pipe(stream));
    const streams = [1, 2, 3].map((seed) => near.createStream({ seed }));
    const echoes = streams.map((stream, at) => {
      void pour(stream, pattern(400 * KIB, at));
      return collect(stream);
    });
    const cuts = 6;
    for (let at = 1; at <= cuts; at++) {
      const line = proxy.line(at % 2 === 0 ? "page" : "tab");
      line.cutIn[at % 3 === 0 ? "down" : "up"] = 9_001 * at;
      await passes(`cut ${at}`, () => line.isCut);
      await passes("connected again", () => page.state === "open" && tab.state === "open");
    }
    await passes("all echoes", () => echoes.every(({ end }) => end));
    expect(echoes.map((echo, at) => [echo.end, echo.bytes().equals(pattern(400 * KIB, at))])).toEqual(
      [1, 2, 3].map(() => ["ok", true]),
    );
    expect(client.resumption?.moves).toBeGreaterThanOrEqual(cuts / 2);
  });

  it("when what carries it is lost for good it says so, and so do its streams", async () => {
    const { near, there, client } = await carried();
    incoming(there);
    const stream = near.createStream();
    await stream.opened;
    client.reset(300);
    const over = [near.closed, there.closed, stream.closed].map(settled);
    await passes("the end", () => over.every(({ how }) => how));
    expect(over.map(({ how }) => how)).toEqual(["lost", "lost", "lost"]);
  });

  it("error(message) on the stream itself carries its message, too", async () => {
    const { client, far } = await joined();
    client.error("no more room", 507);
    const told = far.closed.catch((error: unknown) => error);
    let error: unknown;
    void told.then((it) => {
      error = it;
    });
    await passes("the error", () => error);
    expect(error).toMatchObject({ code: "507", detail: "no more room" });
    const internal = await joined();
    internal.far.error("broken");
    const end = settled(internal.client.closed);
    await passes("the other", () => end.how);
    await expect(internal.client.closed).rejects.toMatchObject({ code: "internal", detail: "broken" });
  });
});

describe("a pair that stands still", () => {
  it("is not taken for dead, however long, and the mux goes on when it does", async () => {
    const [line, far] = pair();
    let isHeld = false;
    let go = (): void => {};
    const hold = new TransformStream<Uint8Array, Uint8Array>({
      transform: async (chunk, controller) => {
        if (isHeld) {
          await new Promise<void>((resolve) => {
            go = resolve;
          });
        }
        controller.enqueue(chunk);
      },
    });
    void hold.readable.pipeTo(line.writable);
    const [near, there] = muxes({}, [{ readable: line.readable, writable: hold.writable }, far]);
    const streams = incoming(there);
    const stream = near.createWriteStream();
    await passes("a stream", () => streams.length > 0);
    isHeld = true;
    void pour(stream, pattern(500 * KIB));
    const echo = collect(streams[0] as Stream);
    await vi.advanceTimersByTimeAsync(3_600_000);
    const before = settled(near.closed);
    await passes("a look", () => true);
    expect(before.how).toBe("");
    isHeld = false;
    go();
    await passes("all of it", () => echo.end);
    expect(echo.bytes().equals(pattern(500 * KIB))).toBe(true);
    const closing = settled(near.close());
    await passes("the end", () => closing.how);
    expect(closing.how).toBe("ok");
  });
});
