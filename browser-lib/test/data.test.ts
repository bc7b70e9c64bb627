import { describe, expectTypeOf, it } from "vitest";
import { boot, MuxDemux, type MuxDemuxOptions, type Stream, StreamClient, StreamServer } from "../src/index.ts";
import { dial } from "./peer.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Nothing here runs against a far side: that it compiles is the test (`npm run check`). */
describe("what a listener for data gets is known to TypeScript", () => {
  const { mdm: some } = dial();
  const WebSocket = class {} as unknown as NonNullable<MuxDemuxOptions["WebSocket"]>;
  const [plain, text] = [
    MuxDemux("ws://proxy.test/", { WebSocket }),
    MuxDemux("ws://proxy.test/", { WebSocket, encoding: "utf8" }),
  ];

  it("bytes, unless something asks for text", () => {
    const stream = StreamClient(plain).connect("NAME", { meta: { from: "a tab" } });
    expectTypeOf(stream).toEqualTypeOf<Stream<Bytes>>();
    stream.on("data", (bytes) => new TextDecoder().decode(bytes)).once("data", (bytes) => bytes.byteLength);
    new StreamServer(plain, (stream) => {
      stream.on("data", (bytes) => stream.write(bytes));
      stream.on("end", () => stream.end());
    }).on("stream", (stream) => stream.on("data", (bytes) => bytes.buffer));
    plain.on("stream", (stream) => stream.on("data", (bytes) => bytes.buffer));
  });

  it("text, where a stream, a server or all of a MuxDemux ask for it", () => {
    const stream = new StreamClient(plain).connect("NAME", { encoding: "utf8" });
    expectTypeOf(stream).toEqualTypeOf<Stream<string>>();
    stream.on("data", (text) => text.trim()).once("data", (text) => text.trim());
    expectTypeOf(plain.createStream(1, { encoding: "utf8" })).toEqualTypeOf<Stream<string>>();
    expectTypeOf(text.createStream()).toEqualTypeOf<Stream<string>>();
    expectTypeOf(boot("ws://proxy.test/", { WebSocket }).createStream()).toEqualTypeOf<Stream<string>>();
    expectTypeOf(StreamClient(text).connect("NAME")).toEqualTypeOf<Stream<string>>();
    StreamServer(text, (stream) => stream.on("data", (text) => text.trim()));
    const accept = (open: { meta: unknown }) => open.meta !== 1;
    StreamServer(plain, { encoding: "utf8", accept }, (stream) => stream.on("data", (text) => text.trim()));
  });

  it("either, where nobody can know; and a listener may name it, as behind setEncoding", () => {
    const take = (stream: Stream) => stream.on("data", (text: string) => text.trim());
    expectTypeOf(StreamClient(some).connect("NAME")).toEqualTypeOf<Stream>();
    take(StreamClient(plain).connect("NAME").setEncoding("utf8"));
    take(StreamClient(plain).connect("NAME", { encoding: "utf8" }));
    const stream = StreamClient(plain).connect("NAME").setEncoding("utf8");
    stream.on("data", (text: string) => text.trim());
  });

  it("a misspelt option is an error", () => {
    // @ts-expect-error: it is `wait`
    StreamClient(plain).connect("NAME", { wiat: 5 });
    // @ts-expect-error: it is `clientsMax`
    StreamServer(plain, { clientMax: 5 });
    // @ts-expect-error: there is but one
    StreamClient(plain).connect.bind(null, "NAME", { encoding: "base64" });
  });
});
