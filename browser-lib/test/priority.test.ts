import { describe, expect, it, vi } from "vitest";
import type { Stream } from "../src/index.ts";
import { Connection } from "../src/mux/connection.ts";
import type { Events } from "../src/mux/event.ts";
import { Outbound, u32 } from "../src/mux/frame.ts";
import { holdClock } from "./clock.ts";
import { joined } from "./joined.ts";
import { dial, until } from "./peer.ts";
import { passes } from "./splice.ts";

const KIB = 1024;
const MESSAGE = 64 * KIB;

const nothing: Events<null> = {
  opened: () => null,
  data: () => {},
  finished: () => {},
  reset: () => {},
  credit: () => {},
  ended: () => {},
  sent: () => {},
  pong: () => {},
  goAway: () => {},
};

/** A core with a stream of each priority, and as much as a window queued on each. */
function core(priorities: (number | undefined)[]) {
  const connection = new Connection<null>("opener", nothing, 0);
  const ids = priorities.map((priority) => {
    const id = connection.open(null);
    if (priority !== undefined) connection.prioritize(id, priority);
    connection.send(id, new Uint8Array(256 * KIB));
    return id;
  });
  const out = new Outbound(MESSAGE);
  /** The next message, as the lengths of its DATA frames by their streams. */
  const message = () => {
    out.length = 0;
    connection.transmit(out);
    const frames: [stream: number, length: number][] = [];
    for (let at = 0; at < out.length; ) {
      const length = u32(out.bytes, at + 8);
      frames.push([ids.indexOf(u32(out.bytes, at + 4)), length]);
      at += 12 + length;
    }
    return frames;
  };
  return { connection, ids, message };
}

describe("turns", () => {
  it("are 16 KiB each where nobody has a priority, and a message's end cuts off less than 1 KiB of one", () => {
    const { message } = core([undefined, undefined]);
    expect(message()).toEqual([
      [0, 16 * KIB],
      [1, 16 * KIB],
      [0, 16 * KIB],
      [1, 16 * KIB - 48],
    ]);
    expect(message()[0]).toEqual([0, 16 * KIB]);
  });

  it("are as many KiB as the priority; one that a message cuts short goes on in the next", () => {
    const { message } = core([40, 8, 4]);
    expect(message()).toEqual([
      [0, 40 * KIB],
      [1, 8 * KIB],
      [2, 4 * KIB],
      [0, 12 * KIB - 48],
    ]);
    expect(message()).toEqual([
      [0, 28 * KIB + 48],
      [1, 8 * KIB],
      [2, 4 * KIB],
      [0, 24 * KIB - 48 - 48],
    ]);
  });

  it.each([
    [64, 1],
    [32, 16],
    [1, 2],
  ])("of %i and %i share the way as that, while both have something to send", (one, other) => {
    const { connection, ids, message } = core([one, other]);
    const sent = [0, 0];
    while (ids.every((id) => connection.queuedOn(id) > 64 * KIB))
      for (const [stream, length] of message()) sent[stream] = (sent[stream] ?? 0) + length;
    const [first = 0, second = 0] = sent;
    // One turn more or less.
    expect(Math.abs(first / one - second / other)).toBeLessThanOrEqual(KIB);
  });

  it("change at once with the priority", () => {
    const { connection, ids, message } = core([undefined, undefined]);
    connection.prioritize(ids[1] ?? 0, 2);
    expect(message().slice(0, 3)).toEqual([
      [0, 16 * KIB],
      [1, 2 * KIB],
      [0, 16 * KIB],
    ]);
    expect(connection.isWeighted).toBe(true);
    connection.reset(ids[1] ?? 0, 15);
    expect(connection.isWeighted).toBe(false);
  });

  it("of a stream that says little come before bulk, as far as its share of the round goes", () => {
    const { connection, ids, message } = core(Array<undefined>(12).fill(undefined));
    const little = connection.open(null);
    ids.push(little);
    const place = () => message().findIndex(([stream]) => stream === 12);
    const say = (bytes: number) => connection.send(little, new Uint8Array(bytes));
    say(1);
    while (place() === -1) {}
    for (let spoken = 0; spoken < 10; spoken++) {
      say(64);
      // Only a turn that the message before cut short goes on before it.
      expect(place()).toBeLessThanOrEqual(1);
    }
    say(17 * KIB);
    expect(place()).toBeLessThanOrEqual(1);
    // What its share does not hold waits with the others.
    expect(place()).toBe(-1);
  });

  it("of a crowd that begins after all was said leave room for one that says little", () => {
    const { connection, ids, message } = core([]);
    for (let stream = 0; stream < 100; stream++) ids.push(connection.open(null));
    for (const id of ids) connection.send(id, new Uint8Array(100));
    while (message().length > 0) {}
    for (const id of ids.slice(1)) connection.send(id, new Uint8Array(200 * KIB));
    for (let sent = 0; sent < 30; sent++) message();
    connection.send(ids[0] ?? 0, new Uint8Array(64));
    let before = 0;
    for (let found = false; !found; )
      for (const [stream, length] of message()) {
        found ||= stream === 0;
        before += found ? 0 : length;
      }
    expect(before).toBeLessThanOrEqual(16 * KIB);
  });

  it("of a stream that is new come after a round: opening streams is no way past the others", () => {
    const { connection, ids, message } = core([undefined, undefined]);
    message();
    ids.push(connection.open(null));
    connection.send(ids[2] ?? 0, new Uint8Array(KIB));
    expect(message().findIndex(([stream]) => stream === 2)).toBe(2);
  });

  it("a stream alone has all there is, whatever its priority", () => {
    const { message } = core([1]);
    expect(message()).toEqual([[0, MESSAGE - 12]]);
  });
});

