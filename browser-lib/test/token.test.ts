import { describe, expect, it, vi } from "vitest";
import { type MuxDemux, StreamClient, StreamServer } from "../src/index.ts";
import { holdClock } from "./clock.ts";
import { LISTEN } from "./holding.ts";
import { dial, dialing, outcome, type Peer, settle, until } from "./peer.ts";
import { greet, record, up } from "./up.ts";

holdClock();

const CONNECT = "/browser-server/connect/NAME";

/** A source of tokens: the first, the second … */
function source() {
  let count = 0;
  return vi.fn(() => `token ${++count}`);
}

/** The token that a connection was introduced with. */
async function shown(peer: Peer): Promise<unknown> {
  return (await peer.opened("/session")).first?.token;
}

function refuse(peer: Peer, code = "unauthorized", message = "the token has expired"): void {
  peer.to("/session").frame({ error: { code, message } });
}

/** What waits for the proxy's word, and how it ends. */
function waiting(mdm: MuxDemux) {
  const server = StreamServer(mdm).listen("NAME");
  const client = StreamClient(mdm);
  const watch = client.watch("NAME");
  const watched = new Promise<string>((resolve) => watch.on("error", ({ code }) => resolve(code)));
  const [connected, plain] = [client.connect("NAME"), mdm.createStream()];
  return [outcome(server.listening), watched, outcome(connected.opened), outcome(plain.opened)];
}

describe("a token", () => {
  it("that a function gives is asked for anew for each connection, and none is dialed without it", async () => {
    const answers: ((token: string) => void)[] = [];
    const { mdm, dials, redialed } = dialing({ token: () => new Promise((resolve) => answers.push(resolve)) });
    expect([mdm.state, dials.length]).toEqual(["connecting", 0]);
    answers[0]?.("one");
    const first = await redialed(1);
    expect(await shown(first.peer)).toBe("one");
    await greet(first.peer);
    await settle();
    first.peer.cut();
    await settle();
    expect([mdm.state, dials.length, answers.length]).toEqual(["connecting", 1, 2]);
    answers[1]?.("two");
    expect(await shown((await redialed(2)).peer)).toBe("two");
  });

  it("goes ahead of what was opened while it was waited for", async () => {
    let answer = (_: string): void => {};
    const token = new Promise<string>((resolve) => {
      answer = resolve;
    });
    const { mdm, redialed } = dialing({ token: () => token });
    mdm.createStream(undefined, { path: "/a" });
    const stream = mdm.createStream(undefined, { path: "/b" });
    stream.write("first words");
    await settle();
    answer("secret");
    const { peer } = await redialed(1);
    await peer.opened("/b");
    expect(peer.streams.map(({ first }) => first?.path)).toEqual(["/session", "/a", "/b"]);
    expect(peer.to("/session").first).toMatchObject({ token: "secret" });
  });

  it("whose source fails is no connection: another is tried, and the error says why", async () => {
    const token = vi.fn(async () => "good").mockRejectedValueOnce(new Error("not logged in"));
    const { mdm, redialed } = dialing({ token });
    const errors: string[] = [];
    mdm.on("reconnecting", ({ error }) => errors.push(error.message));
    expect(await shown((await redialed(1)).peer)).toBe("good");
    expect(errors).toEqual([expect.stringMatching(/^lost: no connection to .*no token \(Error: not logged in\)$/)]);
    const once = dialing({ token: () => Promise.reject(new Error("not logged in")), reconnect: false });
    expect(await outcome(once.mdm.ready)).toBe("lost");
    expect(once.dials).toHaveLength(0);
  });

  it("may be none", async () => {
    const { redialed } = dialing({ token: () => undefined });
    expect(await (await redialed(1)).peer.opened("/session")).toMatchObject({
      first: { path: "/session", capabilities: [] },
    });
  });

  it("that is too long is refused where it is given", async () => {
    const token = "x".repeat(8192);
    expect(() => dial({ token })).toThrow("bad_request");
    const { mdm, peer } = await up();
    await expect(mdm.renew(token)).rejects.toMatchObject({ code: "bad_request" });
    await settle();
    expect(peer.to("/session").notes).toEqual([]);
  });

  it("threat_17_stands_in_no_url_no_error_and_no_log", async () => {
    const said: unknown[] = [];
    for (const method of ["debug", "error", "warn", "log", "info"] as const)
      vi.spyOn(console, method).mockImplementation((...words) => void said.push(...words));
    const { mdm, peer, url, protocols } = dial({ token: "s3cret", debug: true });
    mdm.on("error", (error) => said.push(error.message, error.stack));
    mdm.on("close", ({ reason }) => said.push(reason));
    await peer.opened("/session");
    refuse(peer);
    await until("the end", () => mdm.state === "closed");
    expect(peer.to("/session").first?.token).toBe("s3cret");
    expect(said.length).toBeGreaterThan(2);
    expect([url, protocols, JSON.stringify(said), JSON.stringify(peer.closedWith)].join()).not.toContain("s3cret");
  });
});

