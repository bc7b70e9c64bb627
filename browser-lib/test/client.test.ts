import { describe, expect, it } from "vitest";
import { StreamClient, StreamServer } from "../src/index.ts";
import { dial, outcome, settle, until } from "./peer.ts";

describe("connecting", () => {
  it("opens the name's path with what was given", async () => {
    const { mdm, peer } = dial();
    StreamClient(mdm, { prefix: "/chat" }).connect("日本", { meta: { a: 1 }, wait: 0, resume: false });
    const far = await peer.opened("/chat/connect/%E6%97%A5%E6%9C%AC");
    expect(far.first).toEqual({ path: "/chat/connect/%E6%97%A5%E6%9C%AC", meta: { a: 1 }, wait: 0 });
  });

  it("writes at once and is opened when the server accepted", async () => {
    const { mdm, peer } = dial();
    const stream = StreamClient(mdm).connect("NAME", { encoding: "utf8" });
    stream.write("early");
    const far = await peer.opened("/browser-server/connect/NAME");
    await until("the early bytes", () => far.text === "early");
    expect(far.first).toMatchObject({ path: "/browser-server/connect/NAME", resume: { v: 1, early: 5 } });
    far.frame({ id: "uuid" });
    await stream.opened;
    expect(stream.id).toBe("uuid");
  });

  it("threat_05_names_of_objects_are_names_and_what_is_none_throws_before_anything_is_sent", async () => {
    const { mdm, peer } = dial();
    const client = StreamClient(mdm);
    for (const name of ["constructor", "toString", "__proto__"]) {
      client.connect(name);
      await peer.opened(`/browser-server/connect/${name}`);
    }
    for (const name of ["", ".", "..", "a\u202eb", "x".repeat(129)]) {
      expect(() => client.connect(name), name).toThrow("bad_request");
    }
    await settle();
    expect(peer.streams).toHaveLength(4);
  });

  it("a name that is no string throws before anything is sent", async () => {
    const { mdm, peer } = dial();
    for (const name of [undefined, null, 5, {}] as unknown as string[]) {
      expect(() => StreamClient(mdm).connect(name)).toThrow("bad_request");
      expect(() => StreamServer(mdm).listen(name)).toThrow("bad_request");
    }
    await settle();
    expect(peer.streams.map(({ first }) => first?.path)).toEqual(["/session"]);
  });

  it("encoding: undefined leaves the connection's", async () => {
    const { mdm, peer } = dial({ encoding: "utf8" });
    const streams = [
      StreamClient(mdm).connect("NAME", { encoding: undefined }),
      mdm.createStream(0, { encoding: undefined }),
    ];
    const served: unknown[] = [];
    StreamServer(mdm, { encoding: undefined }, (stream) => stream.on("data", (data) => served.push(data))).listen(
      "NAME",
    );
    const data: unknown[] = [];
    for (const stream of streams) stream.on("data", (text) => data.push(text));
    for (const path of ["/browser-server/connect/NAME", "/"]) (await peer.opened(path)).frame({}).send("text");
    peer.open({ path: "/browser-server/accept/NAME", id: "u" }).send("text");
    await until("three texts", () => data.length + served.length === 3);
    expect([data, served]).toEqual([["text", "text"], ["text"]]);
  });

  it("what was aborted before it left is never heard of", async () => {
    const { mdm, peer } = dial({ hold: true });
    const abort = new AbortController();
    const stream = StreamClient(mdm).connect("NAME", { signal: abort.signal });
    abort.abort();
    expect(await outcome(stream.opened)).toBe("cancelled");
    expect(await outcome(stream.closed)).toBe("cancelled");
    expect(peer.messages).toHaveLength(0);
  });

  it("threat_08_a_refusal_ends_only_its_own_stream", async () => {
    const { mdm, peer } = dial();
    const client = StreamClient(mdm);
    const refused = client.connect("FULL");
    const other = client.connect("OTHER");
    (await peer.opened("/browser-server/connect/FULL")).frame({ error: { code: "limit" } }).finish();
    (await peer.opened("/browser-server/connect/OTHER")).frame({ id: "u" });
    expect(await outcome(refused.opened)).toBe("limit");
    expect(await outcome(other.opened)).toBe("ok");
  });
});
