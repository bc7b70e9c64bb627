// What of the example `video-call` needs no browser.

import { afterEach, describe, expect, it, vi } from "vitest";
import { readChunk, writeChunk } from "../../examples/video-call/chunk.ts";
import { adviceOf, bitsEach, uploadOf, warningOf } from "../../examples/video-call/crowd.ts";
import { encodeVideo } from "../../examples/video-call/encode.ts";
import { eachFrame } from "../../examples/video-call/frames.ts";
import { Gate } from "../../examples/video-call/gate.ts";
import { Line } from "../../examples/video-call/line.ts";
import { initialsOf, personOf } from "../../examples/video-call/person.ts";
import { problemOf } from "../../examples/video-call/problem.ts";
import { loudnessOf, Speech } from "../../examples/video-call/speech.ts";
import { Meter, sayTraffic, totalsOf } from "../../examples/video-call/traffic.ts";

describe("a chunk", () => {
  const head = {
    source: "screen",
    isKey: true,
    number: 7,
    time: 1.5e9,
    colours: { isFull: false, isBt709: true },
  } as const;

  it("is read as it was written", () => {
    const message = writeChunk(head, 3, (to) => to.set([1, 2, 3]));
    expect(readChunk(message)).toEqual({ ...head, data: new Uint8Array([1, 2, 3]) });
    const delta = writeChunk({ ...head, isKey: false }, 1, () => {});
    expect(readChunk(delta)).toMatchObject({ isKey: false, colours: head.colours });
  });

  it("is none where anything else came", () => {
    const message = writeChunk(head, 3, () => {});
    const altered = (...changes: [at: number, byte: number][]) => {
      const other = message.slice();
      for (const [at, byte] of changes) other[at] = byte;
      return readChunk(other);
    };
    expect(altered()).toBeDefined();
    expect(readChunk(message.subarray(0, 14)), "nothing is in it").toBeUndefined();
    expect(readChunk(new Uint8Array()), "nothing at all").toBeUndefined();
    expect(altered([0, 3]), "of no source").toBeUndefined();
    expect(altered([6, 0x7f], [7, 0xff]), "at no time").toBeUndefined();
  });
});

describe("a gate", () => {
  const pass = (gate: Gate, ...frames: [number: number, isKey?: boolean][]) =>
    frames.map(([number, isKey = false]) => gate.passes({ number, isKey }));

  it("opens with a key frame, and lets all in a row through", () => {
    expect(pass(new Gate(), [4], [5], [6, true], [7], [8])).toEqual([false, false, true, true, true]);
  });

  it("stays closed behind a gap until the next key frame", () => {
    const gate = new Gate();
    expect(pass(gate, [0, true], [1], [3], [4])).toEqual([true, true, false, false]);
    expect(gate.isWaiting).toBe(true);
    expect(pass(gate, [9, true], [10])).toEqual([true, true]);
    gate.close();
    expect(pass(gate, [11], [12, true])).toEqual([false, true]);
  });
});

describe("each frame", () => {
  const made: { isClosed: boolean; close(): void }[] = [];
  let ask: (() => void) | undefined;
  const frame = () => {
    const one = {
      isClosed: false,
      close: () => {
        one.isClosed = true;
      },
    };
    made.push(one);
    return one;
  };
  /** The next frame, once one is asked for. */
  const give = async () => {
    (await vi.waitUntil(() => ask))();
  };
  /** Gives a frame some time after it was asked for one, as Chromium does, whether it was cancelled meanwhile or not. */
  class Processor {
    readonly readable = new ReadableStream(
      {
        pull: (controller) =>
          new Promise<void>((resolve) => {
            ask = () => {
              ask = undefined;
              const one = frame();
              resolve();
              try {
                controller.enqueue(one);
              } catch {
                // It was cancelled: nobody gets this one.
              }
            };
          }),
      },
      { highWaterMark: 0 },
    );
  }
  afterEach(() => {
    made.length = 0;
    ask = undefined;
    vi.unstubAllGlobals();
  });

  function begin(take: () => void) {
    vi.stubGlobal("MediaStreamTrackProcessor", Processor);
    const over = new AbortController();
    const done = eachFrame({} as MediaStreamTrack, over.signal, take);
    return { over, done };
  }

  it("is closed, the last as well, which comes when nobody wants it any more", async () => {
    let taken = 0;
    const { over, done } = begin(() => taken++);
    await give();
    await vi.waitUntil(() => taken === 1 && ask);
    over.abort();
    await give();
    await done;
    expect([taken, ...made.map(({ isClosed }) => isClosed)]).toEqual([1, true, true]);
  });

  it("is closed where it cannot be taken, and no more come", async () => {
    const { done } = begin(() => {
      throw new Error("why");
    });
    void give();
    await expect(done).rejects.toThrow("why");
    expect(made.map(({ isClosed }) => isClosed)).toEqual([true]);
  });

  it("leaves the encoder before that is closed, and what comes out then is not sent", async () => {
    const did: string[] = [];
    let flushed = () => {};
    class Encoder {
      state = "unconfigured";
      readonly encodeQueueSize = 0;
      readonly #output: (chunk: object) => void;
      constructor({ output }: { output(chunk: object): void }) {
        this.#output = output;
      }
      configure(): void {
        this.state = "configured";
      }
      encode(): void {
        did.push("encode");
      }
      async flush(): Promise<void> {
        did.push("flush");
        await new Promise<void>((resolve) => {
          flushed = resolve;
        });
        this.#output({ type: "key", timestamp: 0, byteLength: 1, copyTo() {} });
      }
      close(): void {
        did.push("close");
      }
    }
    vi.stubGlobal("VideoEncoder", Encoder);
    vi.stubGlobal("MediaStreamTrackProcessor", Processor);
    const outlet = { number: () => 0, send: () => did.push("send"), isBehind: false, failed: () => did.push("failed") };
    const encoding = encodeVideo("camera", {} as MediaStreamTrack, outlet);
    await give();
    await vi.waitUntil(() => did.length === 1);
    encoding.stop();
    expect(did).toEqual(["encode", "flush"]);
    flushed();
    await vi.waitUntil(() => did.length > 2);
    expect(did).toEqual(["encode", "flush", "close"]);
  });
});

