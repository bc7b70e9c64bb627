import { describe, expect, it, vi } from "vitest";
import { type MuxDemux, StreamServer } from "../src/index.ts";
import { sessionOf } from "../src/mux-demux.ts";
import { holdClock } from "./clock.ts";
import { asked, holding, LEASE, LISTEN, record, shown } from "./holding.ts";
import { dial, outcome, type Peer, settle, until } from "./peer.ts";
import { vectors } from "./vectors.ts";

holdClock();

describe("a claim", () => {
  it("asks for a lease and says which life of a server it is", async () => {
    const { control } = await holding();
    expect(control.first).toEqual({
      path: LISTEN,
      instance: expect.stringMatching(/^[0-9a-f]{32}$/),
      attempt: 0,
      lease: true,
    });
  });

  it("may do without a lease, and may wait in line", async () => {
    const { mdm, peer } = dial();
    StreamServer(mdm).listen("NAME", { lease: false, standby: true });
    expect((await peer.opened(LISTEN)).first).toMatchObject({ lease: false, standby: true });
  });

  it("waits for the first connection for as long as it takes", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const { mdm, redialed } = dial({ hold: true });
    const server = StreamServer(mdm).listen("NAME");
    await vi.advanceTimersByTimeAsync(600_000);
    // One every 15 s.
    const last = await redialed(41);
    last.socket.onopen?.({});
    (await last.peer.opened(LISTEN)).frame({ id: "claim" });
    expect(await server.listening).toEqual({ name: "NAME", id: "claim" });
  });
});

describe("after a drop", () => {
  it("the name is claimed anew with the lease and a rising attempt, clients_max and pause are said again", async () => {
    const { server, peer, redialed, seen } = await holding();
    server.pause();
    let last: Peer = peer;
    for (let attempt = 1; attempt < 4; attempt++) {
      last.cut();
      last = (await redialed(attempt + 1)).peer;
      const control = await last.opened(LISTEN);
      expect(asked(control)).toEqual(shown(attempt));
      await until("the notes", () => control.notes.length === 2);
      expect(control.notes).toEqual([{ note: "clients_max", value: 10_000 }, { note: "pause" }]);
      (await last.opened("/session")).frame({ session: "s" });
      control.frame({ id: "claim", lease: LEASE });
      await until("resumed", () => seen.length === 1 + 2 * attempt);
    }
    expect(seen.slice(0, 3)).toEqual(["listening NAME claim", "suspended", "resumed NAME claim"]);
    expect(await server.listening).toEqual({ name: "NAME", id: "claim" });
  });

  it("clients come over the new connection", async () => {
    const { server, peer, redialed } = await holding();
    peer.cut();
    const next = (await redialed(2)).peer;
    (await next.opened(LISTEN)).frame({ id: "claim", lease: LEASE });
    const client = next.open({ path: "/browser-server/accept/NAME", id: "u" }).send("hello");
    await until("the echo", () => client.text === "hello");
    expect(server.clients).toBe(1);
  });

  it("a lease that the proxy replaced is shown from then on", async () => {
    const { peer, redialed, seen } = await holding();
    peer.cut();
    const second = (await redialed(2)).peer;
    const other = { ...LEASE, mac: "cd".repeat(32) };
    (await second.opened("/session")).frame({ session: "s" });
    (await second.opened(LISTEN)).frame({ id: "claim", lease: other });
    await until("resumed", () => seen.includes("resumed NAME claim"));
    second.cut();
    expect(asked(await (await redialed(3)).peer.opened(LISTEN))).toEqual({ attempt: 2, lease: other });
  });

  it("without a lease from the proxy the name is asked for as at first, by the same instance", async () => {
    const { mdm, peer, redialed } = dial();
    const server = StreamServer(mdm).listen("NAME");
    const control = await peer.opened(LISTEN);
    (await peer.opened("/session")).frame({});
    control.frame({ id: "claim" });
    await server.listening;
    peer.cut();
    const next = await (await redialed(2)).peer.opened(LISTEN);
    expect(next.first).toEqual({ ...control.first, attempt: 1 });
  });

  it("a claim that waits in line, or had no answer yet, is asked again", async () => {
    const { mdm, peer, redialed, dials } = dial();
    const server = StreamServer(mdm).listen("NAME", { standby: true });
    const seen = record(server);
    await peer.opened(LISTEN);
    peer.cut();
    await vi.advanceTimersByTimeAsync(100);
    const next = (await redialed(2)).peer;
    (await next.opened(LISTEN)).frame({ id: "claim", lease: LEASE });
    await server.listening;
    expect([seen, dials.length]).toEqual([["listening NAME claim"], 2]);
  });

  it.each(["name_taken", "name_reserved", "forbidden"])("a name that is refused now (%s) is over", async (code) => {
    const { server, peer, redialed, seen } = await holding();
    peer.cut();
    (await (await redialed(2)).peer.opened(LISTEN)).frame({ error: { code } }).finish();
    expect(await outcome(server.closed)).toBe(code);
    expect(seen).toEqual(["listening NAME claim", "suspended", code, "close"]);
  });

  it("a lease that is too long to be shown is the end, not a fault of the page", async () => {
    const { mdm, peer, redialed } = dial();
    const server = StreamServer(mdm).listen("NAME");
    (await peer.opened("/session")).frame({});
    (await peer.opened(LISTEN)).frame({ id: "claim", lease: { mac: "x".repeat(8100) } });
    await server.listening;
    peer.cut();
    expect(await outcome(server.closed)).toBe("bad_request");
    await redialed(2);
  });

  it("a proxy that drains while it is asked is no refusal", async () => {
    const { server, peer, redialed } = await holding();
    peer.cut();
    const second = (await redialed(2)).peer;
    (await second.opened(LISTEN)).frame({ error: { code: "draining" } }).finish();
    (await second.opened("/session")).frame({ note: "x" });
    await settle();
    second.cut();
    await vi.advanceTimersByTimeAsync(5000);
    const third = (await redialed(3)).peer;
    const control = await third.opened(LISTEN);
    expect(asked(control)).toEqual(shown(2));
    control.frame({ id: "claim", lease: LEASE });
    const client = third.open({ path: "/browser-server/accept/NAME", id: "u" });
    await until("the reply", () => client.first);
    expect(server.clients).toBe(1);
  });
});

