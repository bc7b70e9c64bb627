// Publishers and a reader, with a hub between them that cuts and mixes as it likes: what arrives is what was sent.

import fc from "fast-check";
import { expect, it } from "vitest";
import { Channel } from "../src/channel/index.ts";
import { ID, says } from "./channel-peer.ts";
import { dial, type FarStream, outcome, settle, until } from "./peer.ts";

const message = fc.record({
  pieces: fc.array(fc.oneof({ weight: 4, arbitrary: fc.nat(2_000) }, fc.constant(66_000)), { maxLength: 4 }),
  isCut: fc.boolean(),
});
const script = fc.record({
  publishers: fc.array(fc.array(message, { maxLength: 6 }), { minLength: 1, maxLength: 3 }),
  cuts: fc.array(fc.integer({ min: 300, max: 70_000 }), { minLength: 1 }),
  wantsWhole: fc.boolean(),
});

/** Bytes that say where they stand. */
function piece(publisher: number, index: number, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, at) => publisher * 67 + index * 31 + at);
}

/** Passes what one publisher says on to the reader, in parts of other lengths. */
class Pass {
  #at = 0;
  readonly #publisher: number;
  readonly #from: FarStream;

  constructor(publisher: number, from: FarStream) {
    this.#publisher = publisher;
    this.#from = from;
  }

  /** The next record, if it is whole. */
  next(length: number): Uint8Array[] | undefined {
    const { bytes } = this.#from;
    let at = this.#at;
    const type = bytes[at++];
    if (type === undefined) return undefined;
    if (type === 3) {
      this.#at = at;
      return [says.cut(this.#publisher)];
    }
    let size = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) return undefined;
      size += (byte & 0x7f) * shift;
      if (byte < 0x80) break;
    }
    if (type === 4) return undefined;
    if (bytes.length < at + size) return undefined;
    this.#at = at + size;
    const out: Uint8Array[] = [];
    let rest = bytes.subarray(at, at + size);
    for (; rest.length > length; rest = rest.subarray(length)) {
      out.push(says.part(this.#publisher, rest.subarray(0, length)));
    }
    out.push((type === 1 ? says.part : says.last)(this.#publisher, rest));
    return out;
  }
}

it("whatever the schedule, each publisher's messages arrive whole and in order, and cut ones never", async () => {
  await fc.assert(
    fc.asyncProperty(script, async ({ publishers, cuts, wantsWhole }) => {
      const { mdm, peer } = dial();
      const channel = Channel(mdm);
      const subscription = channel.subscribe("NAME");
      const reader = (await peer.opened("/channel/subscribe/NAME")).frame({ id: ID });
      const passes: Pass[] = [];
      const sendings = publishers.map(async (messages, number) => {
        const publication = channel.publish(`${number}`);
        const far = (await peer.opened(`/channel/publish/${number}`)).frame({ id: ID, channel: {} });
        passes.push(new Pass(number, far));
        reader.send(says.joined(number));
        for (const { pieces, isCut } of messages) {
          async function* source() {
            for (const [index, length] of pieces.entries()) yield piece(number, index, length);
            if (isCut) throw new Error("cut");
          }
          const sent = await outcome(publication.send(source()));
          expect(sent).toBe(isCut ? "Error: cut" : "ok");
        }
        return publication;
      });
      const got: Uint8Array[][] = publishers.map(() => []);
      const reading = (async () => {
        if (wantsWhole) for await (const { data, from } of subscription.whole()) got[from.number]?.push(data);
        else {
          for await (const message of subscription) {
            const bytes = await message.bytes().catch((error: { code: string }) => error.code);
            if (typeof bytes !== "string") got[message.from.number]?.push(bytes);
            else expect(bytes).toBe("cancelled");
          }
        }
      })();
      let step = 0;
      const pass = () => {
        const length = cuts[step++ % cuts.length] ?? 1;
        let out: Uint8Array[] = [];
        for (let turn = 0; turn < passes.length && out.length === 0; turn++) {
          out = passes[(length + turn) % passes.length]?.next(length) ?? [];
        }
        for (const record of out) {
          const middle = length % record.length;
          reader.send(record.subarray(0, middle)).send(record.subarray(middle));
        }
        return out.length > 0;
      };
      let isSent = false;
      const all = Promise.all(sendings).finally(() => {
        isSent = true;
      });
      await until("all sent", () => {
        while (pass());
        return isSent;
      });
      await all;
      await settle();
      while (pass());
      reader.send(says.end(0)).finish();
      await reading;
      const expected = publishers.map((messages, number) =>
        messages
          .filter(({ isCut }) => !isCut)
          .map(({ pieces }) => Buffer.concat(pieces.map((length, index) => piece(number, index, length)))),
      );
      const lengths = (all: Uint8Array[][]) => all.map((messages) => messages.map((bytes) => bytes.length));
      expect(lengths(got)).toEqual(lengths(expected));
      const isEqual = got.every((messages, number) =>
        messages.every((bytes, index) => Buffer.compare(bytes, expected[number]?.[index] ?? bytes) === 0),
      );
      expect(isEqual).toBe(true);
      mdm.close();
    }),
    { numRuns: 30, seed: 6 },
  );
});
