/** The programs of BinaryJS's front page, over this API, and what a big file costs on the way. */

import { createCipheriv, createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import { expect, type Page } from "../browser/fixture.ts";
import { binary } from "../harness/programs.mjs";
import { test as base, type Running } from "./running.ts";

interface Begun {
  /** The program and a page of it; the test has a folder for its files. */
  begun: { program: Running; page: Page };
}

const test = base.extend<Begun>({
  begun: async ({ run, tab }, use, info) => {
    const program = run(binary(), "0");
    await mkdir(info.outputDir, { recursive: true });
    await use({ program, page: await tab(await program.url()) });
  },
});

const MIB = 1024 * 1024;
const BIG = (process.env.LONG === "1" ? 1024 : 128) * MIB;

/** Between two looks at the page's memory. */
const SAMPLE_MS = 50;

/** A file of so many bytes that no compression shortens, and its SHA-256. */
async function fileOf(path: string, bytes: number): Promise<string> {
  const hash = createHash("sha256");
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16));
  async function* pieces() {
    for (let at = 0; at < bytes; at += MIB) {
      const piece = cipher.update(Buffer.alloc(Math.min(MIB, bytes - at)));
      hash.update(piece);
      yield piece;
    }
  }
  await pipeline(Readable.from(pieces()), createWriteStream(path));
  return hash.digest("hex");
}

/** Puts a file chooser into the page, and these files into that. */
async function choose(page: Page, paths: string[]): Promise<void> {
  await page.evaluate(() => {
    document.body.insertAdjacentHTML("beforeend", "<input type=file multiple id=files>");
  });
  await page.locator("#files").setInputFiles(paths);
}

/** The page's memory: its JavaScript heap, and what its ArrayBuffers hold. */
async function watchMemory(page: Page) {
  const devtools = await page.context().newCDPSession(page);
  const now = async () => {
    const { usedSize, backingStorageSize = 0 } = (await devtools.send("Runtime.getHeapUsage")) as {
      usedSize: number;
      backingStorageSize?: number;
    };
    return usedSize + backingStorageSize;
  };
  await devtools.send("HeapProfiler.collectGarbage");
  return { before: await now(), now };
}

const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;

test("BinaryJS's flower: a page keeps one with the server, and the next page gets it as a stream", async ({
  run,
  tab,
}) => {
  const program = run(binary(), "0");
  const url = await program.url();
  const meta = { name: "flower.png", tags: ["赤", null, 1.5], nested: { deep: true } };
  const sent = await (await tab(url)).evaluate(async (meta) => {
    const canvas = new OffscreenCanvas(640, 480);
    const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
    // Noise, so that the image is a large one.
    const image = context.createImageData(640, 480);
    image.data.set(t.pattern(7, 0, image.data.length));
    context.putImageData(image, 0, 0);
    const flower = await canvas.convertToBlob({ type: "image/png" });
    const stream = bss.MuxDemux().send(flower, meta, { path: "/keep" });
    await stream.sent;
    await new Response(stream.readable).text();
    const hash = new t.Digest();
    await hash.add(new Uint8Array(await flower.arrayBuffer()));
    return { bytes: flower.size, sha: await hash.hex() };
  }, meta);

  const page = await tab(url);
  const shown = await page.evaluate(async () => {
    const client = bss.MuxDemux();
    const got = new Promise((resolve) => {
      client.on("stream", (stream, meta) => {
        const parts: Uint8Array<ArrayBuffer>[] = [];
        stream.on("data", (data) => parts.push(data as Uint8Array<ArrayBuffer>));
        stream.on("end", async () => {
          const img = document.createElement("img");
          img.src = URL.createObjectURL(new Blob(parts));
          document.body.appendChild(img);
          await img.decode();
          stream.end("what a flower");
          const hash = new t.Digest();
          for (const part of parts) await hash.add(part);
          const isBinary = parts.every((part) => part instanceof Uint8Array);
          resolve({ meta, isBinary, width: img.naturalWidth, bytes: hash.bytes, sha: await hash.hex() });
        });
      });
    });
    client.createStream(null, { path: "/hello" }).end();
    return await got;
  });
  expect(shown).toEqual({ meta, isBinary: true, width: 640, ...sent });
  expect(sent.bytes).toBeGreaterThan(256 * 1024);
  expect(await program.line()).toBe("answered: what a flower");
});

