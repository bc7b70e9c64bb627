// Streams of values: what arrives, what is refused, and how one ends.

import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Codec, json, ValueError } from "../src/index.ts";
import { msgpack } from "../src/msgpack.ts";
import { Unframer } from "../src/values/unframe.ts";
import type { Values } from "../src/values/values.ts";
import { joined } from "./joined.ts";
import { outcome, settle, until } from "./peer.ts";
import { fromHex } from "./vectors.ts";

// The session's own timers; nothing here waits for them.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Reads all of it into the array, and how that ended. */
function gather(values: Values): { items: unknown[]; end: Promise<string> } {
  const items: unknown[] = [];
  const run = async () => {
    for await (const value of values) items.push(value);
  };
  return { items, end: outcome(run()) };
}

async function ends(codec = msgpack, options = {}) {
  const { client, far } = await joined();
  return { client, far, near: client.values(codec, options), there: far.values(codec, options) };
}

describe("a stream of values", () => {
  test("brings each as what it is, in order, and ends cleanly", async () => {
    const { near, there } = await ends();
    const sent = [{ at: new Date(5), id: 2n ** 63n, bytes: fromHex("00ff"), none: null }, "text", 0, [true, [-1.5]]];
    const { items, end } = gather(there);
    for (const value of sent) await near.send(value);
    near.end();
    expect(await end).toBe("ok");
    expect(items).toStrictEqual(sent);
    there.end({ last: true });
    expect(await gather(near).end).toBe("ok");
    await Promise.all([near.closed, there.closed]);
  });

  test("is JSON where no codec is named, and knows Node's calls", async () => {
    const { client, far } = await joined();
    const [near, there] = [client.values<{ n: number }>(), far.values<{ n: number }>()];
    const told: unknown[] = [];
    there.on("data", (value) => told.push(value.n));
    there.on("end", () => told.push("end"));
    there.on("close", () => told.push("close"));
    expect(near.write({ n: 1 })).toBe(true);
    near.end({ n: 2 });
    there.end();
    near.resume();
    await until("the end", () => told.includes("close"));
    expect(told).toEqual([1, 2, "end", "close"]);
  });

  test("is piped into another, at its speed", async () => {
    const { near, there } = await ends(json);
    there.pipe(there);
    const { items, end } = gather(near);
    const sent = Array.from({ length: 500 }, (_, n) => ({ n, text: "x".repeat(1000) }));
    for (const value of sent) await near.send(value);
    near.end();
    expect(await end).toBe("ok");
    expect(items).toEqual(sent);
  });

  test("passes web streams", async () => {
    const { near, there } = await ends();
    const sent = [1, 2, 3].map((n) => ({ n }));
    const { items, end } = gather(there);
    const source = new ReadableStream({
      start: (controller) => {
        for (const value of sent) controller.enqueue(value);
        controller.close();
      },
    });
    await source.pipeTo(near.writable);
    expect(await end).toBe("ok");
    expect(items).toEqual(sent);
  });

  test("stops its sender while nobody reads, and goes on", async () => {
    const { near, there } = await ends(msgpack);
    const value = { bytes: new Uint8Array(50_000) };
    let sent = 0;
    const sending = (async () => {
      for (; sent < 100; sent++) await near.send(value);
      near.end();
    })();
    await settle();
    const stopped = sent;
    expect(stopped).toBeLessThan(50);
    await settle();
    expect(sent).toBe(stopped);
    const { items, end } = gather(there);
    await sending;
    expect(await end).toBe("ok");
    expect(items.length).toBe(100);
  });

  test("write says when to wait, by the bytes, and drain when to go on", async () => {
    const { near, there } = await ends(json);
    const text = "x".repeat(100_000);
    expect(near.write("small")).toBe(true);
    let written = 0;
    while (near.write(text)) written++;
    expect(written).toBeLessThan(10);
    let drained = false;
    near.on("drain", () => {
      drained = true;
    });
    there.resume();
    await until("drain", () => drained);
  });

  test("leaving its loop resets nothing that the other side still sends the other way", async () => {
    const { near, there } = await ends(json);
    await near.send(1);
    await near.send(2);
    for await (const value of there) {
      expect(value).toBe(1);
      break;
    }
    there.end("still here");
    const { items, end } = gather(near);
    expect(await end).toBe("ok");
    expect(items).toEqual(["still here"]);
  });

  test("tells a reset of the stream as it was", async () => {
    const { near, there } = await ends(json);
    const { items, end } = gather(there);
    await near.send(1);
    await until("the value", () => items.length === 1);
    near.reset(4001);
    expect(await end).toBe("4001");
    expect(await outcome(there.closed)).toBe("4001");
  });
});

