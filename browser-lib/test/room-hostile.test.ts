import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { Room } from "../src/room/index.ts";
import { holdClock } from "./clock.ts";
import { dial, outcome, settle, until } from "./peer.ts";
import { heard, ID, joined, joining, record, reply, tells, told } from "./room-peer.ts";

holdClock();

/** Arrays in arrays, so many. */
const nested = (levels: number) => Uint8Array.of(...new Array(levels).fill(0x91), 0xc0);

describe("threat_26_what_a_peer_sends", () => {
  it("threat_26_events_named_as_the_rooms_own_are_never_taken_for_them", async () => {
    const { room, far } = await joined({}, 2);
    const seen = told(room);
    const any: unknown[] = [];
    room.onAny((event, from) => any.push([event, from?.id]));
    const names = ["error", "close", "join", "leave", "moved", "lost", "resumed", "drain"];
    for (const name of names) far.send(tells.event(2, name, "forged"));
    await until("all", () => any.length === names.length);
    expect([seen, any[0], room.live]).toEqual([[], ["error", "m2"], true]);
  });

  it("threat_26_events_named___proto___and_constructor_are_plain_names", async () => {
    const { room, far } = await joined({}, 2);
    const seen: unknown[] = [];
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "then"];
    for (const name of ["__proto__", "then"]) room.on(name, (_, value) => seen.push([name, value]));
    for (const name of names) far.send(tells.event(2, name, 1));
    far.send(tells.ask(2, 1, "constructor"));
    await until("the answer", () => heard(far).length === 1);
    expect(seen).toEqual([
      ["__proto__", 1],
      ["then", 1],
    ]);
    expect(heard(far)).toMatchObject([{ ask: 1, code: 7 }]);
    for (const name of names) room.emit(name);
    await until("all", () => heard(far).length === 6);
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain("1");
  });

  it("threat_26_values_that_are_nested_truncated_or_name___proto___are_an_error_and_the_room_goes_on", async () => {
    const { room, far } = await joined({}, 2);
    const errors: string[] = [];
    const got: unknown[] = [];
    room.on("error", ({ message }) => errors.push(message));
    room.on("x", (_, ...args) => got.push(args));
    const bodies = [
      nested(101),
      nested(100_000),
      Uint8Array.of(),
      Uint8Array.of(0xc1),
      Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0x91, 0xc0, 0xc0),
      Uint8Array.of(0x2a),
      Uint8Array.of(0x80),
      Uint8Array.of(0x91, 0x81, 0xa9, ...new TextEncoder().encode("__proto__"), 0x01),
    ];
    for (const body of bodies) far.send(tells.raw(2, "x", body));
    far.send(tells.event(2, "x", "fine"));
    await until("the good one", () => got.length === 1);
    expect([got, errors.length]).toEqual([[["fine"]], bodies.length]);
    for (const message of errors) expect(message).toMatch(/^bad_request: /);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
    far.send(record(1, 2, 2, 9, "x", Uint8Array.of(0xc1)));
    await until("the answer", () => heard(far).some(({ ask }) => ask === 9));
    expect(heard(far).find(({ ask }) => ask === 9)).toMatchObject({ code: 1 });
  });

  it("threat_26_an_answer_that_is_no_value_is_a_refusal", async () => {
    const { room, far } = await joined({}, 2);
    const asked = room.emitWithAck("x");
    far.send(tells.asked(1, 2)).send(record(2, 1, 2, 0, nested(101)));
    await expect(asked).rejects.toMatchObject({ code: "bad_request", answers: [], missing: [{ id: "m2" }] });
  });

  it("threat_26_a_profile_with___proto___and_a_member_called_constructor_write_no_prototype", async () => {
    const { room, far } = await joined();
    far.send(record(5, 2, '{"id":"constructor","profile":{"__proto__":{"evil":1}}}'));
    far.send(record(5, 3, '{"id":"__proto__","profile":"x"}'));
    await until("both", () => room.members.size === 3);
    const profile = room.members.get("constructor")?.profile as Record<string, unknown>;
    expect([profile.evil, Object.keys(profile)]).toEqual([undefined, ["__proto__"]]);
    expect(({} as Record<string, unknown>).evil).toBeUndefined();
    room.to("__proto__").emit("hi");
    await until("it", () => heard(far).length === 1);
    expect(heard(far)).toMatchObject([{ to: [3] }]);
  });

  it("threat_26_a_listener_that_throws_disturbs_nobody_else", async () => {
    const faults: unknown[] = [];
    const caught = (call: () => void) =>
      Promise.resolve()
        .then(call)
        .catch((error) => faults.push(error));
    vi.stubGlobal("queueMicrotask", caught);
    const { room, far } = await joined({}, 2);
    const seen: unknown[] = [];
    const fault = () => {
      throw new Error("mine");
    };
    room.onAny(fault).on("x", fault).on("join", fault);
    room.onAny((event) => seen.push(event)).on("x", (_, value) => seen.push(value));
    room.on("join", ({ id }) => seen.push(id));
    far
      .send(tells.event(2, "x", 1))
      .send(tells.joined(3))
      .send(tells.event(2, "x", 2));
    await until("all", () => seen.length === 5 && faults.length === 5);
    expect([seen, faults.map(String)]).toEqual([["x", 1, "m3", "x", 2], new Array(5).fill("Error: mine")]);
  });

  it("threat_26_a_listener_that_changes_what_it_got_changes_no_other_event", async () => {
    const { room, far } = await joined({}, 2);
    const seen: Uint8Array[] = [];
    room.on("x", (_, bytes: Uint8Array) => {
      seen.push(bytes);
      structuredClone(bytes, { transfer: [bytes.buffer] });
    });
    const both = Buffer.concat([tells.event(2, "x", Uint8Array.of(1)), tells.event(2, "x", Uint8Array.of(2))]);
    far.send(new Uint8Array(both));
    await until("both", () => seen.length === 2);
    expect(seen.map(({ length }) => length)).toEqual([0, 0]);
    expect(room.live).toBe(true);
  });
});

