/** The service worker of swarms in a real browser: images, media with ranges, `fetch`, and pages that come and go meanwhile. */

import { startOrigin } from "../../examples/image-swarm/serve.mjs";
import { PIECE } from "../harness/evil.mjs";
import { expect, type Page, test } from "./fixture.ts";
import { findable, join, seed } from "./swarm-tab.ts";

/** Makes a page answer for the service worker; what its swarm is asked for is kept. */
async function answerFrom(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const { swarmWorker } = await import("/browser-stream-server-swarm.js");
    [kept.asked, kept.aborted] = [[], 0];
    const fetch = kept.swarm.fetch.bind(kept.swarm);
    kept.swarm.fetch = (id: string, options: { range: [number, number]; signal: AbortSignal }) => {
      kept.asked.push(options.range);
      options.signal.addEventListener("abort", () => kept.aborted++);
      return fetch(id, options);
    };
    kept.worker = swarmWorker(kept.swarm);
    await kept.worker.ready;
  });
}

/** A second page of the same visitor. */
async function beside(page: Page): Promise<Page> {
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.evaluate(async () => {
    globalThis.bss = await import("/browser-stream-server.js");
  });
  return other;
}

test("images, ranges, HEAD and conditions are answered as by a server", async ({ tab }) => {
  const page = await tab();
  await join(page, { store: "memory" });
  await answerFrom(page);
  const id = await seed(page, 3, 2 * PIECE + 100);
  const answers = await page.evaluate(async (id) => {
    const ask = async (method: string, headers: Record<string, string>) => {
      const { status, headers: says, body } = await fetch(kept.worker.url(id), { method, headers });
      const bytes = new Uint8Array(await new Response(body).arrayBuffer());
      const [from] = /\d+/.exec(says.get("content-range") ?? "0") ?? [];
      const right = t.pattern(3, Number(from), bytes.length);
      const isRight = bytes.every((byte, at) => byte === right[at]);
      return [status, says.get("content-length"), says.get("content-range"), bytes.length, isRight];
    };
    return [
      await ask("GET", {}),
      await ask("GET", { range: "bytes=262140-262150" }),
      await ask("GET", { range: "bytes=-5" }),
      await ask("HEAD", {}),
      await ask("GET", { range: "bytes=0-1", "if-range": `"${id}"` }),
      await ask("GET", { range: "bytes=0-1", "if-range": '"other"' }),
    ];
  }, id);
  const size = 2 * PIECE + 100;
  expect(answers).toEqual([
    [200, `${size}`, null, size, true],
    [206, "11", `bytes 262140-262150/${size}`, 11, true],
    [206, "5", `bytes ${size - 5}-${size - 1}/${size}`, 5, true],
    [200, `${size}`, null, 0, true],
    [206, "2", `bytes 0-1/${size}`, 2, true],
    [200, `${size}`, null, size, true],
  ]);
  const beyond = await page.evaluate(
    async (id) => (await fetch(kept.worker.url(id), { headers: { range: "bytes=9999999-" } })).status,
    id,
  );
  expect(beyond).toBe(416);

  const shown = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(40, 30);
    canvas.getContext("2d")?.fillRect(0, 0, 40, 30);
    const id = await kept.swarm.seed(await canvas.convertToBlob());
    const img = new Image();
    img.src = kept.worker.url(id, { type: "image/png" });
    await img.decode();
    return [img.naturalWidth, img.naturalHeight];
  });
  expect(shown).toEqual([40, 30]);
});

