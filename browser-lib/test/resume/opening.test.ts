// RESUME.md, section 2: how a stream is opened, how carriers are proven, and what a server remembers.

import { describe, expect, it } from "vitest";
import { Decoder } from "../../src/resume/decoder.ts";
import { Endpoint } from "../../src/resume/endpoint.ts";
import { LIMITS } from "../../src/resume/limits.ts";
import { ACK, DATA, DONE, GONE, JOIN, PROVE, RESET } from "../../src/resume/record.ts";
import { ack, data, done, End, filled, fin, gone, MACS, ping, proof, prove, read, WHY } from "./end.ts";

const SECOND = 1000;

function total(chunks: Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}

describe("a birth open", () => {
  it("is followed by early bytes, and the records go on behind them", () => {
    const client = new End("client");
    expect(client.actions()).toEqual([{ type: "open", birth: true }]);
    client.write(70_000);
    expect(total(client.endpoint.birth(1, 0))).toBe(65_536);
    expect([client.types(1), client.endpoint.isReplied]).toEqual([[], false]);
    client.endpoint.replied(1, 120 * SECOND, 0);
    expect(client.says(1)).toEqual([{ type: DATA, offset: 65_536, length: 4464 }]);
    expect([client.endpoint.isReplied, client.endpoint.state, client.endpoint.moves]).toEqual([true, "live", 0]);
  });

  it("brings a server its early bytes raw, once, however often it is repeated", () => {
    const server = new End("server");
    server.endpoint.born(1, 10, 0);
    server.hears(1, Array(7).fill(7));
    server.endpoint.born(2, 20, 0);
    server.hears(2, Array(20).fill(7), data(20, 5));
    expect([server.endpoint.received, server.endpoint.current]).toEqual([25, 2]);
  });

  it("is repeated with a backoff, with what was written meanwhile", () => {
    const client = new End("client");
    client.actions();
    client.write(10);
    client.endpoint.birth(1, 0);
    client.endpoint.closed(1, 0);
    client.write(10);
    expect(client.advance(200).actions()).toEqual([{ type: "open", birth: true }]);
    expect([total(client.endpoint.birth(2, client.now)), client.endpoint.resent]).toEqual([20, 10]);
    client.endpoint.replied(2, 120 * SECOND, client.now);
    expect([client.types(2), client.endpoint.resent, client.endpoint.moves]).toEqual([[], 10, 0]);
  });

  it("that nobody answers is given up when its time is over", () => {
    const client = new End("client");
    client.actions();
    client.endpoint.birth(1, 0);
    expect(client.advance(17 * SECOND - 1).endpoint.outcome).toBeUndefined();
    expect(client.advance(1).endpoint.outcome).toMatchObject({ type: "refused", reason: { code: "timeout" } });
    client.actions();
    expect(client.endpoint.isOver).toBe(true);
  });

  it.each([
    [1, "not_found", true],
    [2, "not_found", false],
    [2, "gone", true],
  ])("number %d that is answered with %s is over: %s", (births, code, isOver) => {
    const client = new End("client");
    for (let id = 1; id < births; id++) {
      client.endpoint.birth(id, 0);
      client.endpoint.closed(id, 0);
    }
    client.endpoint.birth(births, 0);
    client.endpoint.refused(births, { code, message: "" }, 0);
    const outcome = { type: "refused", reason: { code, message: "" } };
    expect(client.endpoint.outcome).toEqual(isOver ? outcome : undefined);
    if (!isOver) expect(client.advance(17 * SECOND).endpoint.outcome, "the last error is reported").toEqual(outcome);
  });

  it("that left on a connection without an answer is not counted, but keeps its time", () => {
    const client = new End("client");
    client.endpoint.birth(1, 0);
    client.endpoint.closed(1, 0, true);
    client.endpoint.birth(2, client.advance(10 * SECOND).now);
    expect(client.advance(7 * SECOND - 1).endpoint.outcome).toBeUndefined();
    const reason = { code: "not_found", message: "" };
    client.endpoint.refused(2, reason, client.now);
    expect(client.endpoint.outcome).toEqual({ type: "refused", reason });
    const late = new End("client");
    late.endpoint.birth(1, 0);
    late.endpoint.closed(1, 0, true);
    late.endpoint.birth(2, late.advance(10 * SECOND).now);
    expect(late.advance(7 * SECOND).endpoint.outcome).toMatchObject({ type: "refused", reason: { code: "timeout" } });
  });

  it("whose stream is reset before the reply says so after it", () => {
    const client = new End("client");
    client.write(10);
    client.endpoint.birth(1, 0);
    client.endpoint.reset(WHY, 0);
    expect(client.types(1)).toEqual([]);
    client.endpoint.replied(1, 120 * SECOND, 0);
    expect(client.types(1)).toEqual([RESET]);
    expect(client.hears(1, done).endpoint.state).toBe("freed");
  });

  it("that is not taken up goes on raw behind its early bytes, and holds nothing of the budget", () => {
    const client = new End("client");
    const { left } = client.budget;
    client.write(10);
    client.endpoint.birth(1, 0);
    client.write(300_000);
    expect(client.budget.left).toBeLessThan(left);
    client.endpoint.finish();
    const raw = client.endpoint.intoRaw(1);
    expect([total(raw?.unsent ?? []), raw?.finished]).toEqual([300_000, true]);
    expect(client.budget.left).toBe(left);
  });

  it("whose carrier speaks before the reply loses it", () => {
    const client = new End("client");
    client.endpoint.birth(1, 0);
    expect(client.hears(1, ack(0, 5)).has(1)).toBe(false);
    expect(client.endpoint.state).toBe("opening");
  });
});

