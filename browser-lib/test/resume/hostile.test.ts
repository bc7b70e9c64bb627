// A peer that says anything, in any order, cut anywhere.

import * as fc from "fast-check";
import { expect, it } from "vitest";
import { LIMITS } from "../../src/resume/limits.ts";
import { ack, data, done, End, filled, fin, gone, join, MACS, ping, pong, proof, prove } from "./end.ts";

const LIMITS_SMALL = { ...LIMITS, windowMin: 4096, windowMax: 8192, replayMin: 4096, replay: 4096 };

const number = fc.oneof(fc.nat(20), fc.nat(300_000), fc.constant(2 ** 53 - 1));
const text = fc.nat(70).map((length) => [length, ...filled(length, 0x61)]);
const piece = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(number, fc.integer({ min: 1, max: 70 })).map((at) => data(...at)) },
  { weight: 2, arbitrary: number.map(fin) },
  { weight: 4, arbitrary: fc.tuple(number, number).map((facts) => ack(...facts)) },
  { weight: 1, arbitrary: fc.tuple(text, text).map((texts) => [4, ...texts.flat()]) },
  { weight: 2, arbitrary: fc.constantFrom(done, gone, join, prove(MACS.server), proof(MACS.client)) },
  { weight: 2, arbitrary: number.map(ping) },
  { weight: 2, arbitrary: number.map(pong) },
  { weight: 3, arbitrary: fc.array(fc.nat(255), { maxLength: 20 }) },
);

it.each(["client", "server"] as const)(
  "threat_13_any_bytes_give_a_%s_no_fault_no_unbounded_memory_and_no_reply_without_end",
  (side) => {
    const steps = fc.array(fc.tuple(piece, fc.nat(2), fc.integer({ min: 1, max: 50 })), { maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.boolean(), (said, finishes) => {
        const end = End.opened(side, LIMITS_SMALL).proven(2, "direct");
        if (side === "client") end.joins(3, "direct");
        else end.joined(3, "direct").endpoint.macs(3, MACS, 0);
        end.write(1000);
        if (finishes) end.endpoint.finish();
        end.actions();
        for (const [bytes, which, cut] of said) {
          const { endpoint } = end;
          const ids = endpoint.ids;
          const id = ids[which % ids.length];
          if (id === undefined) break;
          for (let at = 0; at < bytes.length; at += cut) end.hears(id, bytes.slice(at, at + cut));
          expect(endpoint.received).toBeLessThanOrEqual(4096);
          let length = 0;
          for (const one of ids) {
            for (const out of endpoint.transmit(one, Number.POSITIVE_INFINITY, end.now)) length += out.length;
            expect(endpoint.wantsTransmit(one), "it says each thing once").toBe(false);
          }
          expect(length).toBeLessThanOrEqual(1100 + 1200 * ids.length);
          expect(end.actions().length).toBeLessThanOrEqual(ids.length + 1);
          endpoint.tick(++end.now);
        }
        expect(end.endpoint.state).not.toBe("opening");
      }),
      { seed: 1, numRuns: 300 },
    );
  },
);
