// The rows of RESUME.md, section 3: what each record and each end does.

import { describe, expect, it } from "vitest";
import { ACK, DATA, DONE, FIN, GONE, PONG, RESET } from "../../src/resume/record.ts";
import { ack, data, done, End, fin, gone, join, MACS, ping, proof, prove, resetting, WHY } from "./end.ts";

const SIDES = ["client", "server"] as const;
const WINDOW = 262_144;
const CLEAN = { type: "clean" };
const HERE = { type: "reset", reason: WHY, here: true };
const THERE = { type: "reset", reason: WHY, here: false };

/** A server that is clean, of which the client has not heard. */
function clean(): End {
  const server = End.opened("server").hears(1, data(0, 5), fin(5));
  server.endpoint.finish();
  expect(server.types(1)).toEqual([ACK, FIN]);
  return server.hears(1, ack(1, WINDOW - 1));
}

/** A client that is through with everything, of which the server has not told it that it knows. */
function closing(): End {
  const client = End.opened("client");
  client.endpoint.finish();
  expect(client.types(1)).toEqual([FIN]);
  return client.hears(1, fin(0), ack(1, WINDOW - 1));
}

describe("a carrier", () => {
  const full = [0, 1, 2, 3].map((i) => data(i * 65_536, 65_536));
  it.each([
    ["DATA behind a hole", [data(1, 1)], true],
    ["DATA behind a hole later", [data(0, 10), data(11, 1)], true],
    ["DATA in order", [data(0, 10), data(10, 1)], false],
    ["all DATA that was granted", full, false],
    ["DATA beyond", [...full, data(WINDOW, 1)], true],
    ["DATA again behind FIN", [data(0, 5), fin(5), data(0, 5)], false],
    ["DATA beyond the total", [data(0, 5), fin(5), data(4, 2)], true],
    ["FIN beyond what came", [fin(1)], true],
    ["FIN below what came", [data(0, 5), fin(4)], true],
    ["FIN twice", [data(0, 5), fin(5), fin(5)], false],
    ["FIN elsewhere", [data(0, 5), fin(5), fin(6)], true],
    ["ACK of what never went out", [ack(1, 0)], true],
    ["ACK with any room", [ack(0, 2 ** 30)], false],
    ["DONE that nobody waits for", [done], true],
    ["JOIN once it is proven", [join], true],
    ["PROVE once it is proven", [prove(MACS.server)], true],
    ["PROOF once it is proven", [proof(MACS.client)], true],
    ["what is no record", [[12]], true],
  ])("threat_13_with_%s breaks: or does not", (_, records, broken) => {
    for (const side of SIDES) {
      const end = End.opened(side).hears(1, ...records);
      expect(end.has(1), side).toBe(!broken);
      expect(end.endpoint.breaks).toBe(Number(broken));
      expect(end.endpoint.outcome, "no carrier ends a stream").toBeUndefined();
      const closes = end.actions().filter(({ type }) => type === "close");
      expect(closes).toEqual(broken ? [{ type: "close", carrier: 1, how: "reset" }] : []);
    }
  });

  it("that brings what came before is no fault, and the rest is kept", () => {
    const { endpoint } = End.opened("server").hears(1, data(0, 10), data(0, 10), data(5, 10), data(2, 3));
    expect([endpoint.received, endpoint.read()?.length, endpoint.read()?.length]).toEqual([15, 10, 5]);
  });

  it("may end within a payload, and what came of it counts", () => {
    const server = End.opened("server").hears(1, data(0, 100).slice(0, 60));
    expect(server.endpoint.received).toBe(57);
    server.endpoint.closed(1, 0);
    expect(server.proven(2).hears(2, data(57, 43)).endpoint.received).toBe(100);
  });

  it("that is PINGed answers with the facts, then with the token", () => {
    const server = End.opened("server").hears(1, ping(77));
    expect(server.says(1)).toEqual([
      { type: ACK, received: 0, room: WINDOW },
      { type: PONG, token: 77 },
    ]);
    server.endpoint.reset(WHY, 0);
    expect(server.types(1)).toEqual([RESET]);
    expect(server.hears(1, ping(78)).types(1)).toEqual([ACK, RESET, PONG]);
  });
});

describe("an acknowledgement", () => {
  it("only grows, whatever its order", () => {
    const client = End.opened("client");
    client.write(1000);
    client.says(1);
    client.hears(1, ack(900, 300_000), ack(100, 0), ack(0, 5));
    expect(client.endpoint.base).toBe(900);
    client.write(299_000);
    const lengths = client.says(1).map((fact) => (fact.type === DATA ? fact.length : 0));
    expect(lengths.reduce((sum, length) => sum + length)).toBe(WINDOW);
    expect(client.has(1)).toBe(true);
  });

  it("of a FIN that comes again is said again", () => {
    const server = End.opened("server").hears(1, data(0, 5), fin(5));
    const told = [{ type: ACK, received: 6, room: WINDOW - 6 }];
    expect(server.says(1)).toEqual(told);
    expect(server.hears(1, fin(5)).says(1)).toEqual(told);
  });
});

