/** The library's interfaces as a page meets them: WHATWG, Node-style, iteration, workers. */

import { expect, serveEcho, test } from "./fixture.ts";

test("Web Streams: pipes through a transform and back", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    const handler = bss.StreamServer(bss.MuxDemux(), (stream) => {
      stream.readable
        .pipeThrough(new DecompressionStream("gzip"))
        .pipeThrough(new CompressionStream("deflate"))
        .pipeTo(stream.writable);
    });
    await handler.listen(name).listening;
  }, name);
  const text = await client.evaluate(async (name) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(name);
    new Blob(["across ".repeat(10_000)]).stream().pipeThrough(new CompressionStream("gzip")).pipeTo(stream.writable);
    return await t.text(stream.readable.pipeThrough(new DecompressionStream("deflate")));
  }, name);
  expect(text).toBe("across ".repeat(10_000));
});

test("Web Streams: a write waits for credit, so a producer cannot run ahead of its reader", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    const handler = bss.StreamServer(bss.MuxDemux(), (stream) => {
      kept.stream = stream;
    });
    await handler.listen(name).listening;
  }, name);
  await client.evaluate(async (name) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(name);
    kept.pulled = 0;
    const source = new ReadableStream({
      pull(controller) {
        kept.pulled++;
        controller.enqueue(new Uint8Array(64 * 1024));
        if (kept.pulled === 1000) controller.close();
      },
    });
    kept.piped = source.pipeTo(stream.writable);
    await stream.opened;
  }, name);
  // 1 MiB that is kept until it was acknowledged, and what the two ends of the pipe hold.
  await expect.poll(() => client.evaluate(() => kept.pulled)).toBeGreaterThanOrEqual(16);
  expect(await client.evaluate(() => kept.pulled)).toBeLessThan(26);
  const received = await server.evaluate(() => t.receive(kept.stream.readable));
  expect(received.bytes).toBe(1000 * 64 * 1024);
  expect(await client.evaluate(() => kept.pulled)).toBe(1000);
  await client.evaluate(() => kept.piped);
});

test("Node's style: data, end, write, drain and close", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    const handler = bss.StreamServer(bss.MuxDemux(), (stream) => {
      stream.on("data", (chunk) => stream.write(chunk)).on("end", () => stream.end());
    });
    await handler.listen(name).listening;
  }, name);
  const seen = await client.evaluate(async (name) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(name);
    let [bytes, allBytes, ended, drained] = [0, true, 0, 0];
    stream.on("data", (chunk) => {
      allBytes &&= chunk instanceof Uint8Array;
      bytes += chunk.length;
    });
    stream.on("end", () => {
      ended++;
    });
    stream.on("drain", () => {
      drained++;
    });
    const closed = new Promise<void>((resolve) => stream.on("close", () => resolve()));
    let refused = 0;
    for (let i = 0; i < 32; i++) {
      if (stream.write(t.pattern(1, i << 16, 1 << 16))) continue;
      refused++;
      await new Promise<void>((resolve) => stream.once("drain", () => resolve()));
    }
    stream.end("the last words");
    await closed;
    return { bytes, allBytes, ended, drained: drained === refused && refused > 0 };
  }, name);
  expect(seen).toEqual({ bytes: (32 << 16) + "the last words".length, allBytes: true, ended: 1, drained: true });
});

test("Node's style: a paused stream holds its sender back and loses nothing", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  const total = 16 << 20;
  await server.evaluate(
    async ({ name, total }) => {
      const handler = bss.StreamServer(bss.MuxDemux(), (stream) => {
        kept.sending = t.send(stream.writable, 4, total, (sent) => {
          kept.sent = sent;
        });
      });
      await handler.listen(name).listening;
    },
    { name, total },
  );
  await client.evaluate(async (name) => {
    const first = t.gate<void>();
    const end = t.gate<void>();
    const digest = new t.Digest();
    let adding = Promise.resolve();
    kept.stream = bss.StreamClient(bss.MuxDemux()).connect(name);
    kept.stream.on("data", (chunk: Uint8Array) => {
      adding = adding.then(() => digest.add(chunk));
      if (digest.bytes === 0) kept.stream.pause();
      first.open();
    });
    kept.stream.on("end", () => end.open());
    kept.whole = end.passed.then(async () => {
      await adding;
      return { bytes: digest.bytes, sha: await digest.hex() };
    });
    await first.passed;
  }, name);
  await expect.poll(() => server.evaluate(() => kept.sent)).toBeGreaterThan(128 * 1024);
  expect(await server.evaluate(() => kept.sent)).toBeLessThan(2 << 20);
  await client.evaluate(() => kept.stream.resume());
  expect(await client.evaluate(() => kept.whole)).toEqual(await server.evaluate(() => kept.sending));
});

test("Node's style: text comes whole although its characters were cut", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serveEcho(server, name);
  const text = await client.evaluate(async (name) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(name, { encoding: "utf8" });
    let text = "";
    stream.on("data", (part) => {
      text += part;
    });
    const closed = new Promise<void>((resolve) => stream.on("close", () => resolve()));
    for (const byte of new TextEncoder().encode("日本 🙂 é")) stream.write(new Uint8Array([byte]));
    stream.end();
    await closed;
    return text;
  }, name);
  expect(text).toBe("日本 🙂 é");
});

test("Node's style: pipe carries a stream into another one", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    const handler = bss.StreamServer(bss.MuxDemux(), (stream) => stream.pipe(stream));
    await handler.listen(name).listening;
  }, name);
  const [sent, received] = await client.evaluate(async (name) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(name);
    return await Promise.all([t.send(stream.writable, 1, 8 << 20), t.receive(stream.readable)]);
  }, name);
  expect(received).toEqual(sent);
});