describe("a handshake", () => {
  it("threat_33_a_wrong_mac_closes_that_carrier_and_touches_nothing_else", () => {
    const client = End.opened("client").joins(2, "direct").hears(2, prove(MACS.client));
    client.endpoint.macs(2, MACS, 0);
    const server = End.opened("server").joined(2, "direct");
    server.endpoint.macs(2, MACS, 0);
    server.hears(2, proof(MACS.server));
    for (const end of [client, server]) {
      expect([end.has(1), end.has(2), end.endpoint.state]).toEqual([true, false, "live"]);
    }
    expect(server.unproven.count).toBe(0);
  });

  it("threat_33_that_fails_again_and_again_ends_no_stream", () => {
    const client = End.opened("client");
    for (const id of [2, 3, 4, 5]) {
      client.joins(id, "direct").hears(id, prove(MACS.client)).endpoint.macs(id, MACS, 0);
    }
    expect([client.endpoint.ids, client.endpoint.state, client.endpoint.breaks]).toEqual([[1], "live", 4]);
  });

  it("asks for the macs of both nonces", () => {
    const macs = (end: End) => end.actions().find(({ type }) => type === "macs");
    const nonces = { client: filled(16, 3), server: filled(16, 4) };
    const request = { type: "macs", request: { carrier: 2, ...nonces } };
    expect(macs(End.opened("client").joins(2).hears(2, prove(MACS.server)))).toMatchObject(request);
    expect(macs(End.opened("server").joined(2))).toMatchObject(request);
  });

  it.each([
    ["DATA", data(0, 1)],
    ["ACK", ack(0, 0)],
    ["GONE", gone],
    ["PING", ping(1)],
    ["DONE", done],
  ])("threat_33_until_the_proof_the_server_takes_no_%s", (_, record) => {
    const server = End.opened("server").joined(2);
    server.endpoint.macs(2, MACS, 0);
    expect(server.types(2)).toEqual([PROVE, ACK]);
    server.hears(2, record);
    expect([server.has(2), server.has(1), server.endpoint.received, server.endpoint.state]).toEqual([
      false,
      true,
      0,
      "live",
    ]);
  });

  it("threat_33_until_prove_is_right_the_client_says_join_and_nothing_else", () => {
    const client = End.opened("client");
    client.endpoint.closed(1, 0);
    client.write(100);
    expect(client.joins(2).types(2)).toEqual([JOIN]);
    client.hears(2, prove(MACS.client), ack(0, 1));
    client.endpoint.macs(2, MACS, 0);
    expect([client.has(2), client.types(2)]).toEqual([false, []]);
  });

  it("keeps what comes behind PROVE until the mac was computed, up to a bound", () => {
    const client = End.opened("client");
    client.endpoint.closed(1, 0);
    client.write(10);
    client.joins(2).hears(2, prove(MACS.server), ack(0, 300_000)).hears(2, fin(0).slice(0, 1));
    client.hears(2, fin(0).slice(1)).endpoint.macs(2, MACS, 0);
    expect([client.has(2), client.endpoint.isRead]).toEqual([true, true]);
    const other = End.opened("client").joins(2).hears(2, prove(MACS.server), Array(64).fill(5));
    expect(other.has(2)).toBe(true);
    expect(other.hears(2, done).has(2)).toBe(false);
  });

  it("is over in time, or the carrier is closed", () => {
    for (const [kind, patience] of [
      ["proxy", 15],
      ["direct", 3],
    ] as const) {
      const client = End.opened("client").joins(2, kind);
      expect(client.advance(patience * SECOND - 1).has(2)).toBe(true);
      expect(client.advance(1).has(2)).toBe(false);
    }
    const server = End.opened("server").joined(2);
    expect(server.advance(10 * SECOND - 1).has(2)).toBe(true);
    expect(server.advance(1).has(2)).toBe(false);
    expect(server.unproven.count).toBe(0);
  });
});