describe("a value that cannot be sent", () => {
  const circle: unknown[] = [];
  circle.push(circle);
  const date = new Date(Number.NaN);
  const either: [string, unknown, RegExp][] = [
    ["undefined", undefined, /send null/],
    ["a function", { f: () => 1 }, /a function cannot be sent/],
    ["a symbol", [Symbol("s")], /a symbol cannot be sent/],
    ["a circle", circle, /in a circle/],
    ["half a character", "\ud800", /toWellFormed/],
    ["half a character in a key", { "\udc00": 1 }, /toWellFormed/],
    ["a Map", new Map(), /no Map: send its content/],
    ["a Set", [new Set()], /no Set/],
    ["an error", new Error("no"), /no Error/],
    ["an invalid Date", date, /invalid Date/],
    ["a field named __proto__", JSON.parse('{"__proto__": 1}'), /__proto__/],
    ["an ArrayBuffer", new ArrayBuffer(1), /new Uint8Array\(buffer\)|use msgpack/],
  ];
  const cases: [string, typeof json, unknown, RegExp][] = [
    ...either.map(([name, value, why]): [string, typeof json, unknown, RegExp] => [
      `${name}, as JSON`,
      json,
      value,
      why,
    ]),
    ...either.map(([name, value, why]): [string, typeof json, unknown, RegExp] => [
      `${name}, as MessagePack`,
      msgpack,
      value,
      why,
    ]),
    ["NaN, as JSON", json, [Number.NaN], /use msgpack/],
    ["a BigInt, as JSON", json, 1n, /use msgpack/],
    ["binary, as JSON", json, { b: new Uint8Array(1) }, /use msgpack/],
    ["a BigInt beyond 64 bits", msgpack, 2n ** 64n, /send it as text/],
    ["a BigInt below 64 bits", msgpack, -(2n ** 63n) - 1n, /send it as text/],
  ];
  test.each(cases)("%s", (_, codec, value, why) => {
    expect(() => codec.encode(value)).toThrow(why);
  });

  test("harms nothing when given to send or write, and the next one arrives", async () => {
    const { near, there } = await ends(json, { max: 10 });
    const { items, end } = gather(there);
    expect(() => near.write(1n)).toThrow(ValueError);
    await expect(near.send(1n)).rejects.toMatchObject({ code: "bad_value", number: 15 });
    await expect(near.send("123456789")).rejects.toMatchObject({ code: "value_too_large", number: 8 });
    await expect(near.send("123456789")).rejects.toThrow(/11 bytes, 10 at most: raise { max } at both ends/);
    await near.send("12345678");
    near.end();
    expect(await end).toBe("ok");
    expect(items).toEqual(["12345678"]);
  });

  test("breaks writable, and the stream with it", async () => {
    const { near, there } = await ends(json);
    const writer = near.writable.getWriter();
    writer.closed.catch(() => {});
    await expect(writer.write(1n)).rejects.toThrow(ValueError);
    expect(await outcome(near.closed)).toBe("bad_value");
    expect(await outcome(there.closed)).toBe("cancelled");
  });
});

describe("a value that cannot be read", () => {
  async function told(bytes: string, options = {}): Promise<{ items: unknown[]; codes: string[] }> {
    const { client, far } = await joined();
    const values = far.values(json, options);
    let error = "";
    values.on("error", ({ code }) => {
      error = code;
    });
    const { items, end } = gather(values);
    client.write(fromHex(bytes));
    const codes = [await end, await outcome(values.closed), await outcome(client.closed)];
    await until("the error", () => error !== "");
    return { items, codes: [...codes, error] };
  }

  test("ends the stream behind what came before, with a code that says why at both ends", async () => {
    const { items, codes } = await told("0000000131000000013f");
    expect(items).toEqual([1]);
    expect(codes).toEqual(["bad_value", "bad_value", "cancelled", "bad_value"]);
    expect(new ValueError("bad_value", "").name).toBe("ValueError");
  });

  test("is refused by its length, before its bytes came", async () => {
    const { items, codes } = await told("7fffffff", { max: 100 });
    expect(items).toEqual([]);
    expect(codes).toEqual(["value_too_large", "value_too_large", "limit", "value_too_large"]);
  });

  test("is one that the stream's end cut", async () => {
    const { client, far } = await joined();
    const { end } = gather(far.values(json));
    client.end(fromHex("000000023131".slice(0, 10)));
    expect(await end).toBe("bad_value");
  });

  test("a codec that is none is the caller's error, and the stream is as it was", async () => {
    const { client, far } = await joined();
    for (const none of ["json", {}, null]) expect(() => client.values(none as unknown as Codec)).toThrow(TypeError);
    client.values().end(1);
    const { items, end } = gather(far.values());
    expect([await end, items]).toEqual(["ok", [1]]);
  });

  test("a bound that is none is the caller's error", async () => {
    const { client } = await joined();
    for (const max of [0, -1, 1.5, 2 ** 32]) expect(() => client.values(json, { max })).toThrow(RangeError);
  });

  test("a codec of the user's may throw what it likes", async () => {
    const { client, far } = await joined();
    const fails = () => {
      throw "no";
    };
    const { end } = gather(far.values({ encode: fails, decode: fails }));
    await client.values(json).send(1);
    expect(await end).toBe("bad_value");
  });
});

