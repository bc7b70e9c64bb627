/** Sealed streams between real browsers over the real proxy. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { bss as program } from "../harness/programs.mjs";
import { type Shim, startShim } from "../harness/shim.mjs";
import { row, save, sha256, sha256Of, share } from "./exchange.ts";
import { expect, type Page, test } from "./fixture.ts";

const TOTAL = 64 << 20;
const MOVES = 20;

interface Wish {
  direct?: boolean;
  resume?: boolean;
}

/** Serves `name` sealed; the address. Each client's stream lies in `kept.served`. */
async function serve(page: Page, name: string, wish: Wish = {}): Promise<string> {
  return await page.evaluate(
    async ({ name, wish }) => {
      kept.served = [];
      kept.mdm ??= bss.MuxDemux();
      kept.server = bss.StreamServer(kept.mdm, { sealed: true, ...wish }, (stream) => {
        kept.served.push(stream);
        stream.closed.catch(() => {});
      });
      return await kept.server.listen(name).address;
    },
    { name, wish },
  );
}

/** Has a page keep the direct connections that it makes, so that they can be broken, and not wait long before new ones. */
async function keepConnections(page: Page): Promise<void> {
  await page.evaluate(() => {
    kept.pcs = [];
    Math.random = () => 0.01;
    globalThis.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(config?: RTCConfiguration) {
        super(config);
        kept.pcs.push(this);
      }
    };
  });
}

/** All that pages say and hear on their sockets. */
function heard(page: Page): () => string {
  const frames: Buffer[] = [];
  page.on("websocket", (socket) => {
    const take = ({ payload }: { payload: string | Buffer }) => frames.push(Buffer.from(payload));
    socket.on("framesent", take);
    socket.on("framereceived", take);
  });
  return () => Buffer.concat(frames).toString("latin1");
}

test("a_page_and_a_page_say_what_no_proxy_can_read", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  const wire = heard(client);
  const address = await serve(server, name);
  expect(address).toMatch(new RegExp(`^${name}#[\\w-]{43}$`));
  const asking = client.evaluate(async (address) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(address, { sealed: { meta: "the secret meta" } });
    stream.end("the secret text");
    return [await t.text(stream.readable), stream.sealed?.key];
  }, address);
  await expect.poll(() => server.evaluate(() => kept.served.length)).toBe(1);
  const asked = server.evaluate(async () => {
    const [stream] = kept.served;
    const text = await t.text(stream.readable);
    stream.end("the secret answer");
    return [text, stream.sealed.meta];
  });
  expect(await asking).toEqual(["the secret answer", address.split("#")[1]]);
  expect(await asked).toEqual(["the secret text", "the secret meta"]);
  expect(wire()).toContain("seal");
  expect(wire()).not.toMatch(/secret/);
});

test("64_mib_sealed_with_twenty_cuts_and_moves_arrive_whole_and_once", async ({ tab, name, realProxy }) => {
  test.slow();
  const shims: Shim[] = await Promise.all([startShim(realProxy.port), startShim(realProxy.port)]);
  const [server, client] = await Promise.all(shims.map((shim) => tab(shim.url)));
  if (!server || !client) throw new Error("two tabs");
  for (const page of [server, client]) await keepConnections(page);
  const address = await serve(server, name, { direct: true });
  await client.evaluate(async (address) => {
    kept.moves = 0;
    kept.sent = 0;
    kept.mdm = bss.MuxDemux();
    kept.stream = bss.StreamClient(kept.mdm, { direct: true }).connect(address);
    kept.stream.on("carrier", () => kept.moves++);
    await kept.stream.opened;
  }, address);
  await expect.poll(() => client.evaluate(() => kept.stream.carrier), { timeout: 40_000 }).toBe("direct");
  const received = server.evaluate(() => t.receive(kept.served[0].readable));
  const sending = client.evaluate(
    (total) =>
      t.send(kept.stream.writable, 1, total, (sent) => {
        kept.sent = sent;
      }),
    TOTAL,
  );
  for (let move = 1; move <= MOVES; move++) {
    await expect
      .poll(() => client.evaluate(() => kept.sent), { intervals: [5], timeout: 30_000 })
      .toBeGreaterThan((move * TOTAL) / (MOVES + 3));
    // By turns a connection to the proxy breaks, and the direct one of both.
    if (move % 2) shims[move % 4 === 1 ? 0 : 1]?.cut();
    else await client.evaluate(() => kept.pcs.at(-1)?.close());
  }
  expect(await received).toEqual(await sending);
  const { moves, carried } = await client.evaluate(() => ({ moves: kept.moves, carried: kept.stream.carried }));
  console.log(`${moves} moves, ${carried.proxy.sent} bytes over the proxy and ${carried.direct.sent} directly`);
  expect(moves, "it went to a direct connection and back").toBeGreaterThan(1);
  expect(await server.evaluate(() => kept.served.length)).toBe(1);
  for (const shim of shims) await shim.stop();
});

