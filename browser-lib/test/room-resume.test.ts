import { describe, expect, it, vi } from "vitest";
import { Room } from "../src/room/index.ts";
import { holdClock } from "./clock.ts";
import { dial, outcome, settle, until } from "./peer.ts";
import { events, heard, ID, joined, joining, reply, resume, SECRET, take, tells, told } from "./room-peer.ts";

holdClock();

describe("over a drop of the connection", () => {
  it("shows its seat with what came, says what the proxy has not got, and hears what it missed, in order, once", async () => {
    const { room, far, peer, redialed } = await joined({ as: "me" }, 2);
    const seen = told(room);
    const got: unknown[] = [];
    room.on("chat", (_, text) => got.push(text));
    for (const text of ["a", "b", "c"]) room.emit("chat", text);
    far
      .send(tells.event(2, "chat", 1))
      .send(tells.volatile(2, "chat", "v"))
      .send(tells.event(2, "chat", 2));
    await until("two", () => got.length === 3 && heard(far).length === 3);
    far.send(tells.got(1));
    await settle();
    peer.cut();
    await until("suspended", () => !room.live);
    expect([room.me?.live, room.emit("chat", "d"), room.volatile.emit("chat", "v")]).toEqual([false, true, false]);
    const next = await joining((await redialed(2)).peer);
    expect(next.first?.room).toEqual({ profile: "me", seat: { id: ID, secret: SECRET, got: 2 } });
    await settle();
    expect(heard(next)).toEqual([]);
    resume(next, 2);
    await until("the rest", () => events(next).length === 2);
    next.send(tells.event(2, "chat", 3)).send(tells.event(2, "chat", 4));
    await until("all", () => got.length === 5);
    expect([events(next), got, seen]).toEqual([
      [
        ["chat", "c"],
        ["chat", "d"],
      ],
      [1, "v", 2, 3, 4],
      ["suspended", "resumed"],
    ]);
    expect([room.live, room.me?.live, room.id]).toEqual([true, true, ID]);
  });

  it("counts on over several, and what was acknowledged is not said again", async () => {
    const { room, peer, far, dials } = await joined({}, 2);
    const got: unknown[] = [];
    room.on("n", (_, n) => got.push(n));
    room.emit("x", 0);
    await until("it", () => events(far).length === 1);
    let cut = peer;
    for (let round = 1; round <= 4; round++) {
      cut.cut();
      // A connection that was not proven is dialed later and later.
      await vi.advanceTimersByTimeAsync(5000);
      await until("a dial", () => dials.length === round + 1);
      cut = dials[round]?.peer ?? cut;
      const next = await joining(cut);
      expect(next.first?.room).toMatchObject({ seat: { got: round - 1 } });
      resume(next, round);
      room.emit("x", round);
      await until("it", () => events(next).length === 1);
      next.send(tells.event(2, "n", round));
      await until("one more", () => got.length === round);
      expect(events(next)).toEqual([["x", round]]);
    }
    expect(got).toEqual([1, 2, 3, 4]);
  });

  it("hears how much is lost, and what that changed among the members", async () => {
    const { room, peer, redialed } = await joined({}, 2, 3);
    const seen = told(room);
    const [two, me] = [room.members.get("m2"), room.me];
    peer.cut();
    const next = await joining((await redialed(2)).peer);
    next.frame(reply({ resumed: true, lost: 300, members: 3 }));
    next
      .send(tells.member(1, { id: ID }))
      .send(tells.member(2, { id: "m2", profile: "new" }, 0))
      .send(tells.member(9));
    next.send(tells.event(9, "chat"));
    await until("it is told", () => seen.length === 7);
    expect(seen).toEqual([
      "suspended",
      "resumed",
      ["lost", 300],
      ["leave", "m3", "left", ""],
      ["join", "m9"],
      ["profile", "m2", "new"],
      ["live", "m2", false],
    ]);
    expect([room.members.get("m2"), room.me, room.members.size]).toEqual([two, me, 3]);
    await vi.advanceTimersByTimeAsync(500);
    await until("the count", () => heard(next).length === 1);
    expect(heard(next)).toEqual([{ got: 301 }]);
  });

  it("threat_22_is_told_while_it_is_too_slow, too: what is left out counts as received", async () => {
    const { room, far } = await joined({}, 2);
    const seen = told(room);
    far.send(tells.event(2, "x")).send(tells.lost(40)).send(tells.event(2, "x"));
    await until("told", () => seen.length === 1);
    await vi.advanceTimersByTimeAsync(500);
    await until("the count", () => heard(far).length === 1);
    expect([seen, heard(far)]).toEqual([[["lost", 40]], [{ got: 42 }]]);
  });

  it.each([
    ["lagging", 18],
    ["limit", 8],
  ])("takes its seat again on the same connection when it was reset `%s`", async (_, code) => {
    const { room, far, peer } = await joined({}, 2);
    const seen = told(room);
    far.reset(code);
    await until("another join", () => peer.streams.filter(({ first }) => first?.room).length === 2);
    resume(await joining(peer), 0);
    await until("back", () => seen.length === 2);
    expect(seen).toEqual(["suspended", "resumed"]);
  });

  it("is over where it was reset `limit` and its seat is not kept: then it said too much", async () => {
    const { room, far, peer } = await joined({}, 2);
    const seen = told(room);
    const again = async (count: number) => {
      await until("another join", () => peer.streams.filter(({ first }) => first?.room).length === count);
      return await joining(peer);
    };
    far.reset(8);
    const next = resume(await again(2), 0);
    await until("back", () => seen.length === 2);
    expect([seen, room.live]).toEqual([["suspended", "resumed"], true]);
    // An event that is too long is reset in the same way, and its sender has left.
    next.reset(8);
    const unknown = take(await again(3), 2);
    expect(await outcome(room.closed)).toBe("limit");
    await until("the reset", () => unknown.resetCode !== undefined);
  });

  it("cut again before it knows the room in which it is new, is new there all the same", async () => {
    const { room, far, peer, redialed } = await joined({}, 2);
    const seen = told(room);
    room.emit("acknowledged");
    room.to("m2").emit("waits");
    await until("both", () => heard(far).length === 2);
    far.send(tells.got(1));
    await settle();
    peer.cut();
    const second = (await redialed(2)).peer;
    (await second.opened("/session")).frame({});
    (await joining(second)).frame({ ...reply({ members: 2, number: 8, secret: "f".repeat(32) }), id: "new" });
    await settle();
    second.cut();
    const last = await joining((await redialed(3)).peer);
    expect(last.first?.room).toMatchObject({ seat: { id: "new", got: 0 } });
    last.frame({ ...reply({ resumed: true, members: 2, number: 8 }), id: "new" });
    last.send(tells.member(7, { id: "m2" })).send(tells.member(8, { id: "new" }));
    await until("sent anew", () => heard(last).length === 1);
    expect(heard(last)).toEqual([{ event: "waits", args: [], to: [7] }]);
    expect(seen).toEqual(["suspended", "resumed", ["lost", undefined]]);
    // Its own count begins anew, too.
    const part = new Uint8Array(300_000);
    expect(room.emit("large", part)).toBe(false);
    await until("it", () => heard(last).length === 2);
    last.send(tells.got(2));
    await until("drained", () => seen.length === 4);
    expect([room.id, seen[3]]).toEqual(["new", "drain"]);
  });

  it("where the seat is gone goes on as a new member, says what waited anew and by new numbers, and asks end `lost`", async () => {
    const { room, far, peer, redialed } = await joined({ as: 1 }, 2, 3);
    const seen = told(room);
    room.profile = 2;
    room.to(["m2", "m3"]).emit("some");
    room.to("m3").emit("gone");
    const asked = outcome(room.emitWithAck("x"));
    const waits = outcome(room.to("m2").emitWithAck("y"));
    far.send(tells.asked(1, 2, 3));
    await settle();
    peer.cut();
    await until("suspended", () => !room.live);
    const next = await joining((await redialed(2)).peer);
    expect(next.first?.room).toMatchObject({ profile: 2, seat: { id: ID } });
    next.frame({ ...reply({ members: 2, number: 8, secret: "f".repeat(32) }), id: "new" });
    next.send(tells.member(7, { id: "m2" })).send(tells.member(8, { id: "new" }));
    await until("sent anew", () => heard(next).length === 2);
    expect(heard(next)).toMatchObject([
      { event: "some", to: [7] },
      { event: "y", to: [7], ref: 2 },
    ]);
    next
      .send(tells.asked(2, 7))
      .send(tells.answer(2, 7, "ok"))
      .send(tells.got(2));
    expect([await asked, await waits, room.id, room.me?.id]).toEqual(["lost", "ok", "new", "new"]);
    await settle();
    expect(seen).toEqual(["suspended", "resumed", ["lost", undefined], ["leave", "m3", "left", ""]]);
  });

  it("asks for the members again where it broke before they were there, and tells the rest once", async () => {
    const { mdm, peer, redialed } = dial();
    (await peer.opened("/session")).frame({});
    const room = Room(mdm).join("NAME");
    const seen = told(room);
    room.to("m2").emit("early");
    (await joining(peer)).frame(reply({ members: 2 })).send(tells.member(1, { id: ID }));
    await settle();
    peer.cut();
    const { peer: second } = await redialed(2);
    (await second.opened("/session")).frame({});
    const next = await joining(second);
    expect(next.first?.room).toEqual({ seat: { id: ID, secret: SECRET, got: 0 } });
    next
      .frame(reply({ resumed: true, members: 2 }))
      .send(tells.member(2))
      .send(tells.member(1, { id: ID }));
    await room.joined;
    await until("what waited", () => heard(next).length === 1);
    expect([heard(next), seen]).toEqual([[{ event: "early", args: [], to: [2] }], []]);
    next.send(tells.event(2, "x"));
    await settle();
    second.cut();
    const { peer: third } = await redialed(3);
    (await third.opened("/session")).frame({});
    (await joining(third)).frame(reply({ resumed: true, got: 1, lost: 5, members: 2 })).send(tells.member(2));
    await settle();
    third.cut();
    const last = await joining((await redialed(4)).peer);
    expect(last.first?.room).toMatchObject({ seat: { got: 1 } });
    last.frame(reply({ resumed: true, got: 1, lost: 6, members: 1 })).send(tells.member(1, { id: ID }));
    await until("back", () => seen.length === 4);
    expect(seen).toEqual(["suspended", "resumed", ["lost", 6], ["leave", "m2", "left", ""]]);
  });

  it("leaves when it is back, and does not come back to leave", async () => {
    const { room, peer, redialed } = await joined({}, 2);
    peer.cut();
    await until("suspended", () => !room.live);
    room.emit("before");
    const left = room.leave("bye");
    const next = resume(await joining((await redialed(2)).peer), 0);
    await until("the finish", () => next.isFinished);
    expect(heard(next)).toEqual([
      { event: "before", args: [] },
      { leave: 0, text: "bye" },
    ]);
    next.finish();
    await left;

    const late = await joined({}, 2);
    late.peer.cut();
    await until("suspended", () => !late.room.live);
    const gone = late.room.leave();
    const unknown = take(await joining((await late.redialed(2)).peer), 2);
    await gone;
    await until("the reset", () => unknown.resetCode !== undefined);
    expect(heard(unknown)).toEqual([]);
  });

  it("ends with the connection for good", async () => {
    const { room, mdm, peer } = await joined({}, 2);
    const seen = told(room);
    peer.cut();
    await until("suspended", () => !room.live);
    mdm.close();
    expect(await outcome(room.closed)).toBe("ok");
    expect(seen).toEqual(["suspended", "close"]);
  });

  it("threat_33_a_seat_that_another_connection_took_ends_here", async () => {
    const { room, far } = await joined({}, 2);
    far.reset(13);
    expect(await outcome(room.closed)).toBe("superseded");
    expect(() => room.emit("x")).toThrow("gone");
  });
});

