// RESUME.md, sections 4 and 5: which carriers a stream keeps and uses, and when one is dead.

import { describe, expect, it } from "vitest";
import type { Kind } from "../../src/resume/carrier.ts";
import { ACK, DATA, FIN, JOIN, PING, PONG, PROOF, PROVE, RESET } from "../../src/resume/record.ts";
import { ack, data, done, End, fin, MACS, ping, pong, proof, prove, WHY } from "./end.ts";

const SIDES = ["client", "server"] as const;
const SECOND = 1000;

describe("a carrier that becomes current", () => {
  it("hears what is known and then everything that is not acknowledged", () => {
    const client = End.opened("client");
    client.write(150);
    client.endpoint.finish();
    expect(client.types(1)).toEqual([DATA, FIN]);
    client.hears(1, ack(100, 300)).endpoint.closed(1, 0);
    expect(client.proven(2).says(2)).toEqual([
      { type: PROOF, mac: expect.anything() },
      { type: ACK, received: 0, room: 262_144 },
      { type: DATA, offset: 100, length: 50 },
      { type: FIN, total: 150 },
    ]);
    expect([client.endpoint.resent, client.endpoint.moves]).toEqual([50, 1]);
  });

  it("is a direct one as soon as it is proven, and the newest proxy one when it dies", () => {
    for (const side of SIDES) {
      const end = End.opened(side).proven(2, "direct");
      expect([end.endpoint.current, end.has(1)], side).toEqual([2, true]);
      end.endpoint.closed(1, 0);
      end.proven(3);
      expect([end.endpoint.current, end.endpoint.moves]).toEqual([2, 1]);
      end.endpoint.closed(2, 0);
      expect([end.endpoint.current, end.endpoint.moves]).toEqual([3, 2]);
    }
  });

  it("is another by choice at most once a second, and at once after a death", () => {
    const end = End.opened("server").proven(2, "direct").proven(3, "direct");
    expect(end.endpoint.current).toBe(2);
    expect(end.advance(SECOND - 1).endpoint.current).toBe(2);
    expect(end.advance(1).endpoint.current).toBe(3);
    end.proven(4, "direct").endpoint.closed(3, end.now);
    expect(end.endpoint.current).toBe(4);
  });

  it("waits a moment for what is on its way, while nothing more goes out on the old one", () => {
    const client = End.opened("client");
    client.write(100);
    client.says(1);
    client.proven(2, "direct").write(10);
    expect([client.endpoint.current, client.types(1)]).toEqual([1, []]);
    client.hears(1, ack(100, 300));
    expect([client.endpoint.current, client.endpoint.resent]).toEqual([2, 0]);
    expect(client.says(2).at(-1)).toEqual({ type: DATA, offset: 100, length: 10 });
  });

  it("waits no longer than 200 ms", () => {
    const client = End.opened("client");
    client.write(100);
    client.says(1);
    client.proven(2, "direct").advance(199);
    expect(client.endpoint.current).toBe(1);
    expect(client.advance(1).endpoint.current).toBe(2);
    expect(client.says(2).at(-1)).toEqual({ type: DATA, offset: 0, length: 100 });
    expect(client.endpoint.resent).toBe(100);
  });

  it("is no reason to take nothing from the others", () => {
    const end = End.opened("server").proven(2, "direct").hears(1, data(0, 10));
    expect(end.endpoint.received).toBe(10);
  });
});

describe("what must be said", () => {
  it("goes ahead of DATA and needs no room in the carrier", () => {
    const client = End.opened("client");
    client.write(300_000);
    client.hears(1, ping(5));
    expect(client.says(1, 0).map(({ type }) => type)).toEqual([ACK, PONG]);
    client.hears(1, ack(0, 2 ** 20), ping(5));
    const said = client.says(1);
    expect(said.map(({ type }) => type)).toEqual([ACK, PONG, DATA, DATA, DATA, DATA]);
    expect(said.reduce((sum, fact) => sum + (fact.type === DATA ? fact.length : 0), 0)).toBe(262_144);
  });

  it("is an acknowledgement of a few bytes 50 ms after them, and then no timer is on", () => {
    const end = End.opened("server").hears(1, data(0, 1));
    expect([end.types(1), end.endpoint.wantsTransmit(1), end.endpoint.deadline()]).toEqual([[], false, 50]);
    end.advance(50);
    expect([end.endpoint.wantsTransmit(1), end.says(1)]).toEqual([true, [{ type: ACK, received: 1, room: 262_143 }]]);
    expect([end.endpoint.wantsTransmit(1), end.endpoint.deadline()]).toEqual([false, undefined]);
  });
});

