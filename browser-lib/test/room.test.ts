import { describe, expect, it, vi } from "vitest";
import { Room } from "../src/room/index.ts";
import { holdClock } from "./clock.ts";
import { dial, outcome, settle, until } from "./peer.ts";

import { events, heard, ID, joined, joining, PATH, reply, take, tells, told } from "./room-peer.ts";
import { page } from "./up.ts";

holdClock();

describe("joining", () => {
  it("asks by the name's canonical path, with what we say of ourselves, and knows who is there", async () => {
    const { mdm, peer } = dial();
    const room = Room(mdm, { prefix: "/team" }).join("Å/b", { as: { nickname: "日本" }, public: true });
    const far = await joining(peer, "/team/join/%C3%85%2Fb");
    expect(far.first).toEqual({
      path: "/team/join/%C3%85%2Fb",
      room: { profile: { nickname: "日本" }, public: true },
    });
    expect([room.name, room.live, room.me]).toEqual(["Å/b".normalize("NFC"), false, undefined]);
    far.frame(reply({ members: 2 }));
    far.send(tells.member(1, { id: ID, peer: { session: "s", sub: "alice" }, profile: { nickname: "日本" } }));
    far.send(tells.member(7, { id: "other", profile: 3 }, 0));
    await room.joined;
    expect([room.id, room.live, room.me]).toEqual([ID, true, room.members.get(ID)]);
    expect(room.me).toMatchObject({ id: ID, session: "s", sub: "alice", live: true, profile: { nickname: "日本" } });
    expect(room.members.get("other")).toMatchObject({
      id: "other",
      live: false,
      profile: 3,
      session: undefined,
      sub: undefined,
    });
    expect([...room.members.keys()]).toEqual([ID, "other"]);
  });

  it("refuses what is no name, no profile and no connection before anything is opened", () => {
    const { mdm } = dial();
    expect(() => Room(mdm).join("..")).toThrow("a name has");
    expect(() => new Room(mdm).join("x", { as: "x".repeat(4095) })).toThrow("4097 bytes, 4096 at most");
    expect(() => Room(mdm).join("x", { as: () => {} })).toThrow("what JSON can say");
    const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
    expect(() => Room(mdm).join("x", { as: deep(15) })).toThrow("bad_request");
    expect(() => Room(mdm).join("x", { as: deep(14) })).not.toThrow();
    expect(() => Room(mdm, { prefix: "team" })).toThrow("a prefix is a path");
    expect(() => Room({} as never)).toThrow("MuxDemux");
  });

  it("tells why it was refused", async () => {
    const { mdm, peer } = dial();
    const room = Room(mdm).join("NAME");
    const seen = told(room);
    (await joining(peer)).frame({ error: { code: "forbidden", message: "members only" } }).finish();
    await expect(room.joined).rejects.toMatchObject({ code: "forbidden", detail: "members only" });
    expect(await outcome(room.closed)).toBe("forbidden");
    expect(seen).toEqual([["error", "forbidden"], "close"]);
    expect(() => room.emit("x")).toThrow("gone");
  });

  it("is given up by its signal, before anything was asked and after", async () => {
    const { mdm, peer } = dial();
    const abort = new AbortController();
    const early = Room(mdm).join("EARLY", { signal: AbortSignal.abort() });
    const late = Room(mdm).join("LATE", { signal: abort.signal });
    const far = await joining(peer, "/room/join/LATE");
    abort.abort();
    expect([await outcome(early.joined), await outcome(late.joined)]).toEqual(["cancelled", "cancelled"]);
    await until("the reset", () => far.resetCode === 15);
    expect(peer.streams.map(({ first }) => first?.path)).not.toContain("/room/join/EARLY");
  });
});

describe("members", () => {
  it("come, change, go away, come back and leave, each as one object", async () => {
    const { room, far } = await joined();
    const seen = told(room);
    far.send(tells.joined(2, { id: "m2", profile: "a" }));
    await until("one more", () => room.members.size === 2);
    const member = room.members.get("m2");
    far.send(tells.profile(2, "b")).send(tells.live(2, 0)).send(tells.live(2, 1));
    far.send(tells.leaving(2, 14, "", ["NAME", "lobby"]));
    await until("four", () => seen.length === 5);
    expect(room.members.get("m2")).toBe(member);
    far
      .send(tells.left(2, 14, "grace over"))
      .send(tells.joined(3))
      .send(tells.left(3, 0, "bye"));
    await until("all", () => seen.length === 8);
    expect(seen).toEqual([
      ["join", "m2"],
      ["profile", "m2", "b"],
      ["live", "m2", false],
      ["live", "m2", true],
      ["disconnecting", "m2", "lost", ["NAME", "lobby"]],
      ["leave", "m2", "lost", "grace over"],
      ["join", "m3"],
      ["leave", "m3", "left", "bye"],
    ]);
    expect([member?.live, [...room.members.keys()]]).toEqual([false, [ID]]);
  });

  it("hear a profile that is set, before we are in, too", async () => {
    const { mdm, peer } = dial();
    const room = Room(mdm).join("NAME", { as: 1 });
    const far = await joining(peer);
    room.profile = { nickname: "n" };
    expect(room.profile).toEqual({ nickname: "n" });
    take(far);
    await room.joined;
    await until("it is said", () => heard(far).length === 1);
    expect(heard(far)).toEqual([{ profile: { nickname: "n" } }]);
    room.profile = undefined;
    await until("another", () => heard(far).length === 2);
    expect([heard(far)[1], room.profile, room.me?.profile]).toEqual([{ profile: null }, null, null]);
    expect(() => {
      room.profile = "x".repeat(5000);
    }).toThrow("bad_request");
  });
});