describe("threat_33", () => {
  it("threat_33_who_is_superseded_stops_reports_and_never_claims_again", async () => {
    const { server, peer, control, redialed, seen } = await holding();
    control.frame({ note: "superseded" }).finish();
    expect(await outcome(server.closed)).toBe("superseded");
    peer.cut();
    const next = (await redialed(2)).peer;
    await next.opened("/session");
    await settle();
    expect(next.streams).toHaveLength(1);
    expect(seen).toEqual(["listening NAME claim", "superseded", "close"]);
  });

  it("threat_33_an_attempt_that_was_outbid_is_the_end", async () => {
    const { server, peer, redialed } = await holding();
    peer.cut();
    const next = (await redialed(2)).peer;
    (await next.opened(LISTEN)).frame({ error: { code: "superseded" } }).finish();
    expect(await outcome(server.closed)).toBe("superseded");
    next.cut();
    await vi.advanceTimersByTimeAsync(5000);
    const third = (await redialed(3)).peer;
    await third.opened("/session");
    await settle();
    expect(third.streams).toHaveLength(1);
  });

  it("threat_33_a_lease_can_be_shown_elsewhere_and_outbids_its_other_holder", async () => {
    const { server } = await holding();
    const { mdm, peer } = dial();
    StreamServer(mdm).listen("NAME", { lease: server.lease });
    expect(asked(await peer.opened(LISTEN))).toEqual(shown(1));
  });
});

describe("a proxy that drains", () => {
  async function drained() {
    const held = await holding();
    held.peer.to("/session").frame({ note: "drain", value: { after_ms: 10 } });
    await until("the note", () => held.mdm.state === "waiting");
    await vi.advanceTimersByTimeAsync(10);
    const next = (await held.redialed(2)).peer;
    return { ...held, next, moved: await next.opened(LISTEN) };
  }

  it("threat_20_loses_the_name_to_the_next_connection_without_a_gap", async () => {
    const { control, moved, next, peer, seen, server } = await drained();
    expect(asked(moved)).toEqual(shown(1));
    // The two connections may tell in any order.
    control.frame({ note: "superseded" }).finish();
    await settle();
    moved.frame({ id: "claim", lease: LEASE });
    const client = next.open({ path: "/browser-server/accept/NAME", id: "u" });
    await until("the reply", () => client.first);
    await until("the old connection's end", () => peer.closedWith);
    expect([seen, server.clients]).toEqual([["listening NAME claim"], 1]);
  });

  it("threat_30_finishes_its_clients_on_the_old_connection_while_new_ones_come_on_the_next", async () => {
    const held = await holding();
    const old = held.peer.open({ path: "/browser-server/accept/NAME", id: "u" });
    await until("the old one", () => old.first);
    held.peer.to("/session").frame({ note: "drain", value: { after_ms: 10 } });
    await until("the note", () => held.mdm.state === "waiting");
    await vi.advanceTimersByTimeAsync(10);
    const next = (await held.redialed(2)).peer;
    (await next.opened(LISTEN)).frame({ id: "claim", lease: LEASE });
    held.control.frame({ note: "superseded" }).finish();
    const fresh = next.open({ path: "/browser-server/accept/NAME", id: "v" }).send("new");
    old.send("old");
    await until("both echoes", () => old.text === "old" && fresh.text === "new");
    old.finish();
    await until("the old connection's end", () => held.peer.closedWith);
    expect(old.resetCode).toBeUndefined();
  });

  it("is a suspension where the old connection ends before the next has the name", async () => {
    const { peer, moved, seen } = await drained();
    peer.cut(1012);
    await settle();
    moved.frame({ id: "claim", lease: LEASE });
    await until("resumed", () => seen.length === 3);
    expect(seen).toEqual(["listening NAME claim", "suspended", "resumed NAME claim"]);
  });
});