describe("to another connection, while this one lives", () => {
  it("goes over at once when the proxy will go down, without a gap", async () => {
    const { room, far, peer, redialed } = await joined({}, 2);
    const seen = told(room);
    const got: unknown[] = [];
    room.on("n", (_, n) => got.push(n));
    far.send(tells.event(2, "n", 1));
    await until("one", () => got.length === 1);
    peer.to("/session").frame({ note: "drain" });
    const second = (await redialed(2)).peer;
    await settle();
    // Until the other one is proven, all goes on here.
    far.send(tells.event(2, "n", 2));
    await until("two", () => got.length === 2);
    (await second.opened("/session")).frame({});
    const next = await joining(second);
    expect(next.first?.room).toMatchObject({ seat: { got: 2 } });
    room.emit("while it moves");
    resume(next, 0).send(tells.event(2, "n", 3));
    await until("three", () => got.length === 3);
    await until("sent", () => events(next).length === 1);
    expect([got, seen, room.live]).toEqual([[1, 2, 3], [], true]);
    await until("the old one is reset", () => far.isOver);
  });
});

describe("moved", () => {
  it("takes its seat to the other room, with what waits, and knows that one's members", async () => {
    const { room, far, peer } = await joined({ as: "me" }, 2);
    const seen = told(room);
    const asked = outcome(room.emitWithAck("x"));
    far.send(tells.asked(1, 2)).send(tells.got(1));
    await settle();
    room.to("m2").emit("to who is not there");
    room.emit("to all");
    far.send(tells.moved("ÖTHER/1")).finish();
    const next = await joining(peer, "/room/join/%C3%96THER%2F1");
    expect(next.first?.room).toEqual({ profile: "me", seat: { id: ID, secret: SECRET, got: 0 } });
    next.frame(reply({ name: "ÖTHER/1", resumed: true, members: 2, number: 5 }));
    next.send(tells.member(4)).send(tells.member(5, { id: ID }));
    next.send(tells.event(4, "chat"));
    await until("moved", () => seen.length === 1);
    await until("what waited", () => heard(next).length === 1);
    expect([seen, room.name, [...room.members.keys()]]).toEqual([[["moved", "ÖTHER/1"]], "ÖTHER/1", ["m4", ID]]);
    expect([events(next), await asked]).toEqual([[["to all"]], "lost"]);
    expect([room.live, far.isFinished]).toEqual([true, true]);
  });
});