describe("events", () => {
  it("go to all others, to some, but to some, everywhere, and arrive in order with values of any kind", async () => {
    const { room, far } = await joined({}, 2, 3);
    const bytes = Uint8Array.of(0, 255);
    expect(room.emit("chat", "hi", bytes, 5n, new Date(7), { a: [null] })).toBe(true);
    room.to("m2").emit("one");
    room.to(["m2", "m3", "m2", "nobody"]).except("m3").emit("some");
    room.except(["m2"]).emit("but");
    room.everywhere.emit("all");
    room.to("proxy").to(["m3"]).emit("both");
    room.to("nobody").emit("nothing");
    await until("all", () => heard(far).length === 6);
    expect(heard(far)).toEqual([
      { event: "chat", args: ["hi", bytes, 5n, new Date(7), { a: [null] }] },
      { event: "one", args: [], to: [2] },
      { event: "some", args: [], to: [2, 3], except: [3] },
      { event: "but", args: [], except: [2] },
      { event: "all", args: [], everywhere: true },
      { event: "both", args: [], to: [0, 3] },
    ]);
  });

  it("are sent before we are in as soon as we are", async () => {
    const { mdm, peer } = dial();
    const room = Room(mdm).join("NAME");
    room.emit("early", 1);
    room.to("m2").emit("early", 2);
    room.to("m9").emit("early", 3);
    expect(room.volatile.emit("never")).toBe(false);
    const far = take(await joining(peer), 2);
    await until("both", () => heard(far).length === 2);
    await settle();
    expect(heard(far)).toEqual([
      { event: "early", args: [1] },
      { event: "early", args: [2], to: [2] },
    ]);
  });

  it("reach every listener with who sent them, and the proxy's program is nobody", async () => {
    const { room, far } = await joined({}, 2);
    const seen: unknown[] = [];
    const off = () => seen.push("off");
    room.on("chat", (from, text) => seen.push([from?.id, text]));
    room.once("chat", (from) => seen.push(["once", from?.id]));
    room.on("chat", off).off("chat", off);
    room.onAny((event, from, ...args) => seen.push([event, from?.id, ...args]));
    room.onAny(off).offAny(off);
    far
      .send(tells.event(2, "chat", "a"))
      .send(tells.volatile(0, "chat", "b"))
      .send(tells.event(2, "other"));
    await until("all", () => seen.length === 6);
    expect(seen).toEqual([
      ["chat", "m2", "a"],
      ["m2", "a"],
      ["once", "m2"],
      ["chat", undefined, "b"],
      [undefined, "b"],
      ["other", "m2"],
    ]);
  });

  it("that come with the members are heard by who waited for `joined`", async () => {
    const { mdm, peer } = dial();
    const room = Room(mdm).join("NAME");
    const seen: unknown[] = [];
    const wait = async () => await room.joined;
    const listening = wait().then(() => room.on("chat", (_, text) => seen.push(text)));
    take(await joining(peer)).send(tells.event(0, "chat", "first"));
    await listening;
    await until("it", () => seen.length === 1);
  });

  it("are refused where they cannot be sent, and nothing is", async () => {
    const { room, far } = await joined({}, 2);
    for (const event of ["join", "error", "close", "", "x".repeat(129), "\ud800"])
      expect(() => room.emit(event), event).toThrow("bad_request");
    expect(() => room.emit("x", () => {})).toThrow("a function cannot be sent; emitWithAck() resolves to the answers");
    expect(() => room.emit("x", [() => {}])).toThrow("bad_request: a function cannot be sent");
    expect(() => room.emit("x", new Map())).toThrow("bad_request");
    expect(() => room.emit("x", new Uint8Array(1 << 20))).toThrow("limit");
    expect(() => room.timeout(0)).toThrow("1 to 600000 ms");
    expect(() => room.to(5 as never)).toThrow("by their ids");
    expect(() => room.to(Array.from({ length: 257 }, (_, n) => `m${n}`))).toThrow("at most 256 members");
    expect(await outcome(room.volatile.emitWithAck("x"))).toBe("bad_request");
    expect(await outcome(room.emitWithAck("join"))).toBe("bad_request");
    expect(() => room.everywhere.to("m2").emit("x")).toThrow("names no members");
    expect(room.eventBytesMax).toBe(1 << 20);
    await settle();
    expect(heard(far)).toEqual([]);
  });

  it("wait for the proxy's word: then `emit` says so, `drain` follows, and beyond 4 MiB it throws", async () => {
    const { room, far } = await joined();
    const seen = told(room);
    const part = new Uint8Array(100_000);
    expect([room.emit("a", part), room.emit("b", part), room.emit("c", part)]).toEqual([true, true, false]);
    expect(room.volatile.emit("pointer")).toBe(false);
    await until("three", () => heard(far).length === 3);
    far.send(tells.got(2));
    await until("drained", () => seen.length === 1);
    expect([seen, room.volatile.emit("pointer")]).toEqual([["drain"], true]);
    const fill = () => {
      for (let n = 0; n < 50; n++) room.emit("fill", part);
    };
    expect(fill).toThrow("limit");
  });

  it("what is volatile is sent where nothing waits, and is not numbered", async () => {
    const { room, far } = await joined({}, 2);
    room.volatile.to("m2").emit("pointer", 1, 2);
    room.emit("chat");
    await until("both", () => heard(far).length === 2);
    expect(heard(far)[0]).toEqual({ event: "pointer", args: [1, 2], to: [2], volatile: true });
    far.send(tells.got(1));
    await settle();
    expect(room.emit("next")).toBe(true);
  });

  it("are acknowledged after 64, after 128 KiB, and 500 ms after the first", async () => {
    const { room, far } = await joined({}, 2);
    let count = 0;
    room.onAny(() => count++);
    for (let n = 0; n < 63; n++) far.send(tells.event(2, "x"));
    await until("63", () => count === 63);
    expect(heard(far)).toEqual([]);
    far.send(tells.volatile(2, "x")).send(tells.event(2, "x"));
    await until("64", () => heard(far).length === 1);
    far.send(tells.event(2, "x", new Uint8Array(128 * 1024)));
    await until("a large one", () => heard(far).length === 2);
    far.send(tells.event(2, "x"));
    await until("67", () => count === 67);
    await vi.advanceTimersByTimeAsync(499);
    await settle();
    expect(heard(far)).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    await until("the time", () => heard(far).length === 3);
    expect(heard(far)).toEqual([{ got: 64 }, { got: 65 }, { got: 66 }]);
  });
});