test("BinaryJS's upload: several files at once, each with its meta and the server's progress, and they interleave", async ({
  begun: { page },
}, info) => {
  const paths = ["一.bin", "two.bin", "three.bin"].map((name) => info.outputPath(name));
  const shas = await Promise.all(paths.map((path, i) => fileOf(path, (8 + i) * MIB + i)));
  await choose(page, paths);
  const result = await page.evaluate(async () => {
    const client = bss.MuxDemux();
    const order: number[] = [];
    const files = [...(document.querySelector<HTMLInputElement>("#files")?.files ?? [])];
    const upload = (file: File, which: number) =>
      new Promise<{ rx: number; last: unknown }>((resolve, reject) => {
        const meta = { name: file.name, size: file.size, type: file.type };
        const stream = client.send(file, meta, { path: "/upload", encoding: "utf8" });
        let [text, rx] = ["", 0];
        stream.on("data", (data: string) => {
          const lines = (text + data).split("\n");
          text = lines.pop() ?? "";
          for (const line of lines) {
            const told = JSON.parse(line);
            if (!("rx" in told)) resolve({ rx, last: told });
            else {
              rx = told.rx;
              order.push(which);
            }
          }
        });
        stream.on("error", reject);
      });
    const done = await Promise.all(files.map(upload));
    return { done, order };
  });
  expect(result.done.map(({ last }) => last)).toMatchObject(
    shas.map((sha256, i) => ({
      meta: { name: ["一.bin", "two.bin", "three.bin"][i], size: (8 + i) * MIB + i },
      bytes: (8 + i) * MIB + i,
      sha256,
    })),
  );
  expect(result.done.every(({ rx }) => rx > 0.8 && rx <= 1)).toBe(true);
  // None was through before each had begun.
  const firstEnd = Math.min(...[0, 1, 2].map((which) => result.order.lastIndexOf(which)));
  const lastStart = Math.max(...[0, 1, 2].map((which) => result.order.indexOf(which)));
  expect(lastStart).toBeLessThan(firstEnd);
});

test(`${BIG / MIB} MiB from a page to a Rust handler: equal, in flat memory on both sides`, async ({
  begun: { page },
}, info) => {
  test.setTimeout(600_000);
  const path = info.outputPath("big.bin");
  const sha256 = await fileOf(path, BIG);
  await choose(page, [path]);
  const memory = await watchMemory(page);
  const upload = page.evaluate(async () => {
    const file = document.querySelector<HTMLInputElement>("#files")?.files?.[0] as File;
    const start = performance.now();
    kept.progress = { sent: 0 };
    const stream = bss
      .MuxDemux()
      .send(file, { size: file.size }, { path: "/upload", onProgress: (p) => (kept.progress = p) });
    const text = await new Response(stream.readable).text();
    const seconds = (performance.now() - start) / 1000;
    return {
      last: JSON.parse(text.trim().split("\n").at(-1) ?? ""),
      sent: await stream.sent,
      seconds,
      progress: kept.progress,
    };
  });
  let most = memory.before;
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  upload.then(done, done);
  while (!isDone) {
    most = Math.max(most, await memory.now());
    await setTimeout(SAMPLE_MS);
  }
  const { last, sent, seconds, progress } = await upload;
  await rm(path);
  expect(last).toMatchObject({ bytes: BIG, sha256 });
  expect([sent, progress]).toEqual([BIG, { sent: BIG, total: BIG }]);
  const { before, most: held } = last.rss;
  console.log(
    `${mib(BIG)} in ${seconds.toFixed(1)} s; the page's heap went from ${mib(memory.before)} to at most ${mib(most)}, the proxy's memory from ${mib(before)} to at most ${mib(held)}`,
  );
  // What the collector has not looked at yet counts, too.
  expect(most - memory.before).toBeLessThan(64 * MIB);
  expect(held - before).toBeLessThan(32 * MIB);
});

test("a handler that stops reading stops the page within its window, and what it resumes comes whole", async ({
  begun: { program, page },
}, info) => {
  const path = info.outputPath("paused.bin");
  const sha256 = await fileOf(path, 32 * MIB);
  await choose(page, [path]);
  await page.evaluate(() => {
    const file = document.querySelector<HTMLInputElement>("#files")?.files?.[0] as File;
    kept.mdm = bss.MuxDemux();
    kept.sent = 0;
    const onProgress = ({ sent }: { sent: number }) => {
      kept.sent = sent;
    };
    const stream = kept.mdm.send(file, { size: file.size, pause: 8 << 20 }, { path: "/upload", onProgress });
    kept.text = new Response(stream.readable).text();
  });
  const [, paused] = /^paused at (\d+)$/.exec(await program.line()) ?? [];
  const read = Number(paused);
  const counters = () =>
    page.evaluate(() => ({ sent: kept.sent as number, queued: kept.mdm.stats().queued as number }));
  // The sender has something to send, and sends nothing any more.
  let before = await counters();
  for (let still = 0; still < 20; ) {
    await page.evaluate(() => new Promise(requestAnimationFrame));
    const now = await counters();
    still = now.queued > 0 && now.sent === before.sent ? still + 1 : 0;
    before = now;
  }
  console.log(`the handler stopped at ${mib(read)}, the page at ${mib(before.sent)} with ${mib(before.queued)} queued`);
  expect(read).toBeGreaterThan(8 * MIB);
  expect(before.sent - read).toBeLessThanOrEqual(4 * MIB);
  expect(before.queued).toBeLessThanOrEqual(MIB / 8);
  program.type("go on");
  const text = await page.evaluate(() => kept.text as Promise<string>);
  expect(JSON.parse(text.trim().split("\n").at(-1) ?? "")).toMatchObject({ bytes: 32 * MIB, sha256 });
});
