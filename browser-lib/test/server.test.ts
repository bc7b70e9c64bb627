import { describe, expect, it, vi } from "vitest";
import { type Stream, StreamError, StreamServer, type Verdict } from "../src/index.ts";
import { dial, outcome, settle, until } from "./peer.ts";
import { ACCEPT, connect, errorCode, LISTEN, serve } from "./serving.ts";

describe("listening", () => {
  it("holds the name, and says how many clients it takes", async () => {
    const { server, control } = await serve();
    expect(await server.listening).toEqual({ name: "NAME", id: "claim" });
    await until("a note", () => control.notes.length > 0);
    expect(control.notes).toEqual([{ note: "clients_max", value: 10_000 }]);
  });

  it("rejects with the code of the refusal, tells it as an event, and closes", async () => {
    const { mdm, peer } = dial();
    const server = StreamServer(mdm, { prefix: "/chat" }).listen("a/b");
    const events: string[] = [];
    server.on("error", ({ code }) => events.push(code)).on("close", () => events.push("close"));
    (await peer.opened("/chat/listen/a%2Fb")).frame({ error: { code: "name_taken" } }).finish();
    expect(await outcome(server.listening)).toBe("name_taken");
    expect(await outcome(server.closed)).toBe("name_taken");
    await until("close", () => events.length === 2);
    expect(events).toEqual(["name_taken", "close"]);
  });

  it("throws for what can be no name before anything is sent", async () => {
    const { mdm, peer } = dial();
    expect(() => StreamServer(mdm).listen("..")).toThrow("bad_request");
    expect(() => StreamServer(mdm).listen("a").listen("b")).toThrow("bad_request");
    await settle();
    expect(peer.streams.map(({ first }) => first?.path)).toEqual(["/session", "/browser-server/listen/a"]);
  });

  it("pause and resume are notes", async () => {
    const { server, control } = await serve({ clientsMax: 3 });
    server.pause().resume();
    await until("three notes", () => control.notes.length === 3);
    expect(control.notes).toEqual([{ note: "clients_max", value: 3 }, { note: "pause" }, { note: "resume" }]);
  });

  it("a pause before listen is remembered", async () => {
    const { mdm, peer } = dial();
    StreamServer(mdm).pause().listen("NAME");
    const control = await peer.opened(LISTEN);
    await until("two notes", () => control.notes.length === 2);
    expect(control.notes).toEqual([{ note: "clients_max", value: 10_000 }, { note: "pause" }]);
  });

  it("a refused claim is shown on the console if nobody looks, once", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const looks: [(server: StreamServer) => unknown, number][] = [
      [() => {}, 1],
      [(server) => server.on("error", () => {}), 0],
      [(server) => server.listening.catch(() => {}), 0],
      [(server) => server.closed.catch(() => {}), 0],
      [
        (server) =>
          server[Symbol.asyncIterator]()
            .next()
            .catch(() => {}),
        0,
      ],
    ];
    for (const [look, times] of looks) {
      log.mockClear();
      const { mdm, peer } = dial();
      look(StreamServer(mdm, () => {}).listen("NAME"));
      (await peer.opened(LISTEN)).frame({ error: { code: "name_taken" } }).finish();
      await settle();
      expect(log.mock.calls.map(([{ code }]) => code)).toEqual(Array(times).fill("name_taken"));
    }
    log.mockClear();
    const { mdm, peer } = dial();
    const abort = new AbortController();
    StreamServer(mdm).listen("GIVEN_UP", { signal: abort.signal });
    StreamServer(mdm).listen("NAME");
    await peer.opened(LISTEN);
    abort.abort();
    mdm.close();
    await until("the close", () => peer.closedWith);
    await settle();
    expect(log).not.toHaveBeenCalled();
    log.mockRestore();
  });

  it("a signal gives up the wait, or ends the server that listens", async () => {
    const abort = new AbortController();
    const { mdm, peer } = dial();
    const server = StreamServer(mdm).listen("NAME", { signal: abort.signal });
    const control = await peer.opened(LISTEN);
    abort.abort();
    expect(await outcome(server.listening)).toBe("cancelled");
    // A name that was given meanwhile is given back: a reset would have it kept for us.
    await until("the finish", () => control.isFinished);

    const second = new AbortController();
    const other = StreamServer(mdm).listen("OTHER", { signal: second.signal });
    const claim = await peer.opened("/browser-server/listen/OTHER");
    claim.frame({ id: "claim" });
    await other.listening;
    second.abort();
    await until("the release", () => claim.isFinished);
    claim.finish();
    expect(await outcome(other.closed)).toBe("ok");
  });
});

