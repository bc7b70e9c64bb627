/** Streams of values between the Rust client and a real browser: the facts of tests/vectors/values.json, there and back. */

import { readFile } from "node:fs/promises";
import { expect, type Page } from "../browser/fixture.ts";
import { valuer } from "../harness/programs.mjs";
import { test } from "./running.ts";

interface Vector {
  name: string;
  value: unknown;
  json?: string;
  /** `shorter`: Rust writes this BigInt as a short integer, which is a number in a page. */
  rust?: "shorter";
}

async function facts(): Promise<Vector[]> {
  return JSON.parse(await readFile(new URL("../vectors/values.json", import.meta.url), "utf8")).values;
}

/** What a page has of a vector after Rust wrote it. */
function fromRust({ value, rust }: Vector): unknown {
  return rust === "shorter" ? Number((value as { $bigint: string }).$bigint) : value;
}

/** Gives the page the codecs, and how the vectors write what JSON has not. */
async function prepare(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const { msgpack } = await import("/browser-stream-server-msgpack.js");
    const plain = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
    const mapped = (value: object, item: (value: unknown) => unknown) =>
      Array.isArray(value)
        ? value.map(item)
        : Object.fromEntries(Object.entries(value).map(([key, field]) => [key, item(field)]));
    const fromTagged = (value: unknown): unknown => {
      if (!plain(value)) return value;
      if ("$bigint" in value) return BigInt(String(value.$bigint));
      if ("$date" in value) return new Date(Number(value.$date));
      if ("$number" in value) return Number(value.$number);
      if (!("$binary" in value)) return mapped(value, fromTagged);
      return Uint8Array.from(String(value.$binary).match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
    };
    const toTagged = (value: unknown): unknown => {
      if (typeof value === "bigint") return { $bigint: String(value) };
      if (typeof value === "number" && !Number.isFinite(value)) return { $number: String(value) };
      if (value instanceof Date) return { $date: +value };
      if (value instanceof Uint8Array) {
        return { $binary: Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("") };
      }
      return plain(value) ? mapped(value, toTagged) : value;
    };
    Object.assign(kept, { codecs: { json: bss.json, msgpack }, fromTagged, toTagged });
  });
}

for (const codec of ["json", "msgpack"] as const) {
  test(`a page's values come back from Rust as they were, as ${codec}`, async ({ run, tab, name, realProxy }) => {
    const vectors = (await facts()).filter((vector) => codec === "msgpack" || vector.json !== undefined);
    const program = run(valuer(), realProxy.mux, name, "serve");
    expect(await program.line()).toBe("serving");
    const page = await tab();
    await prepare(page);
    const back = await page.evaluate(
      async ({ name, codec, sent }) => {
        const values = bss.StreamClient(bss.MuxDemux()).connect(name, { meta: codec }).values(kept.codecs[codec]);
        const back: unknown[] = [];
        const receiving = (async () => {
          for await (const value of values) back.push(kept.toTagged(value));
        })();
        for (const value of sent) await values.send(kept.fromTagged(value));
        values.end();
        await receiving;
        return back;
      },
      { name, codec, sent: vectors.map((vector) => vector.value) },
    );
    expect(back).toEqual(vectors.map(fromRust));
    expect(await program.line()).toBe("finished");
    program.interrupt();
    expect(await program.exit()).toBe(0);
  });
}

test("values from Rust are a page's own, and come back as they were", async ({ run, tab, name, realProxy }) => {
  const page = await tab();
  await prepare(page);
  await page.evaluate(async (name) => {
    kept.seen = [];
    const server = bss.StreamServer(bss.MuxDemux(), (stream) => {
      const values = stream.values(kept.codecs.msgpack);
      values.on("data", (value) => kept.seen.push(kept.toTagged(value)));
      values.pipe(values);
    });
    await server.listen(name).listening;
  }, name);
  const program = run(valuer(), realProxy.mux, name, "connect");
  const vectors = await facts();
  expect(await program.line()).toBe(`${vectors.length} came back`);
  expect(await page.evaluate(() => kept.seen)).toEqual(vectors.map(fromRust));
});