it("speech is heard at once, and is over only behind a gap", () => {
  const speech = new Speech();
  const said: [loudness: number, now: number][] = [
    [0.001, 0],
    [0.2, 100],
    [0.001, 500],
    [0.001, 600],
    [0.02, 700],
  ];
  expect(said.map(([loudness, now]) => speech.hear(loudness, now))).toEqual([false, true, true, false, true]);
  expect(loudnessOf(new Float32Array([0.5, -0.5]))).toBe(0.5);
  const beep = new Float32Array(8192).fill(0.5, 4096, 5120);
  expect(loudnessOf(beep), "as loud as where it is loudest").toBe(0.5);
  expect(loudnessOf(new Float32Array())).toBe(0);
});

describe("traffic", () => {
  const stats = (bytes: number, lost: number) => [
    { type: "inbound-rtp", bytesReceived: bytes, packetsReceived: 90, packetsLost: lost, framesDecoded: 3 },
    { type: "outbound-rtp", bytesSent: 2 * bytes },
    { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.012 },
    { type: "codec" },
  ];

  it("is what went between two looks", () => {
    const meter = new Meter();
    expect(meter.read(totalsOf(stats(1000, 0)), 0)).toMatchObject({ down: 0, up: 0, lost: 0 });
    const later = { ...totalsOf(stats(126_000, 10)), came: 180 };
    expect(meter.read(later, 1000)).toEqual({ down: 1e6, up: 2e6, lost: 0.1, ms: 12, frames: 3 });
  });

  it("of another connection begins anew, and is never less than nothing", () => {
    const meter = new Meter();
    meter.read(totalsOf(stats(1_000_000, 50)), 0);
    expect(meter.read(totalsOf(stats(10, 0)), 1000)).toMatchObject({ down: 0, up: 0, lost: 0 });
  });

  it("is not known where nothing came for three seconds", () => {
    const meter = new Meter();
    expect(meter.isFresh(0), "nothing was read").toBe(false);
    const pair = { type: "candidate-pair", nominated: true, currentRoundTripTime: 55.967 };
    const look = (now: number, responsesReceived: number) => {
      meter.read(totalsOf([{ ...pair, responsesReceived }]), now);
      return meter.isFresh(now);
    };
    expect([look(0, 1), look(2500, 2), look(5500, 2), look(5501, 2), look(6500, 3)]).toEqual([
      true,
      true,
      true,
      false,
      true,
    ]);
    expect(meter.isFresh(9501), "and no answer of the browser's").toBe(false);
  });

  it("is said in words that do not break in their middle", () => {
    const said = sayTraffic({ down: 1_250_000, up: 90_400, lost: 0.0123, ms: undefined, frames: 0 });
    expect(said.replaceAll("\u00a0", "_")).toBe("↓_1.3_Mbit/s · ↑_90_kbit/s · 1.2_%_lost");
  });
});

