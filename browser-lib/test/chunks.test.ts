import { describe, expect, it, vi } from "vitest";
import { pair, settle } from "./peer.ts";

const KIB = 1024;

describe("what is read", () => {
  it("a chunk's buffer may be transferred: no other stream's bytes, nor its own next ones, are in it", async () => {
    const { mdm, peer, stream, far } = await pair();
    const other = mdm.createStream(undefined, { path: "/other" });
    const otherFar = await peer.opened("/other");
    otherFar.frame({});
    await other.opened;
    await settle();
    const readers = [stream.readable.getReader(), other.readable.getReader()] as const;
    const first = readers[0].read();
    const messages = vi.spyOn(peer, "inject");
    peer.isMute = true;
    far.send(new Uint8Array(5000).fill(1));
    otherFar.send(new Uint8Array(3000).fill(2));
    peer.isMute = false;
    peer.pump();
    const { value } = await first;
    expect(messages).toHaveBeenCalledTimes(1);
    structuredClone(value, { transfer: value ? [value.buffer] : [] });
    expect((await readers[1].read()).value).toEqual(new Uint8Array(3000).fill(2));
  });

  it("a chunk that is most of its message is not copied", async () => {
    const { stream, far } = await pair();
    far.send(new Uint8Array(64 * KIB));
    const { value } = await stream.readable.getReader().read();
    expect([value?.length, value?.byteOffset, value?.buffer.byteLength]).toEqual([65536, 12, 65548]);
  });

  it("what lies together in one message is one chunk, put together in place", async () => {
    const { stream, far, peer } = await pair();
    const reading = stream.readable.getReader().read();
    const message = new Uint8Array(6 * 12 + 5 * 1000);
    let at = 0;
    for (let i = 0; i < 5; i++) {
      message.set([0, 0, 0, 0, ...u32(far.id), ...u32(1000)], at);
      message.fill(i + 1, at + 12, at + 1012);
      at += 1012;
      // A frame without payload between two of them.
      if (i === 2) message.set([0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 99], at);
      if (i === 2) at += 12;
    }
    peer.inject(message);
    const { value } = await reading;
    expect([value?.length, value?.byteOffset, value?.buffer.byteLength]).toEqual([5000, 12, message.length]);
    expect(
      value && [0, 1, 2, 3, 4].every((i) => value.subarray(1000 * i, 1000 * i + 1000).every((b) => b === i + 1)),
    ).toBe(true);
  });

  it("what lies apart in one message keeps its bytes, other streams' between", async () => {
    const { mdm, peer, stream, far } = await pair();
    const other = mdm.createStream(undefined, { path: "/other" });
    const otherFar = await peer.opened("/other");
    otherFar.frame({});
    await other.opened;
    await settle();
    const parts = Array.from({ length: 40 }, (_, i) => ({
      to: i % 3 === 0 ? otherFar : far,
      length: 1 + ((i * 7) % 30),
    }));
    const bytes = parts.flatMap(({ to, length }, i) => [
      0,
      0,
      0,
      0,
      ...u32(to.id),
      ...u32(length),
      ...Array(length).fill(i),
    ]);
    peer.inject(new Uint8Array(bytes));
    far.finish();
    otherFar.finish();
    for (const [one, id] of [
      [stream, far],
      [other, otherFar],
    ] as const) {
      const read: number[] = [];
      for await (const chunk of one) read.push(...chunk);
      expect(read).toEqual(parts.flatMap(({ to, length }, i) => (to === id ? Array(length).fill(i) : [])));
    }
  });

  it("many small chunks that nobody reads are kept as few, in order", async () => {
    const { stream, far } = await pair();
    for (let i = 0; i < 1000; i++) {
      far.send(new Uint8Array([i, i >> 8]));
      if (i % 100 === 0) await settle();
    }
    far.finish();
    await settle();
    const all: number[] = [];
    let chunks = 0;
    for await (const chunk of stream) {
      chunks++;
      all.push(...chunk);
    }
    expect(all).toEqual(Array.from({ length: 1000 }, (_, i) => [i & 255, i >> 8]).flat());
    expect(chunks).toBeLessThan(200);
  });
});

/** A number as it stands in a header. */
function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}