test("Node's style: an error comes after the data before it, then close", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    const handler = bss.StreamServer(bss.MuxDemux(), (stream) => {
      stream.on("data", () => stream.reset(4001));
      stream.write("before");
    });
    await handler.listen(name).listening;
  }, name);
  const told = await client.evaluate(async (name) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(name, { encoding: "utf8" });
    const told: unknown[] = [];
    stream.on("data", (text) => {
      told.push(text);
      stream.write("now");
    });
    stream.on("end", () => told.push("end"));
    stream.on("error", (error) => told.push(error.number));
    await new Promise<void>((resolve) => stream.on("close", () => resolve()));
    return told;
  }, name);
  expect(told).toEqual(["before", 4001]);
});

test("a server is iterated, and the loop ends with the server", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    kept.server = bss.StreamServer(bss.MuxDemux());
    await kept.server.listen(name).listening;
    kept.looped = (async () => {
      const metas = [];
      for await (const stream of kept.server) {
        metas.push(stream.meta);
        await t.say(stream.writable, "welcome");
        if (metas.length === 3) kept.server.end();
      }
      return metas;
    })();
  }, name);
  await client.evaluate(async (name) => {
    const mdm = bss.MuxDemux();
    for (const meta of [1, 2, 3]) {
      const stream = bss.StreamClient(mdm).connect(name, { meta });
      await t.text(stream.readable);
      await stream.writable.close();
    }
  }, name);
  expect(await server.evaluate(() => kept.looped)).toEqual([1, 2, 3]);
});

test("a stream is iterated by its chunks", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serveEcho(server, name);
  const bytes = await client.evaluate(async (name) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(name);
    const sending = t.send(stream.writable, 1, 1 << 20);
    let bytes = 0;
    for await (const chunk of stream) bytes += chunk.length;
    await sending;
    return bytes;
  }, name);
  expect(bytes).toBe(1 << 20);
});

test("the classes are called with and without new", async ({ tab, name }) => {
  const page = await tab();
  const text = await page.evaluate(async (name) => {
    const mdm = new bss.MuxDemux();
    const server = new bss.StreamServer(mdm, (stream) => t.say(stream.writable, "hello"));
    await server.listen(name).listening;
    const client = new bss.StreamClient(mdm);
    if (!(mdm instanceof bss.MuxDemux && server instanceof bss.StreamServer && client instanceof bss.StreamClient)) {
      return "not instances";
    }
    return await t.text(client.connect(name).readable);
  }, name);
  expect(text).toBe("hello");
});

test("MuxDemux takes nothing, a path and a URL", async ({ tab, name, realProxy }) => {
  const page = await tab();
  await serveEcho(page, name);
  const opened = await page.evaluate(
    async ({ name, mux }) => {
      const all = [undefined, "/mux", mux, new URL(mux)].map(async (where) => {
        const mdm = bss.MuxDemux(where);
        return (await t.outcome(bss.StreamClient(mdm).connect(name).opened)).ok;
      });
      return await Promise.all(all);
    },
    { name, mux: realProxy.mux },
  );
  expect(opened).toEqual([true, true, true, true]);
});

test("MuxDemux to a path that is no proxy fails its streams lost, where it may not try again", async ({
  tab,
  name,
}) => {
  const page = await tab();
  const outcome = await page.evaluate(async (name) => {
    const mdm = bss.MuxDemux("/no-such-path", { reconnect: false });
    return await Promise.all([t.outcome(mdm.ready), t.outcome(bss.StreamClient(mdm).connect(name).opened)]);
  }, name);
  expect(outcome.map(({ code }) => code)).toEqual(["lost", "lost"]);
});

test("a prefix that the proxy does not serve is not found", async ({ tab, name }) => {
  const page = await tab();
  const outcome = await page.evaluate(async (name) => {
    return await t.outcome(bss.StreamClient(bss.MuxDemux(), { prefix: "/elsewhere" }).connect(name).opened);
  }, name);
  expect(outcome.code).toBe("not_found");
});

test("stats tell of bytes and streams", async ({ tab, name }) => {
  const page = await tab();
  await serveEcho(page, name);
  const stats = await page.evaluate(async (name) => {
    const stream = bss.StreamClient(kept.mdm).connect(name);
    await Promise.all([t.send(stream.writable, 1, 1 << 20), t.receive(stream.readable)]);
    return kept.mdm.stats();
  }, name);
  expect(JSON.stringify(stats)).toMatch(/\d{7}/);
});

test("a dedicated worker serves and another one connects", async ({ tab, name }) => {
  const page = await tab();
  const echoed = await page.evaluate(async (name) => {
    const library = new URL("/browser-stream-server.js", location.href).href;
    const mux = new URL("/mux", location.href).href.replace("http", "ws");
    const start = (body: string) => {
      const code = `import { MuxDemux, StreamClient, StreamServer } from "${library}"; const mdm = MuxDemux("${mux}"); ${body}`;
      const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: "module" });
      return new Promise<string>((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => reject(new Error(`the worker failed: ${event.message}`));
      });
    };
    const serving = start(`
      const server = StreamServer(mdm, (stream) => { stream.readable.pipeTo(stream.writable); });
      server.listen("${name}").listening.then(() => postMessage("listening"));
    `);
    await serving;
    return await start(`
      const stream = StreamClient(mdm).connect("${name}");
      const writer = stream.writable.getWriter();
      writer.write(new TextEncoder().encode("from worker to worker"));
      writer.close();
      new Response(stream.readable).text().then(postMessage);
    `);
  }, name);
  expect(echoed).toBe("from worker to worker");
});