describe("a server that remembers", () => {
  /** A server that was reset and has no carrier, remembered and revived. */
  function revived(): { end: Endpoint; tombstone: NonNullable<ReturnType<Endpoint["tombstone"]>> } {
    const server = End.opened("server").hears(1, data(0, 5));
    server.endpoint.reset(WHY, 0);
    expect(server.endpoint.tombstone(), "a carrier holds on to it").toBeUndefined();
    server.endpoint.closed(1, 0);
    const tombstone = server.endpoint.tombstone() ?? expect.fail("nothing is remembered");
    return { end: Endpoint.revive(tombstone, LIMITS), tombstone };
  }

  it("keeps the outcome and what it held for its hold", () => {
    const { end, tombstone } = revived();
    expect(tombstone).toMatchObject({
      outcome: { type: "reset", reason: WHY, here: true },
      received: 5,
      base: 0,
      expires: 180_000,
    });
    expect([end.state, end.received, end.deadline(), end.tombstone()]).toEqual(["tombstone", 5, 180_000, tombstone]);
  });

  it("says it again on a carrier that is proven, which starts the hold anew", () => {
    const { end } = revived();
    end.born(2, 0, 100_000);
    const said = end.transmit(2, 0, 100_000).flatMap((bytes) => read(new Decoder(), bytes));
    expect(said).toMatchObject([
      { type: ACK, received: 5 },
      { type: RESET, reason: WHY },
    ]);
    end.arrived(2, Uint8Array.from([DONE]), 100_000);
    expect([end.ids, end.tombstone()?.expires]).toEqual([[], 280_000]);
  });

  it("threat_33_is_not_made_to_remember_longer_by_a_stranger_who_knows_the_id", () => {
    const server = End.opened("server");
    server.endpoint.reset(WHY, 0);
    server.endpoint.closed(1, 0);
    server
      .advance(100 * SECOND)
      .joined(2)
      .endpoint.closed(2, server.now);
    expect(server.endpoint.tombstone()?.expires).toBe(180_000);
  });

  it("forgets a peer's text, and an end when its hold is over", () => {
    const server = End.opened("server").hears(1, [4, 0, 3, 0x77, 0x68, 0x79]);
    server.endpoint.closed(1, 0);
    expect(server.endpoint.tombstone()?.outcome).toEqual({
      type: "reset",
      reason: { code: "", message: "" },
      here: false,
    });
    expect(server.advance(180 * SECOND).endpoint.isOver).toBe(true);
  });

  it("threat_03_says_gone_of_what_it_lost_and_nothing_else", () => {
    const server = End.opened("server");
    server.endpoint.closed(1, 0);
    server.advance(180 * SECOND);
    expect([server.endpoint.state, server.endpoint.tombstone()?.expires]).toEqual(["tombstone", 360_000]);
    expect(server.joined(2).types(2)).toEqual([GONE]);
    expect([server.actions().at(-1), server.unproven.count]).toEqual([{ type: "close", carrier: 2, how: "finish" }, 0]);
    server.endpoint.born(3, 0, server.now);
    expect(server.types(3)).toEqual([GONE]);
  });
});

it("what a stream took of the budget is given back at each of its ends", () => {
  const ends: ((end: End) => void)[] = [
    (end) => end.endpoint.reset(WHY, 0),
    (end) => end.endpoint.giveUp(0),
    (end) => end.hears(1, gone),
    (end) => end.hears(1, [RESET, 0, 0]),
    (end) => {
      end.endpoint.finish();
      end.says(1);
      end.hears(1, ack(2 ** 18, 2 ** 21), ack(1 + 2 ** 18, 2 ** 21), fin(2 ** 18), done);
    },
  ];
  for (const side of ["client", "server"] as const) {
    for (const [which, over] of ends.entries()) {
      const end = End.opened(side);
      const { left } = end.budget;
      end.write(2 ** 18);
      end.says(1);
      end.hears(1, ack(0, 2 ** 21), ...[0, 1, 2, 3].map((i) => data(i * 2 ** 16, 2 ** 16)));
      for (let chunk = end.endpoint.read(); chunk; chunk = end.endpoint.read()) end.endpoint.consumed(chunk.length);
      expect(end.budget.left).toBeLessThan(left);
      over(end);
      expect(end.budget.left, `${side} ${which}`).toBe(left);
    }
  }
});