/** Sends without an end on each of these streams; how many bytes of each are there when so many came of all. */
async function shares(priorities: number[], bytes: number, change?: (streams: Stream[]) => void): Promise<number[]> {
  const { mdm, peer } = dial();
  const chunk = new Uint8Array(MESSAGE);
  const enough = new AbortController();
  const endless = function* () {
    while (!enough.signal.aborted) yield chunk;
  };
  const came: number[] = [];
  let all = 0;
  await mdm.ready;
  peer.onData = (stream) => {
    const which = Number(stream.first?.meta);
    if (!Number.isInteger(which) || enough.signal.aborted) return;
    came[which] = stream.length;
    all = came.reduce((sum, length) => sum + length, 0);
    if (all >= bytes) enough.abort();
  };
  const streams = priorities.map((priority, i) => mdm.send(endless(), i, { priority }));
  change?.(streams);
  await until("enough", () => enough.signal.aborted);
  return came.map((length) => length / all);
}

describe("senders", () => {
  it("share the way by priority", async () => {
    const [one = 0, two = 0] = await shares([48, 16], 16 * KIB * KIB);
    expect([one, two]).toEqual([expect.closeTo(0.75, 1), expect.closeTo(0.25, 1)]);
  });

  it("share it alike without", async () => {
    expect(await shares([16, 16], 16 * KIB * KIB)).toEqual([expect.closeTo(0.5, 1), expect.closeTo(0.5, 1)]);
  });

  it("share it by the priority that was set last, which is held to its range", async () => {
    const [one = 0] = await shares([16, 16], 16 * KIB * KIB, (streams) => {
      const [first, second] = streams as [Stream, Stream];
      expect(first.priority).toBe(16);
      for (const [set, got] of [
        [0, 1],
        [1000, 64],
        [Number.NaN, 16],
        [8.4, 8],
      ] as const) {
        first.priority = set;
        expect(first.priority).toBe(got);
      }
      second.priority = 56;
    });
    expect(one).toBeCloseTo(8 / 64, 1);
  });
});

describe("a resumable stream", () => {
  holdClock();

  it("keeps its priority over a drop, at either end", async () => {
    const set = vi.spyOn(Connection.prototype, "prioritize");
    const { proxy, client, far } = await joined({ priority: 40 });
    far.priority = 7;
    const counted = (priority: number) => set.mock.calls.filter(([id, one]) => id > 0 && one === priority).length;
    const before = [counted(40), counted(7)];
    expect(before).toEqual([1, 1]);
    proxy.line("page").cut();
    await passes("the next carrier", () => client.resumption?.moves === 1 && far.resumption?.moves === 1);
    expect([client.priority, far.priority]).toEqual([40, 7]);
    expect([counted(40), counted(7)]).toEqual([2, 2]);
  });
});