test("a_key_that_changed_is_refused_until_it_is_forgotten", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  const [, key] = (await serve(server, name)).split("#");
  const connect = () =>
    client.evaluate(async (name) => {
      const stream = bss.StreamClient(bss.MuxDemux()).connect(name, { sealed: true });
      const { code, message } = await t.outcome(stream.opened);
      return { code, message, key: stream.sealed?.key };
    }, name);
  expect(await connect()).toEqual({ code: "", message: "", key });
  expect(await client.evaluate(() => localStorage.getItem("bss-seal-pins"))).toContain(`${key}`);
  await server.evaluate(() => kept.server.end());
  const [, other] = (await serve(server, name)).split("#");
  const { code, message } = await connect();
  expect([code, message]).toEqual(["key_changed", expect.stringContaining(`${other}`)]);
  await client.evaluate(async () => {
    const { pins } = await import("/browser-stream-server-seal.js");
    for (const [known] of pins.entries()) pins.delete(known);
  });
  expect((await connect()).key).toBe(other);
});

test("without_webcrypto_as_on_plain_http_the_libraries_do_it", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  const loaded: string[] = [];
  // The start page asks how the proxy is, now and then.
  client.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  const scripts = () => loaded.filter((path) => path.endsWith(".js"));
  const address = await serve(server, name);
  await client.evaluate(() => Object.defineProperty(crypto, "subtle", { value: undefined }));
  await client.evaluate(async (address) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(address);
    stream.end("from plain http");
    await stream.opened;
  }, address);
  await expect.poll(() => server.evaluate(() => kept.served.length)).toBe(1);
  expect(await server.evaluate(() => t.text(kept.served[0].readable))).toBe("from plain http");
  expect(scripts()).toEqual(["/browser-stream-server-seal.js", "/browser-stream-server-noble.js"]);
});

test("a_worker_connects_sealed", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  const address = await serve(server, name);
  const key = await client.evaluate(async (address) => {
    const source = `
      import { MuxDemux, StreamClient } from "${location.origin}/browser-stream-server.js";
      const stream = StreamClient(MuxDemux("${location.origin.replace("http", "ws")}/mux")).connect("${address}");
      stream.end("from a worker");
      await stream.opened;
      postMessage(stream.sealed.key);`;
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })), { type: "module" });
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
  }, address);
  expect(key).toBe(address.split("#")[1]);
  expect(await server.evaluate(() => t.text(kept.served[0].readable))).toBe("from a worker");
});

test("bss_connects_to_a_sealed_page_by_its_address_and_to_no_other_key", async ({ tab, name, realProxy }) => {
  const server = await tab();
  const address = await serve(server, name);
  await server.evaluate(() =>
    kept.server.on("stream", (stream: { readable: ReadableStream; writable: WritableStream }) =>
      stream.readable.pipeTo(stream.writable).catch(() => {}),
    ),
  );
  const run = async (to: string) => {
    const child = spawn(program(), ["connect", to, "--url", realProxy.mux]);
    let [out, said] = ["", ""];
    child.stdout.on("data", (text) => {
      out += text;
    });
    child.stderr.on("data", (text) => {
      said += text;
    });
    // Who is refused may be gone before it has read that.
    child.stdin.on("error", (error: NodeJS.ErrnoException) => expect(error.code).toBe("EPIPE"));
    child.stdin.end("through the proxy");
    const [code] = await once(child, "close");
    return { code, out, said };
  };
  expect(await run(address)).toEqual({ code: 0, out: "through the proxy", said: "" });
  const key = await server.evaluate(async () => {
    const { SealKeys } = await import("/browser-stream-server-seal.js");
    return (await SealKeys.generate()).publicKey;
  });
  const { code, out, said } = await run(`${name}#${key}`);
  expect([code === 0, out]).toEqual([false, ""]);
  expect(said).toContain("key_changed");
});

test("the_file_exchange_says_nothing_that_a_proxy_can_read_and_a_code_alone_opens_it_with_a_word_of_warning", async ({
  tab,
  realProxy,
}) => {
  const url = `${realProxy.url}examples/file-exchange/`;
  const sender = await tab(url);
  await expect(sender.locator("#send-lead")).toContainText("Encrypted from end to end");
  const buffer = Buffer.from("the secret text, ".repeat(1000));
  const link = await share(sender, [{ name: "the secret name.txt", mimeType: "text/plain", buffer }]);
  expect(link).toMatch(/#[0-9a-z-]{14}\.[\w-]{43}$/);
  const [code = ""] = link.slice(link.indexOf("#") + 1).split(".");
  for (const [to, isChecked] of [
    [link, true],
    [`${url}#${code}`, false],
  ] as const) {
    const receiver = await tab(url);
    const wire = heard(receiver);
    await receiver.goto(to);
    await expect(row(receiver, "the secret name.txt")).toBeVisible();
    expect(await sha256Of(await save(receiver, "the secret name.txt"))).toBe(sha256(buffer));
    await expect(receiver.locator("#unchecked")).toBeVisible({ visible: !isChecked });
    expect(wire()).toContain("seal");
    expect(wire()).not.toMatch(/the secret|"exchange"/);
  }
});