describe("giving the name up", () => {
  it("while there is no connection claims it once more, to have it freed", async () => {
    const { server, peer, redialed } = await holding();
    peer.cut();
    const closed = server.end();
    const control = await (await redialed(2)).peer.opened(LISTEN);
    await until("the finish", () => control.isFinished);
    control.frame({ id: "claim", lease: LEASE }).finish();
    expect(await outcome(closed)).toBe("ok");
  });

  it("leaves nothing of it with the connection", async () => {
    const { mdm, server, control } = await holding();
    expect(sessionOf(mdm).leaving.size).toBe(1);
    void server.end();
    await until("the finish", () => control.isFinished);
    control.finish();
    await server.closed;
    expect(sessionOf(mdm).leaving.size).toBe(0);
  });

  it("is done where the name was lost meanwhile", async () => {
    const { server, peer, redialed } = await holding();
    peer.cut();
    const closed = server.end();
    (await (await redialed(2)).peer.opened(LISTEN)).frame({ error: { code: "name_taken" } }).finish();
    expect(await outcome(closed)).toBe("ok");
  });

  it("comes with close(): the name is finished before the connection is", async () => {
    const { mdm, peer, control, server } = await holding();
    mdm.close();
    await until("the close", () => peer.closedWith);
    expect(control.isFinished).toBe(true);
    expect(await outcome(server.closed)).toBe("lost");
  });

  it("by a signal while the name is being given refuses who comes meanwhile", async () => {
    const { mdm, peer } = dial();
    const abort = new AbortController();
    const server = StreamServer(mdm, () => expect.fail("nobody may come")).listen("NAME", { signal: abort.signal });
    const control = await peer.opened(LISTEN);
    abort.abort();
    expect(await outcome(server.listening)).toBe("cancelled");
    control.frame({ id: "claim", lease: LEASE });
    const client = peer.open({ path: "/browser-server/accept/NAME", id: "u" });
    await until("the refusal", () => client.first);
    expect(client.first?.error).toMatchObject({ code: "gone" });
  });

  it("by a signal before the connection is there leaves no trace", async () => {
    const { mdm, peer, socket } = dial({ hold: true });
    const abort = new AbortController();
    const server = StreamServer(mdm).listen("NAME", { signal: abort.signal });
    abort.abort();
    expect(await outcome(server.listening)).toBe("cancelled");
    socket.onopen?.({});
    await peer.opened("/session");
    await settle();
    expect(peer.streams).toHaveLength(1);
  });
});

it("a lease goes back as it came, whatever is in it", async () => {
  const { made } = vectors<{ made: { prefix: string; lease: { name: string } }[] }>("lease");
  for (const { prefix, lease } of made) {
    const { mdm, peer, redialed } = dial();
    const server = StreamServer(mdm, { prefix }).listen(lease.name);
    const path = `${prefix}/listen/${encodeURIComponent(lease.name)}`;
    (await peer.opened("/session")).frame({});
    (await peer.opened(path)).frame({ id: "claim", lease });
    await server.listening;
    peer.cut();
    expect(asked(await (await redialed(2)).peer.opened(path))).toEqual({ attempt: 1, lease });
  }
  expect(made.length).toBeGreaterThan(0);
});

it("a lock is held as long as the name is, across drops", async () => {
  const held: Promise<unknown>[] = [];
  const request = vi.fn((_name: string, _options: object, until: () => Promise<unknown>) => {
    held.push(until());
    return held.at(-1);
  });
  vi.stubGlobal("navigator", { locks: { request } });
  const { server, peer, redialed } = await holding();
  peer.cut();
  const next = await (await redialed(2)).peer.opened(LISTEN);
  next.frame({ id: "claim", lease: LEASE });
  await settle();
  expect(request.mock.calls.map(([name, options]) => [name, options])).toEqual([
    ["browser-stream-server", { mode: "shared" }],
  ]);
  expect(await Promise.race([held[0], settle().then(() => "held")])).toBe("held");
  void server.end();
  await until("the finish", () => next.isFinished);
  next.finish();
  await server.closed;
  expect(await Promise.race([held[0]?.then(() => "free"), settle()])).toBe("free");
});

it("a server made before the connection was lost for good hears of it", async () => {
  const { mdm, peer } = dial({ reconnect: false });
  const server = StreamServer(mdm as MuxDemux).listen("NAME");
  const seen = record(server);
  (await peer.opened(LISTEN)).frame({ id: "claim", lease: LEASE });
  await server.listening;
  peer.cut();
  expect(await outcome(server.closed)).toBe("lost");
  expect(seen).toEqual(["listening NAME claim", "lost", "close"]);
});