describe("clients", () => {
  it("are accepted with an empty reply, and early bytes are read first", async () => {
    const streams: Stream[] = [];
    const { server, peer } = await serve({ encoding: "utf8" }, (stream) => streams.push(stream));
    const client = connect(peer, { meta: { a: 1 }, peer: { session: "s" } }).send("early");
    await until("a client", () => streams.length === 1);
    const [stream] = streams;
    expect([stream?.id, stream?.meta, stream?.peer]).toEqual(["client", { a: 1 }, { session: "s" }]);
    expect(server.clients).toBe(1);
    const data: string[] = [];
    stream?.on("data", (text: string) => data.push(text));
    stream?.write("hi");
    await until("both ways", () => client.text === "hi" && data.length === 1);
    expect([client.first, data]).toEqual([{}, ["early"]]);
    client.finish();
    stream?.end();
    await until("nobody", () => server.clients === 0);
  });

  it.each<[Verdict, unknown]>([
    ["busy", "busy"],
    [false, "forbidden"],
    [4001, 4001],
    ["nonsense" as Verdict, "internal"],
  ])("accept may say %s", async (verdict, code) => {
    const { server, peer } = await serve({ accept: async () => verdict }, () => expect.fail("it was refused"));
    const client = connect(peer);
    await until("the refusal", () => client.isFinished && client.isOver);
    expect(errorCode(client)).toBe(code);
    expect(server.clients).toBe(0);
  });

  it("the reply is sent after accept has decided, with what the proxy says of the client", async () => {
    let decide = (_: boolean): void => {};
    const seen: unknown[] = [];
    const accept = (open: unknown) => {
      seen.push(open);
      return new Promise<boolean>((resolve) => {
        decide = resolve;
      });
    };
    const { server, peer } = await serve({ accept });
    const client = connect(peer, { peer: { session: "s" }, meta: 1 });
    await settle();
    expect([client.first, server.clients]).toEqual([undefined, 0]);
    decide(true);
    await until("the reply", () => client.first);
    expect(seen).toEqual([{ path: ACCEPT, id: "client", meta: 1, peer: { session: "s" } }]);
    expect(server.clients).toBe(1);
  });

  it("one that gave up before accept decided is seen by nobody", async () => {
    let decide = (_: boolean): void => {};
    const { server, peer } = await serve({ accept: () => new Promise<boolean>((yes) => (decide = yes)) }, () =>
      expect.fail("it had gone"),
    );
    const client = connect(peer);
    await settle();
    client.reset(15);
    await settle();
    decide(true);
    await settle();
    expect(server.clients).toBe(0);
  });

  it("threat_08_the_one_too_many_is_told_busy", async () => {
    const { peer } = await serve({ clientsMax: 1 }, () => {});
    const first = connect(peer);
    const second = connect(peer);
    await until("both replies", () => first.first && second.first);
    expect([first.first, second.first?.error]).toEqual([{}, { code: "busy", message: expect.any(String) }]);
  });

  it("come out of an iteration, those from before it, too", async () => {
    const { server, peer, control } = await serve();
    connect(peer, { meta: 1 });
    await settle();
    connect(peer, { meta: 2 });
    const seen: unknown[] = [];
    const loop = (async () => {
      for await (const { meta } of server) seen.push(meta);
    })();
    await until("two", () => seen.length === 2);
    server.end();
    await until("the release", () => control.isFinished);
    control.finish();
    await loop;
    expect(seen).toEqual([1, 2]);
  });

  it("throw out of an iteration what the name was refused or lost for", async () => {
    const next = (server: StreamServer) => outcome(server[Symbol.asyncIterator]().next());
    const { mdm, peer } = dial();
    const refused = next(StreamServer(mdm).listen("NAME"));
    (await peer.opened(LISTEN)).frame({ error: { code: "name_taken" } }).finish();
    expect(await refused).toBe("name_taken");
    const { server, control } = await serve();
    control.reset(14);
    expect(await next(server)).toBe("lost");
  });

  it("that ended before an iteration came to them are not kept", async () => {
    const { server, peer, control } = await serve();
    for (let i = 0; i < 3; i++) connect(peer, { meta: i });
    await until("three", () => server.clients === 3);
    for (const far of peer.streams.slice(-3, -1)) far.reset(4001);
    await until("one", () => server.clients === 1);
    control.finish();
    const seen: unknown[] = [];
    for await (const { meta } of server) seen.push(meta);
    expect(seen).toEqual([2]);
  });

  it("are refused busy when the iteration was left, until there is another", async () => {
    const { server, peer } = await serve();
    connect(peer);
    for await (const _ of server) break;
    const late = connect(peer);
    await until("the refusal", () => late.first);
    expect([errorCode(late), server.clients]).toEqual(["busy", 1]);
    const again = server[Symbol.asyncIterator]().next();
    const taken = connect(peer);
    await until("the reply", () => taken.first);
    expect([errorCode(taken), (await again).done]).toEqual([undefined, false]);
  });

  it("are told a refusal's text with no character cut in two", async () => {
    for (const [text, told] of [
      [`a${"😀".repeat(200)}`, `a${"😀".repeat(127)}`],
      ["x".repeat(500), "x".repeat(128)],
    ]) {
      const accept = () => {
        throw new StreamError("busy", text);
      };
      const { peer } = await serve({ accept });
      const client = connect(peer);
      await until("the refusal", () => client.first);
      expect(client.first?.error).toEqual({ code: "busy", message: told });
    }
  });
});