describe("carriers", () => {
  it("of a client are one of the proxy and any direct ones; the old one goes before a new one", () => {
    const client = End.opened("client").proven(2, "direct").joins(3);
    expect([client.has(1), client.has(2), client.has(3)]).toEqual([false, true, true]);
    client.actions();
    client.endpoint.closed(3, 0);
    client.advance(SECOND);
    expect(client.actions(), "it comes back though the direct one works").toEqual([{ type: "open", birth: false }]);
  });

  it("are four at most once they are proven: the one longest unheard goes", () => {
    const end = End.opened("server");
    for (const id of [2, 3, 4]) end.advance(SECOND).proven(id, "direct");
    end.advance(SECOND).hears(1, pong(0)).proven(5, "direct");
    expect([1, 2, 3, 4, 5].map((id) => end.has(id))).toEqual([true, false, true, true, true]);
  });

  it("that broke three times without a new byte reset the stream", () => {
    for (const news of [false, true]) {
      const client = End.opened("client");
      for (const id of [1, 2, 3]) {
        if (id > 1) client.proven(id);
        if (news && id === 3) client.hears(id, data(0, 5));
        client.hears(id, done);
      }
      expect([client.endpoint.state, client.endpoint.breaks]).toEqual([news ? "live" : "resetting", 3]);
      if (!news)
        expect(client.endpoint.outcome).toMatchObject({ type: "reset", reason: { code: "bad_request" }, here: true });
    }
  });
});

describe("a silent carrier", () => {
  it.each<[Kind, number, number]>([
    ["proxy", 5 * SECOND, 10 * SECOND],
    ["direct", SECOND, 2 * SECOND],
  ])("over %s is asked after %d ms and dead after %d more, while something is outstanding", (kind, quiet, dead) => {
    const client = End.opened("client");
    if (kind === "direct") client.proven(2, kind).says(2);
    const id = kind === "direct" ? 2 : 1;
    expect(client.endpoint.deadline(), "nothing is outstanding: no timer").toBeUndefined();
    client.write(10);
    expect(client.advance(quiet - 1).types(id)).toEqual([DATA]);
    expect(client.advance(1).types(id)).toEqual([ACK, PING]);
    expect(client.endpoint.isAsking).toBe(true);
    expect(client.advance(dead - 1).has(id)).toBe(true);
    expect(client.advance(1).has(id)).toBe(false);
  });

  it("lives if it answers", () => {
    const client = End.opened("client");
    client.write(300_000);
    client.says(1);
    for (let token = 1; token < 20; token++) {
      expect(client.advance(5 * SECOND).says(1)).toContainEqual({ type: PING, token });
      client.hears(1, ack(262_144, 0), pong(token));
    }
    expect(client.has(1)).toBe(true);
  });

  it("is judged by a client that waits for DONE, or for the answer to its reset", () => {
    const client = End.opened("client");
    client.endpoint.finish();
    client.says(1);
    client.hears(1, fin(0), ack(1, 0));
    const other = End.opened("client");
    other.endpoint.reset(WHY, 0);
    for (const end of [client, other]) {
      expect(end.advance(15 * SECOND - 1).has(1)).toBe(true);
      expect(end.advance(1).has(1)).toBe(false);
    }
  });

  it("threat_13_is_broken_if_it_answers_but_lost_a_record", () => {
    const client = End.opened("client");
    client.write(10);
    client.says(1);
    client.advance(5 * SECOND).says(1);
    expect(client.hears(1, ack(0, 262_144), pong(1)).has(1)).toBe(false);
    expect(client.endpoint.breaks).toBe(1);
  });

  it("is broken if DONE was due before its PONG and did not come", () => {
    const client = End.opened("client");
    client.endpoint.reset(WHY, 0);
    expect(client.types(1)).toEqual([RESET]);
    client.endpoint.suspect(1, 0);
    expect(client.types(1)).toEqual([ACK, RESET, PING]);
    expect(client.hears(1, pong(1)).has(1)).toBe(false);
  });

  it("threat_27_is_asked_after_a_wake_and_a_missing_one_is_opened_at_once", () => {
    const client = End.opened("client").proven(2, "direct");
    client.says(2);
    client.endpoint.closed(1, 0);
    client.actions();
    client.endpoint.wake(0);
    expect([client.actions(), client.types(2).at(-1)]).toEqual([[{ type: "open", birth: false }], PING]);
    expect(client.advance(2 * SECOND).has(2), "an unanswered wake is a death, whatever is outstanding").toBe(false);
  });
});