describe("threat_23_who_spoke_is_the_proxys_word", () => {
  it("threat_23_what_is_said_of_a_member_that_there_is_not_ends_the_room", async () => {
    for (const bytes of [
      tells.event(9, "x"),
      tells.profile(9, 1),
      tells.live(9, 0),
      tells.leaving(9, 0, "", []),
      tells.left(9, 0),
    ]) {
      const { room, far } = await joined({}, 2);
      const heardIt = vi.fn();
      room.on("x", heardIt);
      far.send(bytes);
      expect(await outcome(room.closed)).toBe("bad_request");
      await until("the reset", () => far.resetCode !== undefined);
      expect(heardIt).not.toHaveBeenCalled();
    }
  });

  it("threat_23_a_member_cannot_answer_for_another_nor_twice", async () => {
    const { room, far } = await joined({}, 2, 3);
    const asked = room.emitWithAck("x");
    far
      .send(tells.asked(1, 2))
      .send(tells.answer(1, 3, "forged"))
      .send(tells.answer(1, 2, "mine"));
    expect(await asked).toEqual([{ from: room.members.get("m2"), value: "mine" }]);
  });
});

describe("threat_26_a_proxy_that_talks_nonsense", () => {
  const nonsense: [string, Uint8Array][] = [
    ["a record of no type", Uint8Array.of(99)],
    ["a count of more than we said", tells.got(5)],
    ["a member behind the members", tells.member(4)],
    ["a member without an id", tells.joined(4, {})],
    ["a profile that is no JSON", record(6, 2, "{")],
    ["a profile with a key twice", record(6, 2, '{"a":1,"a":2}')],
    ["rooms that are none", record(8, 2, 0, "", '[{"a":1}]')],
    ["a move to nowhere", record(13, "{}")],
  ];
  it.each(nonsense)("threat_26_%s ends the room `bad_request`", async (_, bytes) => {
    const { room, far, mdm } = await joined({}, 2);
    far.send(bytes);
    expect(await outcome(room.closed)).toBe("bad_request");
    expect(mdm.state).toBe("open");
  });

  it("threat_26_a_reply_that_is_none_is_told", async () => {
    for (const bad of [{}, { id: ID }, { id: ID, room: { secret: "s", members: -1 } }, { id: ID, room: 5 }]) {
      const { mdm, peer } = dial();
      const room = Room(mdm).join("NAME");
      (await joining(peer)).frame(bad);
      expect(await outcome(room.joined)).toBe("bad_request");
    }
  });

  it("threat_26_an_event_in_front_of_the_members_and_an_end_without_a_word_are_told", async () => {
    const { mdm, peer } = dial();
    const room = Room(mdm).join("NAME");
    (await joining(peer)).frame(reply({ members: 2 })).send(tells.event(0, "x"));
    expect(await outcome(room.joined)).toBe("bad_request");
    const silent = await joined({}, 2);
    silent.far.finish();
    expect(await outcome(silent.room.closed)).toBe("lost");
  });

  it("threat_26_whatever_bytes_come_nothing_is_thrown_but_that", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), async (chunks) => {
        const { room, far, mdm } = await joined({}, 2);
        for (const chunk of chunks) far.send(chunk);
        await settle();
        if (!room.live) expect(await outcome(room.closed)).toMatch(/^[a-z_]+$|^\d+$|^ok$/);
        mdm.close();
      }),
      { numRuns: 60, seed: 26 },
    );
  });
});
