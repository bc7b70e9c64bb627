// One end of a sealed stream alone, between its user and what carries it.

import { expect, it } from "vitest";
import { Cell, type Host } from "../src/cell.ts";
import { concat } from "../src/seal/primitives.ts";
import { framed, Numbered } from "../src/seal/records.ts";
import { Sealing } from "../src/seal/sealing.ts";
import { web } from "../src/seal/web.ts";
import { pattern } from "./joined.ts";
import { settle } from "./peer.ts";

const KEY = new Uint8Array(32);
const RECORD = 32 * 1024;

/** A window grows only where its reader was through with all that came: a record that lies across its end must not stand against that. */
it("gives credit for all that came but for what its user has yet to read, a record that is not whole among it", async () => {
  let credit = 0;
  const none = () => {};
  const host: Host = {
    send: () => 0,
    unsent: () => 0,
    prioritize: none,
    finish: none,
    reset: none,
    resetBehind: none,
    consumed: (_, bytes) => {
      credit += bytes;
    },
  };
  const [user, below] = [new Cell(host), new Cell(host)];
  const under = () => Numbered.under(web, KEY);
  new Sealing(user, below).start({ out: await under(), in: await under() });
  const far = await under();
  const records = await Promise.all([0, 1, 2].map((seed) => far.seal(pattern(RECORD, seed))));
  const wire = concat(...records.map(framed));
  const reader = user.read.readable.getReader();

  below.data(wire.subarray(0, -1000));
  await settle();
  expect(credit).toBe(wire.length - 1000 - 2 * RECORD);
  await reader.read();
  await reader.read();
  expect(credit).toBe(wire.length - 1000);
  below.data(wire.subarray(-1000));
  await settle();
  expect(credit, "it had credit for most of that already").toBe(wire.length - 1000);
  await reader.read();
  expect(credit).toBe(wire.length);
});

it("is started once: under the same keys again, numbers would be used twice", async () => {
  const none = () => {};
  const host: Host = {
    send: () => 0,
    unsent: () => 0,
    prioritize: none,
    finish: none,
    reset: none,
    resetBehind: none,
    consumed: none,
  };
  const sealing = new Sealing(new Cell(host), new Cell(host));
  const keys = { out: await Numbered.under(web, KEY), in: await Numbered.under(web, KEY) };
  sealing.start(keys);
  expect(() => sealing.start(keys)).toThrow("sealed once");
});