describe("a stream without a carrier", () => {
  it("is opened one again ever more slowly, and at most 5 s apart", () => {
    const client = End.opened("client");
    client.endpoint.closed(1, 0);
    const opens: number[] = [];
    while (opens.length < 9) {
      client.advance((client.endpoint.deadline() ?? 0) - client.now);
      if (client.actions().length > 0) opens.push(client.now);
      client.endpoint.unopened(client.now);
    }
    const pauses = opens.map((at, i) => at - (opens[i - 1] ?? 0));
    expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });

  it("threat_10_is opened one ever more slowly by a peer that proves itself, lets go, and never moves a byte", () => {
    const client = End.opened("client");
    const opens: number[] = [];
    for (let id = 2; id < 12; id++) {
      client.endpoint.closed(id - 1, client.now);
      client.actions();
      while (client.actions().length === 0) client.advance((client.endpoint.deadline() ?? 0) - client.now);
      opens.push(client.now);
      client.proven(id);
    }
    const pauses = opens.map((at, i) => at - (opens[i - 1] ?? 0));
    expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000]);
  });

  it("threat_12_is_lost_when_the_grace_is_over_at_the_client_and_a_minute_later_at_the_server", () => {
    const lost = { type: "lost", received: 0, base: 0 };
    for (const [side, hold] of [
      ["client", 120],
      ["server", 180],
    ] as const) {
      const end = End.opened(side);
      end.endpoint.closed(1, 0);
      expect(end.advance(hold * SECOND - 1).endpoint.outcome).toBeUndefined();
      expect(end.advance(1).endpoint.outcome).toEqual(lost);
    }
  });

  it("threat_27_is_tried_once_more_after_a_sleep_before_it_is_lost", () => {
    const client = End.opened("client");
    client.endpoint.closed(1, 0);
    client.now = 1000 * SECOND;
    client.endpoint.tick(client.now);
    expect([client.endpoint.outcome, client.actions().at(-1)]).toEqual([undefined, { type: "open", birth: false }]);
    client.endpoint.unopened(client.now);
    expect(client.advance(15 * SECOND - 1).endpoint.outcome).toBeUndefined();
    expect(client.advance(1).endpoint.outcome?.type).toBe("lost");
    const other = End.opened("client");
    other.endpoint.closed(1, 0);
    other.now = 1000 * SECOND;
    other.endpoint.tick(other.now);
    expect(other.proven(2).endpoint.current).toBe(2);
  });

  it.each([
    ["unresponsive", false, true],
    ["not_found", false, true],
    ["forbidden", false, false],
    ["unauthorized", true, true],
  ])("whose join is answered with %s while another lives (%s) goes on: %s", (code, other, lives) => {
    const client = End.opened("client");
    if (other) client.proven(2, "direct");
    client.endpoint.closed(1, 0);
    client.joins(3).endpoint.refused(3, { code, message: "" }, 0);
    expect([client.endpoint.state, client.endpoint.outcome?.type]).toEqual(
      lives ? ["live", undefined] : ["freed", "lost"],
    );
  });
});

it("the proofs come in order and nothing comes before them", () => {
  const [client, server] = [End.opened("client"), End.opened("server")];
  for (const end of [client, server]) {
    end.endpoint.closed(1, 0);
    end.write(10);
  }
  expect(client.joins(2).types(2)).toEqual([JOIN]);
  expect(server.joined(2).types(2)).toEqual([]);
  server.endpoint.macs(2, MACS, 0);
  expect(server.types(2)).toEqual([PROVE, ACK]);
  client.hears(2, prove(MACS.server), ack(0, 262_144)).endpoint.macs(2, MACS, 0);
  expect(client.types(2)).toEqual([PROOF, ACK, DATA]);
  expect(server.hears(2, proof(MACS.client)).types(2)).toEqual([ACK, DATA]);
});