describe("ending", () => {
  it("end() lets live clients finish and takes no new ones", async () => {
    const { server, peer, control } = await serve({}, (stream) => stream.pipe(stream));
    const client = connect(peer);
    await until("a client", () => server.clients === 1);
    const closed = server.end();
    await until("the release", () => control.isFinished);
    const late = connect(peer);
    await until("the refusal", () => late.first);
    expect(errorCode(late)).toBe("gone");
    control.finish();
    await closed;
    client.send("still here").finish();
    await until("the end", () => client.text === "still here" && client.isOver);
    expect(client.resetCode).toBeUndefined();
  });

  it("a reset right after it was accepted comes behind the reply", async () => {
    const { peer } = await serve({}, (stream) => {
      stream.write("never sent");
      stream.reset(4001);
    });
    const client = connect(peer);
    await until("the reset", () => client.resetCode === 4001);
    expect(client.first).toEqual({});
  });

  it("end({ now }) refuses whom it has not decided about", async () => {
    const { server, peer } = await serve({ accept: () => new Promise(() => {}) });
    const client = connect(peer);
    await settle();
    void server.end({ now: true });
    await until("the refusal", () => client.isOver);
    expect(errorCode(client)).toBe("gone");
  });

  it("end({ now }) resets live clients gone", async () => {
    const { server, peer } = await serve({}, () => {});
    const client = connect(peer);
    await until("a client", () => server.clients === 1);
    void server.end({ now: true });
    await until("the reset", () => client.resetCode === 12);
  });

  it.each([
    ["released", "ok"],
    ["superseded", "superseded"],
  ])("a note %s closes it: %s", async (note, end) => {
    const { server, control } = await serve();
    control.frame({ note: "unknown notes are ignored" }).frame({ note }).finish();
    expect(await outcome(server.closed)).toBe(end);
    await until("our finish", () => control.isFinished);
  });

  it("without reconnection a lost connection loses the name", async () => {
    const { server, peer } = await serve({}, undefined, { reconnect: false });
    peer.cut();
    expect(await outcome(server.closed)).toBe("lost");
  });

  it("a name can be served again afterwards, and two servers on one connection do not mix", async () => {
    const { mdm, peer, server, control } = await serve({}, (stream) => stream.write("first"));
    const second = StreamServer(mdm, (stream) => stream.write("second")).listen("NAME");
    await until("two claims", () => peer.streams.filter(({ first }) => first?.path === LISTEN).length === 2);
    peer.to(LISTEN).frame({ error: { code: "name_taken" } });
    expect(await outcome(second.listening)).toBe("name_taken");
    const client = connect(peer);
    await until("the first server", () => client.text === "first");
    void server.end();
    control.finish();
    await server.closed;
    const third = StreamServer(mdm, (stream) => stream.write("third")).listen("NAME");
    await until("three claims", () => peer.streams.filter(({ first }) => first?.path === LISTEN).length === 3);
    peer.to(LISTEN).frame({ id: "again" });
    await third.listening;
    const late = connect(peer);
    await until("the third server", () => late.text === "third");
  });
});