describe("any value", () => {
  const leaf = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.double({ noNaN: true }).filter((n) => !Object.is(n, -0)),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  );
  const rich = fc.oneof(
    leaf,
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 400 }).map((bytes) => new Uint8Array(bytes)),
  );
  const key = fc.string({ unit: "binary" }).filter((text) => text !== "__proto__");
  const tree = <T>(leaves: fc.Arbitrary<T>) =>
    fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        leaves,
        fc.array(tie("value")),
        fc.dictionary(key, tie("value"), { noNullPrototype: true }),
      ),
    })).value;
  const chunks = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 });

  test("survives any cutting into chunks, as MessagePack", () => survives(msgpack, tree(rich)));
  test("survives any cutting into chunks, as JSON", () =>
    survives(json, tree(leaf.filter((value) => typeof value !== "number" || Number.isFinite(value)))));

  function survives(codec: typeof json, value: fc.Arbitrary<unknown>): void {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 5 }), chunks, (values, cuts) => {
        expect(
          cut(framed(values.map((item) => codec.encode(item))), cuts).map((body) => codec.decode(body)),
        ).toStrictEqual(values);
      }),
      { seed: 5, numRuns: 300 },
    );
  }
});

test("bytes that mean nothing are refused or mean a value, and never hang, as MessagePack", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        msgpack.encode(msgpack.decode(new Uint8Array(bytes)));
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }),
    { seed: 6, numRuns: 3000 },
  );
});

describe("memory", () => {
  test("a length makes the reader allocate nothing before the bytes are there", () => {
    const unframer = new Unframer(2 ** 31);
    const before = process.memoryUsage().arrayBuffers;
    unframer.push(fromHex("7fffffff00"));
    expect(unframer.next()).toBeUndefined();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
  });

  test("a value in many small chunks is copied a few times at most", () => {
    const body = new Uint8Array(1 << 20);
    const bytes = framed([body]);
    let copied = 0;
    const set = Uint8Array.prototype.set;
    Uint8Array.prototype.set = function (source: ArrayLike<number>, at?: number) {
      copied += source.length;
      set.call(this, source, at);
    };
    try {
      expect(cut(bytes, [100])[0]?.length).toBe(body.length);
    } finally {
      Uint8Array.prototype.set = set;
    }
    expect(copied).toBeLessThan(3 * body.length);
  });

  test("binary of a small value does not hold the chunk in which it came", () => {
    const chunk = new Uint8Array(64 * 1024);
    chunk.set(framed([msgpack.encode(fromHex("0102"))]));
    const unframer = new Unframer(100);
    unframer.push(chunk);
    const value = msgpack.decode(unframer.next() ?? new Uint8Array()) as Uint8Array;
    expect(value).toEqual(fromHex("0102"));
    expect(value.buffer.byteLength).toBeLessThan(100);
  });
});

function framed(bodies: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    Buffer.concat(
      bodies.flatMap((body) => {
        const head = Buffer.alloc(4);
        head.writeUInt32BE(body.length);
        return [head, body];
      }),
    ),
  );
}

/** The values' bytes, read in chunks of these lengths, over and over. */
function cut(bytes: Uint8Array<ArrayBuffer>, cuts: number[]): Uint8Array<ArrayBuffer>[] {
  const bodies: Uint8Array<ArrayBuffer>[] = [];
  const unframer = new Unframer(2 ** 31);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = cuts[turn % cuts.length] ?? 1;
    unframer.push(bytes.slice(at, at + length));
    at += length;
    for (let body = unframer.next(); body; body = unframer.next()) bodies.push(body);
  }
  expect(unframer.missing).toBeUndefined();
  return bodies;
}
