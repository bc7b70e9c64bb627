import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Stream, StreamClient } from "../src/index.ts";
import { dial, settle } from "./peer.ts";

/** What the console was told. */
let shown: string[] = [];

beforeEach(() => {
  shown = [];
  vi.spyOn(console, "error").mockImplementation((error: Error) => shown.push(error.message));
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Connects, looks at the stream in some way, and has it refused. */
async function refuse(resume: boolean, look: (stream: Stream) => unknown): Promise<void> {
  const { mdm, peer } = dial();
  look(StreamClient(mdm).connect("NAME", { resume, encoding: "utf8" }));
  (await peer.opened("/browser-server/connect/NAME")).frame({ error: { code: "not_found" } });
  await settle();
}

describe.each([true, false])("a connect that is refused (resumable: %s)", (resume) => {
  const told = ["not_found: nobody serves that name or path"];
  it.each<[string, (stream: Stream) => unknown]>([
    ["nobody looks at", () => {}],
    ["is only listened to for data, and written to", (stream) => stream.on("data", () => {}).write("hello")],
    ["is only piped", (stream) => stream.pipe(new WritableStream())],
    ["is ended", (stream) => stream.on("end", () => {}).end()],
  ])("is shown on the console where it %s", async (_, look) => {
    await refuse(resume, look);
    expect(shown).toEqual(told);
  });

  it.each<[string, (stream: Stream) => unknown]>([
    ["opened", (stream) => stream.opened.catch(() => {})],
    ["closed", (stream) => stream.closed.catch(() => {})],
    ["an error listener", (stream) => stream.on("data", () => {}).on("error", () => {})],
    ["readable", (stream) => stream.readable.pipeTo(new WritableStream()).catch(() => {})],
    [
      "readable, and lets go of it",
      (stream) =>
        stream.readable
          .getReader()
          .read()
          .catch(() => {}),
    ],
    [
      "an iteration",
      (stream) =>
        stream[Symbol.asyncIterator]()
          .next()
          .catch(() => {}),
    ],
  ])("is not where somebody looks: at %s", async (_, look) => {
    await refuse(resume, look);
    expect(shown).toEqual([]);
  });

  it("is not where its own side gave it up", async () => {
    const { mdm } = dial();
    const cancel = new AbortController();
    StreamClient(mdm).connect("NAME", { resume, signal: cancel.signal });
    StreamClient(mdm).connect("NAME", { resume }).reset(4001);
    StreamClient(mdm).connect("NAME", { resume }).destroy();
    cancel.abort();
    await settle();
    expect(shown).toEqual([]);
  });
});
