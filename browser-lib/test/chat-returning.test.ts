// The example chat's part that waits for who was in the room before the proxy forgot all seats, with a room that is told what to tell.

import type { JoinedRoom, Member } from "browser-stream-server/room";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RETURN_MS, Returning } from "../../examples/chat/returning.ts";

type Heard = (...args: unknown[]) => void;

/** A room with me in it, and others by what they are called. */
async function scene(...pages: string[]) {
  const listeners = new Map<string, Heard[]>();
  const member = (id: string, page: string): Member => ({
    id,
    profile: { nickname: page, page },
    live: true,
    session: undefined,
  });
  const members = new Map<string, Member>();
  const set = (...all: [id: string, page: string][]) => {
    members.clear();
    for (const [id, page] of all) members.set(id, member(id, page));
  };
  set(...pages.map((page): [string, string] => [`old ${page}`, page]));
  const room = {
    members,
    me: undefined,
    joined: Promise.resolve(),
    on: (event: string, heard: Heard) => listeners.set(event, [...(listeners.get(event) ?? []), heard]),
  };
  const told: unknown[] = [];
  const returning = new Returning(room as unknown as JoinedRoom, {
    anew: (all) => told.push([...all].sort()),
    over: (names) => told.push(["over", ...names]),
  });
  await room.joined;
  const tell = (event: string, ...args: unknown[]) => {
    for (const heard of listeners.get(event) ?? []) heard(...args);
  };
  return { returning, told, set, tell, member };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("where nobody has the id of before, all are waited for until they are back or the grace is over", async () => {
  const { returning, told, set, tell, member } = await scene("Ann", "Bob");
  expect([...returning.absent]).toEqual([]);
  set();
  tell("lost", undefined);
  expect(told).toEqual([["Ann", "Bob"]]);
  expect([...returning.absent.keys()]).toEqual(["Ann", "Bob"]);
  expect(returning.isForgotten(member("old Ann", "Ann"))).toBe(true);
  set(["new Ann", "Ann"], ["new Cem", "Cem"]);
  expect([...returning.absent.keys()]).toEqual(["Bob"]);
  expect(returning.isBack(member("new Ann", "Ann"))).toBe(true);
  expect(returning.isBack(member("new Cem", "Cem"))).toBe(false);
  expect(returning.isForgotten(member("new Ann", "Ann")), "who goes now goes").toBe(false);
  vi.advanceTimersByTime(RETURN_MS - 1);
  expect(told).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(told.at(-1)).toEqual(["over", "Bob"]);
  expect([...returning.absent]).toEqual([]);
});

test("where others are there with their ids, the proxy forgot this page alone, and who is not there left", async () => {
  const { returning, told, set, tell, member } = await scene("Ann", "Bob");
  set(["old Ann", "Ann"]);
  tell("lost", undefined);
  expect(returning.isAlone).toBe(true);
  expect(told).toEqual([["Ann"]]);
  expect([...returning.absent]).toEqual([]);
  expect(returning.isForgotten(member("old Bob", "Bob"))).toBe(false);
});

test("messages that were left out for a page that was away make nobody come anew", async () => {
  const { returning, told, tell } = await scene("Ann");
  tell("lost", 3);
  expect(told).toEqual([]);
  expect([...returning.absent]).toEqual([]);
});
