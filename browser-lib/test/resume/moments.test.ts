// What an end does at moments that its peer chooses: before a payload, before a PING has left, and after a DONE that was lost.

import { expect, it } from "vitest";
import { ACK, DATA, DONE, integers, PING } from "../../src/resume/record.ts";
import { End, filled, pong, resetting } from "./end.ts";

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