describe("leaving", () => {
  it("says so behind what was emitted, and nothing is heard any more", async () => {
    const { room, far } = await joined({}, 2);
    const seen = told(room);
    room.on("chat", () => seen.push("chat"));
    room.emit("last");
    const left = room.leave("bye");
    expect(() => room.emit("more")).toThrow("gone");
    await until("the finish", () => far.isFinished);
    expect(heard(far)).toEqual([
      { event: "last", args: [] },
      { leave: 0, text: "bye" },
    ]);
    far.send(tells.event(2, "chat")).finish();
    await left;
    await room.closed;
    expect([seen, room.live]).toEqual([["close"], false]);
  });

  it("of the whole peer is said at `close()` and when a page goes for good", async () => {
    const { room, mdm, far } = await joined();
    mdm.close();
    await until("the last word", () => heard(far).length === 1);
    expect(heard(far)).toEqual([{ leave: 1, text: "" }]);
    expect(await outcome(room.closed)).toBe("ok");
    const { happen } = page();
    const tab = await joined();
    happen("pagehide");
    await until("the last word", () => heard(tab.far).length === 1);
    tab.far.finish();
    expect([heard(tab.far), await outcome(tab.room.closed)]).toEqual([[{ leave: 1, text: "" }], "ok"]);
  });

  it("does not happen when a page goes that may come back", async () => {
    const window = new EventTarget();
    vi.stubGlobal("addEventListener", window.addEventListener.bind(window));
    const { room, far } = await joined();
    window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
    await settle();
    expect([heard(far), room.live]).toEqual([[], true]);
  });

  it("ends it when the proxy says so", async () => {
    const { room, far } = await joined();
    const seen = told(room);
    far.send(tells.end(5, "you were removed")).finish();
    await expect(room.closed).rejects.toMatchObject({ code: "forbidden", detail: "you were removed" });
    expect(seen).toEqual([["error", "forbidden"], "close"]);
    const closed = await joined();
    closed.far.send(tells.end(0, "")).finish();
    expect(await outcome(closed.room.closed)).toBe("ok");
    expect(closed.far.first?.path).toBe(PATH);
    expect(events(closed.far)).toEqual([]);
  });
});