test("media is played from where somebody jumps to, and only that is fetched", async ({ tab }) => {
  const [seeder, page] = [await tab(), await tab()];
  await join(seeder, { store: "memory" });
  await join(page, { store: "memory" });
  await answerFrom(page);
  const SECONDS = 2000;
  const id = await seeder.evaluate(async (seconds) => {
    // 8 kHz in 8 bits, so that a byte is a sample: 16 MB.
    const bytes = new Uint8Array(44 + 8000 * seconds).fill(128);
    const text = (at: number, letters: string) => bytes.set(new TextEncoder().encode(letters), at);
    const view = new DataView(bytes.buffer);
    text(0, "RIFF");
    view.setUint32(4, bytes.length - 8, true);
    text(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    for (const [at, value] of [
      [20, 1],
      [22, 1],
      [32, 1],
      [34, 8],
    ] as const)
      view.setUint16(at, value, true);
    for (const [at, value] of [
      [24, 8000],
      [28, 8000],
    ] as const)
      view.setUint32(at, value, true);
    text(36, "data");
    view.setUint32(40, bytes.length - 44, true);
    return await kept.swarm.seed(bytes);
  }, SECONDS);
  await findable(page, id);
  const at = await page.evaluate(async (id) => {
    const media = document.createElement("video");
    media.preload = "metadata";
    media.src = kept.worker.url(id, { type: "audio/wav" });
    document.body.append(media);
    await new Promise((resolve, reject) => {
      media.onloadedmetadata = resolve;
      media.onerror = () => reject(new Error(media.error?.message));
    });
    kept.asked = [];
    media.currentTime = 1500;
    await new Promise((resolve) => {
      media.onseeked = resolve;
    });
    return [Math.round(media.duration), media.currentTime];
  }, id);
  expect(at).toEqual([SECONDS, 1500]);
  const asked: [number, number][] = await page.evaluate(() => kept.asked);
  expect(
    asked.map(([first]) => first).some((first) => first > 11_000_000),
    "from about there on",
  ).toBe(true);
});

test("who reads no further ends what a page fetches for it", async ({ tab }) => {
  const page = await tab();
  await join(page, { store: "memory" });
  await answerFrom(page);
  const id = await seed(page, 4, 16 * PIECE);
  await page.evaluate(async (id) => {
    const abort = new AbortController();
    const response = await fetch(kept.worker.url(id), { signal: abort.signal });
    await response.body?.getReader().read();
    kept.aborted = 0;
    abort.abort();
  }, id);
  await expect.poll(() => page.evaluate(() => kept.aborted)).toBe(1);
});

test("threat_25_a_page_that_is_closed_in_the_middle_hands_over_and_without_any_the_worker_asks_the_origin", async ({
  tab,
  realProxy,
}) => {
  const origin = await startOrigin({ proxy: realProxy.url });
  const reader = await tab(origin.url.replace("examples/image-swarm/", ""));
  const pages = [await beside(reader), await beside(reader)];
  for (const page of pages) {
    await page.evaluate(() => {
      // biome-ignore lint/suspicious/noExplicitAny: as the tests' own pages have it
      (globalThis as any).kept = {};
    });
    await join(page, { store: "memory" });
    await answerFrom(page);
  }
  const id = await reader.evaluate(async () => {
    const response = await fetch("/examples/image-swarm/");
    return /data-swarm="([0-9a-f]{64})"/.exec(await response.text())?.[1] ?? "";
  });
  const picture = "/examples/image-swarm/pictures/01.png";
  await reader.evaluate(
    async ({ id, picture }) => {
      const { serviceWorker } = navigator;
      // A worker that is there has taken over this page, too, a moment later.
      if (!serviceWorker.controller)
        await new Promise((resolve) => serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
      kept.response = await fetch(`/swarm/${id}?origin=${picture}`);
      kept.reader = kept.response.body.getReader();
      kept.first = (await kept.reader.read()).value;
    },
    { id, picture },
  );
  const whoGives = async () => {
    const asked = await Promise.all(pages.map((page) => page.evaluate(() => kept.asked.length)));
    return asked.findIndex((count) => count > 1);
  };
  const [giving] = pages.splice(Math.max(0, await whoGives()), 1);
  await giving?.close();
  const rest = await reader.evaluate(async () => {
    const parts = [kept.first];
    for (let next = await kept.reader.read(); !next.done; next = await kept.reader.read()) parts.push(next.value);
    return (await new Blob(parts).arrayBuffer()).byteLength;
  });
  expect(rest).toBe(308_548);

  for (const page of pages) await page.close();
  const before = origin.sent().bytes;
  const alone = await reader.evaluate(
    async ({ id, picture }) => {
      const img = new Image();
      img.src = `/swarm/${id}?type=image/png&origin=${picture}`;
      await img.decode();
      return img.naturalWidth;
    },
    { id, picture },
  );
  expect(alone).toBe(640);
  expect(origin.sent().bytes - before, "the worker knew of which pieces it is").toBe(308_548);
  const refused = await reader.evaluate(
    async ({ id, picture }) => (await fetch(`/swarm/${id.replace(/^../, "00")}?origin=${picture}`)).status,
    { id, picture },
  );
  expect(refused, "what the origin has is another content").toBe(502);
  await origin.stop();
});

test("threat_25_a_content_that_is_opened_as_a_page_runs_nothing", async ({ tab }) => {
  const page = await tab();
  await join(page, { store: "memory" });
  await answerFrom(page);
  const ids = await page.evaluate(async () => {
    const script = `localStorage.setItem("evil", "1")`;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" onload='${script}'><script>${script}</script><circle r="9"/></svg>`;
    const html = `<!doctype html><script>${script}</script>`;
    return await Promise.all([svg, html].map((text) => kept.swarm.seed(new Blob([text]))));
  });
  const opened = await beside(page);
  await opened.goto(new URL(`/swarm/${ids[0]}?type=image/svg%2Bxml`, page.url()).href);
  const downloading = opened.waitForEvent("download");
  await opened.goto(new URL(`/swarm/${ids[1]}?type=text/html`, page.url()).href).catch(() => {});
  await (await downloading).cancel();
  const ran = await page.evaluate(async (id) => {
    const script = document.createElement("script");
    script.src = kept.worker.url(id, { type: "text/javascript" });
    const ended = new Promise((resolve) => {
      script.onerror = () => resolve("refused");
      script.onload = () => resolve("ran");
    });
    document.head.append(script);
    return [await ended, localStorage.getItem("evil")];
  }, ids[1]);
  expect(ran).toEqual(["refused", null]);
});