describe("a clean end", () => {
  it("is one to the server when its FIN is acknowledged, which then says what it holds and DONE", () => {
    const server = clean();
    expect([server.endpoint.outcome, server.endpoint.state]).toEqual([CLEAN, "tombstone"]);
    expect(server.says(1)).toEqual([{ type: ACK, received: 6, room: WINDOW - 6 }, { type: DONE }]);
  });

  it("is one to the client when it hears DONE", () => {
    const client = closing();
    const { endpoint } = client;
    expect([endpoint.state, endpoint.outcome, endpoint.isWritten, endpoint.isRead]).toEqual([
      "closing",
      undefined,
      true,
      true,
    ]);
    endpoint.arrived(1, Uint8Array.from(done), 0);
    expect([endpoint.state, endpoint.outcome]).toEqual(["freed", CLEAN]);
    // A server learns from that that nobody will come for this stream.
    expect([client.actions(), endpoint.isOver]).toEqual([[{ type: "close", carrier: 1, how: "done" }], true]);
  });

  it("is not unsaid by a server that goes away", () => {
    const server = clean();
    server.endpoint.giveUp(0);
    expect([server.types(1), server.endpoint.outcome]).toEqual([[ACK, DONE], CLEAN]);
  });

  it("stays one to the server when the client resets then, or gives up", () => {
    expect(clean().hears(1, resetting()).endpoint.outcome).toEqual(CLEAN);
    expect(clean().hears(1, gone).endpoint.outcome).toEqual(CLEAN);
  });

  it("takes repeated facts and no byte, and breaks on false ones", () => {
    const server = clean();
    expect(server.hears(1, data(0, 5), fin(5), ack(1, 0), data(5, 9)).has(1)).toBe(true);
    expect(server.endpoint.received).toBe(5);
    expect(server.hears(1, fin(6)).has(1)).toBe(false);
  });

  it("is told again to a client that comes back", () => {
    const server = clean();
    server.endpoint.closed(1, 0);
    expect(server.proven(2).types(2).slice(-2)).toEqual([ACK, DONE]);
  });
});

describe("a reset", () => {
  it("is answered where it came, and both ends know", () => {
    const client = End.opened("client").hears(1, resetting());
    expect([client.endpoint.outcome, client.endpoint.state]).toEqual([THERE, "freed"]);
    expect([client.types(1), client.actions(), client.endpoint.isOver]).toEqual([
      [DONE],
      [{ type: "close", carrier: 1, how: "finish" }],
      true,
    ]);
    const server = End.opened("server").hears(1, resetting());
    expect([server.endpoint.outcome, server.endpoint.state, server.types(1)]).toEqual([THERE, "tombstone", [DONE]]);
  });

  it("here drops what is unread, takes no byte any more, and is over with DONE", () => {
    for (const side of SIDES) {
      const end = End.opened(side).hears(1, data(0, 5));
      end.endpoint.reset(WHY, 0);
      expect(end.types(1)).toEqual([RESET]);
      end.hears(1, data(5, 5), fin(10), ack(99, 0));
      const { outcome, received, isReadable, isRead } = end.endpoint;
      expect([outcome, received, isReadable, isRead, end.has(1)]).toEqual([HERE, 5, false, false, true]);
      expect([end.write(5), end.endpoint.writable]).toEqual([0, 0]);
      end.hears(1, done);
      expect([end.endpoint.state, end.has(1)]).toEqual([side === "client" ? "freed" : "tombstone", false]);
    }
  });

  it("is said on every carrier until the peer answers, and the first end wins", () => {
    for (const side of SIDES) {
      const end = End.opened(side);
      end.endpoint.reset(WHY, 0);
      end.endpoint.reset({ code: "limit", message: "" }, 0);
      expect(end.says(1)).toEqual([{ type: RESET, reason: WHY }]);
      for (const id of [2, 3]) {
        end.endpoint.closed(id - 1, 0);
        expect(end.proven(id).says(id).at(-1), side).toEqual({ type: RESET, reason: WHY });
      }
      expect(end.hears(3, resetting()).endpoint.outcome).toEqual(HERE);
    }
  });

  it("leaves what came before it readable, and that is no clean end", () => {
    const { endpoint } = End.opened("client").hears(1, data(0, 10), resetting());
    expect([endpoint.isReadable, endpoint.read()?.length, endpoint.isRead]).toEqual([true, 10, false]);
  });

  it("has texts that a record carries", () => {
    const client = End.opened("client");
    client.endpoint.reset({ code: "c".repeat(99), message: "m".repeat(2000) }, 0);
    expect(client.says(1)).toEqual([{ type: RESET, reason: { code: "c".repeat(64), message: "m".repeat(1024) } }]);
  });
});

describe("GONE", () => {
  it("is the last word of who gives up, and loses the stream at both ends", () => {
    for (const side of SIDES) {
      const end = End.opened(side).hears(1, data(0, 5));
      end.endpoint.giveUp(0);
      expect(end.types(1)).toEqual([GONE]);
      expect(end.endpoint.outcome).toEqual({ type: "lost", received: 5, base: 0 });
      expect(end.actions().at(-1)).toEqual({ type: "close", carrier: 1, how: "finish" });
      const peer = End.opened(side).hears(1, gone);
      expect([peer.endpoint.outcome, peer.has(1)]).toEqual([{ type: "lost", received: 0, base: 0 }, false]);
    }
  });

  it("leaves a client that gave up with nothing to do", () => {
    const client = End.opened("client");
    client.endpoint.giveUp(0);
    client.says(1);
    client.actions();
    expect([client.endpoint.isOver, client.endpoint.deadline()]).toEqual([true, undefined]);
    client.endpoint.wake(0);
    expect(client.actions()).toEqual([]);
  });

  it.each([
    ["proxy", false, true],
    ["proxy", true, false],
    ["direct", false, false],
    ["direct", true, false],
  ] as const)("threat_03_on_an_unproven_%s_carrier_beside_another_%s_loses_the_stream_%s", (kind, other, isLost) => {
    const client = End.opened("client");
    if (other) client.proven(2, "direct");
    client.endpoint.closed(1, 0);
    client.joins(3, kind).hears(3, gone);
    expect([client.has(3), client.endpoint.outcome?.type]).toEqual([false, isLost ? "lost" : undefined]);
  });
});