describe("a new token", () => {
  it("is what the function gives when the proxy asks; streams go on", async () => {
    const token = source();
    const { mdm, peer } = await up(await first(token));
    const told: unknown[] = [];
    mdm.on("token", (leftMs) => told.push(leftMs));
    const stream = mdm.createStream();
    (await peer.opened("/")).frame({});
    peer.to("/session").frame({ note: "token", value: 12_000 });
    await until("the note", () => peer.to("/session").notes.length === 1);
    expect(peer.to("/session").notes).toEqual([{ note: "token", value: "token 2" }]);
    expect([told, token.mock.calls.length]).toEqual([[12_000], 2]);
    expect(await outcome(stream.opened)).toBe("ok");
    expect([mdm.state, peer.to("/").isOver]).toEqual(["open", false]);
  });

  it("is the program's to give where there is no function, now and on later connections", async () => {
    const { mdm, peer, redialed } = await up(dial({ token: "old" }));
    mdm.on("token", () => void mdm.renew("new"));
    peer.to("/session").frame({ note: "token", value: 1000 });
    await until("the note", () => peer.to("/session").notes.length === 1);
    expect(peer.to("/session").notes).toEqual([{ note: "token", value: "new" }]);
    peer.cut();
    expect(await shown((await redialed(2)).peer)).toBe("new");
  });

  it("that is given while there is no connection is what the next one is introduced with", async () => {
    const { mdm, peer, socket } = dial({ hold: true, token: "old" });
    mdm.createStream();
    await mdm.renew("new");
    socket.onopen?.({});
    await peer.opened("/");
    expect(await shown(peer)).toBe("new");
    expect(peer.to("/session").notes).toEqual([]);
  });

  it("threat_17_is_not_undone_by_an_older_answer_that_comes_late", async () => {
    const answers: ((token: string) => void)[] = [];
    const { mdm, redialed } = dialing({ token: () => new Promise((resolve) => answers.push(resolve)) });
    answers[0]?.("T0");
    const { peer } = await redialed(1);
    await greet(peer);
    // The proxy asks, the function is slow, and meanwhile the program gives one by itself.
    peer.to("/session").frame({ note: "token", value: 60_000 });
    await until("asked", () => answers.length === 2);
    await mdm.renew("T2");
    answers[1]?.("T1");
    await settle();
    expect(peer.to("/session").notes.map(({ value }) => value)).not.toContain("T1");
    expect(peer.to("/session").notes.at(-1)).toEqual({ note: "token", value: "T2" });
    peer.cut();
    expect(await shown((await redialed(2)).peer)).toBe("T2");
  });

  it("may come from another function", async () => {
    const { mdm, peer, redialed } = await up(dial({ token: "old" }));
    await mdm.renew(async () => "from a function");
    await until("the note", () => peer.to("/session").notes.length === 1);
    peer.cut();
    expect(await shown((await redialed(2)).peer)).toBe("from a function");
  });

  it("whose source fails is asked for again every ten seconds, and the console says so", async () => {
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const token = vi.fn(async () => "good");
    const { peer, mdm } = await up(await first(token));
    token.mockRejectedValueOnce(new Error("offline")).mockRejectedValueOnce(new Error("offline"));
    peer.to("/session").frame({ note: "token", value: 60_000 });
    await settle();
    expect(token).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(token).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(10_001);
    await until("the note", () => peer.to("/session").notes.length === 1);
    expect([token.mock.calls.length, errors.mock.calls.length]).toEqual([4, 2]);
    expect(mdm.state).toBe("open");
  });

  it("rejects with what the function throws, and what the proxy makes of one is told", async () => {
    const { mdm, peer } = await up(dial({ token: "old" }));
    const who: unknown[] = [];
    mdm.on("renewed", (said) => who.push(said));
    const why: unknown[] = [];
    mdm.on("refused", (said) => why.push(said));
    await expect(mdm.renew(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    peer.to("/session").frame({ note: "refused", value: { code: "unauthorized", message: "bad signature" } });
    await until("told", () => why.length === 1);
    expect([why, mdm.state]).toEqual([[{ code: "unauthorized", message: "bad signature" }], "open"]);
    peer.to("/session").frame({ note: "renewed", value: { sub: "ann", expires_ms: 60_000 } });
    await until("told", () => who.length === 1);
    expect([who, why.length]).toEqual([[{ sub: "ann", expires_ms: 60_000 }], 1]);
  });
});

describe("a refusal", () => {
  it.each(["unauthorized", "forbidden"])(
    "%s of a token that is a text is the end: told once, for what waits and what comes",
    async (code) => {
      const { mdm, peer, dials } = dial({ token: "old" });
      const seen = record(mdm);
      const ends = waiting(mdm);
      await peer.opened("/session");
      refuse(peer, code);
      expect(await Promise.all(ends)).toEqual([code, code, code, code]);
      expect(await outcome(mdm.createStream().opened)).toBe(code);
      expect(seen).toEqual(["open", "open!", `error ${code}`, "closed", "close 4001"]);
      expect([dials.length, vi.getTimerCount(), peer.closedWith]).toEqual([1, 0, { code: 4001, reason: code }]);
    },
  );

  it("has a function asked once more, over another connection, and what waits goes on there", async () => {
    const { mdm, dials, redialed, ...one } = await first(source());
    const seen = record(mdm);
    const server = StreamServer(mdm).listen("NAME");
    const stream = StreamClient(mdm).connect("NAME");
    await one.peer.opened(LISTEN);
    await one.peer.opened(CONNECT);
    refuse(one.peer);
    // As the proxy does: whatever waited for the judgement is refused with it.
    for (const path of [LISTEN, CONNECT])
      one.peer
        .to(path)
        .frame({ error: { code: "unauthorized" } })
        .finish();
    const { peer } = await redialed(2);
    expect(await shown(peer)).toBe("token 2");
    await greet(peer);
    (await peer.opened(LISTEN)).frame({ id: "claim" });
    (await peer.opened(CONNECT)).frame({ id: "u" });
    expect([await outcome(server.listening), await outcome(stream.opened)]).toEqual(["ok", "ok"]);
    expect(seen).toEqual(["waiting", [1, 0, "unauthorized"], "connecting", "open", "open!"]);
    expect(one.peer.closedWith).toEqual({ code: 4001, reason: "unauthorized" });
    expect(dials).toHaveLength(2);
  });

  it("of what the function gave then is the end, and after a welcome it is asked again", async () => {
    const { mdm, peer, redialed, dials } = await first(source());
    const seen = record(mdm);
    await peer.opened("/session");
    refuse(peer);
    const second = await redialed(2);
    await greet(second.peer);
    await settle();
    second.peer.to("/session").frame({ note: "bye", value: "unauthorized" });
    await settle();
    await vi.advanceTimersByTimeAsync(50);
    const third = await redialed(3);
    await third.peer.opened("/session");
    expect(seen).not.toContain("error unauthorized");
    refuse(third.peer);
    await until("the end", () => mdm.state === "closed");
    expect(seen.slice(-3)).toEqual(["error unauthorized", "closed", "close 4001"]);
    expect(await outcome(StreamClient(mdm).connect("NAME").opened)).toBe("unauthorized");
    expect([dials.length, vi.getTimerCount()]).toEqual([3, 0]);
  });

  it.each(["busy", "timeout", "internal", "limit"])(
    "%s says nothing of the token: it is shown again, ever later",
    async (code) => {
      const { mdm, redialed, ...one } = dial({ token: "old" });
      const seen = record(mdm);
      let { peer } = one;
      for (let count = 2; count < 5; count++) {
        await peer.opened("/session");
        refuse(peer, code);
        await settle();
        await vi.advanceTimersByTimeAsync(5000);
        ({ peer } = await redialed(count));
      }
      expect(await shown(peer)).toBe("old");
      expect(seen.filter(Array.isArray)).toEqual([
        [1, 0, code],
        [2, 50, code],
        [3, 100, code],
      ]);
    },
  );

  it("is no matter where the proxy has no session streams", async () => {
    for (const says of [(peer: Peer) => refuse(peer, "not_found"), (peer: Peer) => peer.to("/session").reset(0)]) {
      const { mdm, peer } = dial({ token: "old" });
      await peer.opened("/session");
      says(peer);
      await settle();
      await mdm.renew("new");
      expect([mdm.state, peer.closedWith]).toEqual(["open", undefined]);
    }
  });
});

describe("a token that ends", () => {
  it("without a function ends everything: told, and no other connection follows", async () => {
    const { mdm, peer, dials } = await up(dial({ token: "old" }));
    const seen = record(mdm);
    mdm.on("bye", (code) => seen.push(`bye ${code}`));
    const stream = mdm.createStream();
    (await peer.opened("/")).frame({});
    await stream.opened;
    peer.to("/session").frame({ note: "bye", value: "unauthorized" });
    expect(await outcome(stream.closed)).toBe("unauthorized");
    expect(seen).toEqual(["bye unauthorized", "error unauthorized", "closed", "close 4001"]);
    expect([dials.length, vi.getTimerCount()]).toEqual([1, 0]);
  });

  it("has a function asked, ever later where that does not last, and the name comes along", async () => {
    const { mdm, redialed, ...one } = await first(source());
    const seen = record(mdm);
    const server = StreamServer(mdm).listen("NAME");
    let { peer } = one;
    for (let count = 2; count < 5; count++) {
      await greet(peer);
      (await peer.opened(LISTEN)).frame({ id: "claim", lease: { secret: "s" } });
      await server.listening;
      await settle();
      peer.to("/session").frame({ note: "bye", value: "unauthorized" });
      await settle();
      await vi.advanceTimersByTimeAsync(5000);
      ({ peer } = await redialed(count));
      expect(await shown(peer)).toBe(`token ${count}`);
    }
    expect((await peer.opened(LISTEN)).first).toMatchObject({ lease: { secret: "s" } });
    expect(seen.filter(Array.isArray).map(([attempt, delay]) => [attempt, delay])).toEqual([
      [1, 0],
      [2, 50],
      [3, 100],
    ]);
  });

  it("with a proxy's other goodbyes has nothing to do", async () => {
    const { mdm, peer } = await up(dial({ token: "old" }));
    peer.to("/session").frame({ note: "bye", value: 1012 });
    await settle();
    expect(mdm.state).toBe("open");
  });
});

describe("who connects", () => {
  it("threat_32_is_the_proxys_word_for_the_server", async () => {
    const { mdm, peer } = await up();
    const asked: unknown[] = [];
    const accept = ({ peer }: { peer: { sub?: string } | undefined }) => {
      asked.push(peer?.sub);
      return true;
    };
    const served: unknown[] = [];
    StreamServer(mdm, { accept }, (stream) => served.push(stream.peer?.sub)).listen("NAME");
    (await peer.opened(LISTEN)).frame({ id: "claim" });
    const path = "/browser-server/accept/NAME";
    peer.open({ path, id: "u", meta: { sub: "mallory" }, peer: { session: "s", sub: "alice" } });
    await until("served", () => served.length === 1);
    expect([asked, served]).toEqual([["alice"], ["alice"]]);
  });
});

/** As {@link dial} for a function, with the first connection. */
async function first(token: () => string | Promise<string>) {
  const dialed = dialing({ token });
  return { ...dialed, ...(await dialed.redialed(1)) };
}