it("more than six people are told that a mesh is the wrong shape, and by how much", () => {
  expect(warningOf(6, true)).toBe("");
  const warning = warningOf(7, true);
  expect(warning).toContain("7 people");
  expect(warning).toContain("leaves this device 6 times");
  expect(uploadOf(5_400_000)).toContain("5.4 Mbit/s of upload now");
  expect(uploadOf(0)).toBe("");
  expect(warningOf(7, false)).toContain("would leave this device 6 times");
  expect([2, 3, 5, 7, 60].map(bitsEach)).toEqual([1_500_000, 1_500_000, 1_000_000, 666_667, 150_000]);
});

it("who would be the seventh is told before, and may come all the same", () => {
  expect(adviceOf(5)).toBe("");
  expect(adviceOf(6)).toMatch(/^6 people are in this call. With you it is 7,.*You can join all the same.$/);
});

it("a person is what is left of what anybody may say", () => {
  const nobody = { name: "Guest", camera: false, microphone: false, screen: false, screenStream: "" };
  for (const profile of [undefined, null, 1, "Ada", [], { name: 5, camera: "yes", screenStream: {} }])
    expect(personOf(profile)).toEqual(nobody);
  const long = personOf({ name: ` Ada\n\n<b>  ${"日".repeat(60)}`, camera: true });
  expect(long).toMatchObject({ name: `Ada <b> ${"日".repeat(32)}`, camera: true });
});

it("initials are letters and digits, each a whole one", () => {
  const names = [
    "Ada Lovelace",
    "ben",
    "",
    "Guest (you)",
    "Bea <b>x",
    "🙂 Smile again",
    "🙂",
    "e\u0301mile 7",
    "日本 語",
  ];
  expect(names.map(initialsOf)).toEqual(["AL", "B", "", "GY", "BB", "SA", "", "E\u03017", "日語"]);
});

it("what is wrong with a device is said with what to do, and a closed choice of screens is nothing wrong", () => {
  const named = (name: string) => Object.assign(new Error("why"), { name });
  expect(problemOf("camera", named("NotAllowedError"))).toContain("Allow it");
  expect(problemOf("microphone", named("NotFoundError"))).toContain("No microphone was found");
  expect(problemOf("camera", named("NotReadableError"))).toContain("another program");
  expect(problemOf("camera", named("InsecureContextError"))).toContain("https");
  expect(problemOf("camera", named("OddError"))).toContain("why");
  expect(problemOf("screen", named("NotAllowedError"))).toBe("");
});

describe("a line", () => {
  function setUp() {
    const heard: string[] = [];
    const throughRoom: string[] = [];
    const sent: string[] = [];
    const channel = { readyState: "open", send: (text: string) => sent.push(text) };
    const line = new Line(
      ({ text }) => heard.push(text),
      ({ text }) => throughRoom.push(text),
    );
    const use = () => line.use(channel as unknown as RTCDataChannel);
    const came = (data: unknown) => (channel as unknown as { onmessage(event: unknown): void }).onmessage({ data });
    return { line, heard, throughRoom, sent, use, came };
  }

  it("goes through the room as long as there is no channel", () => {
    const { line, throughRoom, sent, use } = setUp();
    line.say({ id: "1", text: "first" });
    use();
    line.say({ id: "2", text: "second" });
    expect([throughRoom, sent.length]).toEqual([["first"], 1]);
  });

  it("says again through the room what the channel did not bring, and nothing else", () => {
    const { line, throughRoom, use, came } = setUp();
    use();
    line.say({ id: "1", text: "arrived" });
    line.say({ id: "2", text: "did not" });
    came('{"seen":"1"}');
    line.flush();
    line.flush();
    expect(throughRoom).toEqual(["did not"]);
  });

  it("brings each message once, by whichever way, and tells that it came", () => {
    const { line, heard, sent, use, came } = setUp();
    use();
    came('{"id":"1","text":"hello"}');
    line.hear({ id: "1", text: "hello" });
    line.hear({ id: "2", text: "again" });
    expect(heard).toEqual(["hello", "again"]);
    expect(sent).toEqual(['{"seen":"1"}']);
  });

  it("passes over what is no message, and cuts what is too long", () => {
    const { line, heard, use, came } = setUp();
    use();
    const garbage = ["", "{", "null", "5", '{"id":5,"text":"x"}', '{"id":"1","text":"  "}', new ArrayBuffer(2)];
    for (const data of garbage) came(data);
    for (const said of [undefined, null, 7, { id: "x".repeat(65), text: "x" }]) line.hear(said);
    expect(heard).toEqual([]);
    line.hear({ id: "3", text: "x".repeat(5000) });
    expect(heard[0]).toHaveLength(2000);
  });
});
