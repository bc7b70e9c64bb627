// What an end does at moments that its peer or its network chooses.

import { expect, it } from "vitest";
import { ACK, DATA, DONE, integers, PING, PROOF } from "../../src/resume/record.ts";
import { ack, data, End, filled, fin, pong, resetting } from "./end.ts";

/** DATA whose payload has not come. */
function head(offset: number, length: number): number[] {
  const out: number[] = [];
  integers(out, DATA, offset, length);
  return out;
}

it("threat_13_DATA_that_cannot_be_breaks_its_carrier_before_a_byte_of_it_comes", () => {
  const end = End.opened("server").hears(1, head(0, 5), [...filled(5, 7)]);
  expect(end.has(1)).toBe(true);
  end.hears(1, head(6, 1));
  expect([end.has(1), end.endpoint.breaks]).toEqual([false, 1]);
});

it("threat_13_a_PONG_that_comes_before_its_PING_has_left_answers_nothing", () => {
  const end = End.opened("server");
  end.endpoint.suspect(1, end.now);
  end.hears(1, pong(1));
  expect(end.types(1)).toContain(PING);
});

it("a_server_that_was_reset_says_DONE_again_on_the_next_carrier", () => {
  const end = End.opened("server").hears(1, resetting());
  expect(end.types(1)).toContain(DONE);
  end.endpoint.closed(1, end.now);
  end.proven(2);
  const types = end.types(2);
  expect(types.slice(types.indexOf(ACK))).toEqual([ACK, DONE]);
});

it("threat_13_a_birth_carrier_that_lost_its_early_bytes_is_broken_by_its_PONG", () => {
  const end = new End("client");
  end.write(5);
  end.endpoint.birth(1, 0);
  end.endpoint.replied(1, 120_000, 0);
  end.endpoint.suspect(1, end.now);
  expect(end.types(1)).toContain(PING);
  end.hears(1, ack(0, 1000), pong(1));
  expect([end.has(1), end.endpoint.breaks]).toEqual([false, 1]);
});

it("the_smaller_grace_of_the_two_ends_counts", () => {
  const end = new End("client");
  end.endpoint.birth(1, 0);
  end.endpoint.replied(1, 10_000, 0);
  end.endpoint.closed(1, 0);
  end.actions();
  expect(end.advance(9_999).endpoint.outcome).toBe(undefined);
  expect(end.advance(1).endpoint.outcome?.type).toBe("lost");
});

it("a_carrier_that_is_kept_for_later_is_told_what_came_too", () => {
  const end = End.opened("client").proven(2, "direct");
  end.advance(2_000).endpoint.closed(1, end.now);
  expect(end.endpoint.current).toBe(2);
  expect(end.proven(3).types(3)).toEqual([PROOF, ACK]);
  expect(end.endpoint.current).toBe(2);
});

it("no_room_is_told_behind_the_end_of_a_direction", () => {
  const end = End.opened("server").hears(1, data(0, 60_000), data(60_000, 60_000), fin(120_000));
  for (let chunk = end.endpoint.read(); chunk; chunk = end.endpoint.read()) end.endpoint.consumed(chunk.length);
  expect(end.says(1)).toEqual([{ type: ACK, received: 120_001, room: 256 * 1024 - 120_001 }]);
});

it("a_birth_open_that_leaves_when_its_stream_has_ended_is_closed_and_brings_nothing_back", () => {
  const end = new End("client");
  expect(end.actions()).toEqual([{ type: "open", birth: true }]);
  end.advance(17_000);
  expect(end.endpoint.outcome?.type).toBe("refused");
  end.endpoint.birth(1, end.now);
  end.endpoint.replied(1, 120_000, end.now);
  expect(end.actions()).toEqual([{ type: "close", carrier: 1, how: "reset" }]);
  expect([end.has(1), end.endpoint.isOver]).toEqual([false, true]);
});
