/** Streams that go on over a direct connection between two tabs, and back. */

import { type Shim, startShim } from "../harness/shim.mjs";
import { expect, type Page, test } from "./fixture.ts";
import { noticedWithin } from "./silence.ts";

const MIB = 1 << 20;
const TOTAL = 64 * MIB;
const MOVES = 20;
/** What a window may grow to. */
const WINDOW_MAX = 8 * MIB;
/** What a stream says over the proxy although it is direct: a few records, and the mux's own. */
const ASIDE = 64 * 1024;

interface Direct {
  iceTransportPolicy?: "relay";
}

/** Has a page keep the connections that it makes, in `kept.pcs`, so that they can be broken: `close()`, or `isSilent`. Its pauses before new ones are short. */
async function watch(page: Page): Promise<void> {
  await page.evaluate(() => {
    kept.pcs = [];
    Math.random = () => 0.01;
    globalThis.RTCPeerConnection = class extends RTCPeerConnection {
      isSilent = false;
      constructor(config?: RTCConfiguration) {
        super(config);
        kept.pcs.push(this);
      }
      override createDataChannel(...args: Parameters<RTCPeerConnection["createDataChannel"]>) {
        const channel = super.createDataChannel(...args);
        const send = channel.send.bind(channel) as (bytes: ArrayBufferView<ArrayBuffer>) => void;
        channel.send = (bytes: unknown) => {
          if (!this.isSilent) send(bytes as ArrayBufferView<ArrayBuffer>);
        };
        return channel;
      }
    };
  });
}

/** Serves `name`; each client's stream lies in `kept.served`. */
async function serve(page: Page, name: string, direct: boolean | Direct = true): Promise<void> {
  await watch(page);
  await page.evaluate(
    async ({ name, direct }) => {
      kept.served = [];
      kept.mdm = bss.MuxDemux();
      kept.server = bss.StreamServer(kept.mdm, { direct, accept: ({ meta }) => meta !== "stranger" }, (stream) => {
        kept.served.push(stream);
        stream.closed.catch(() => {});
      });
      await kept.server.listen(name).listening;
    },
    { name, direct },
  );
}

/** Connects to `name`: the stream lies in `kept.stream`. */
async function connect(page: Page, name: string, direct: boolean | Direct = true): Promise<void> {
  await watch(page);
  await page.evaluate(
    async ({ name, direct }) => {
      kept.moves = [];
      kept.mdm = bss.MuxDemux();
      kept.stream = bss.StreamClient(kept.mdm, { direct }).connect(name);
      kept.stream.on("carrier", (carrier: string) => kept.moves.push(carrier));
      kept.stream.closed.catch(() => {});
      await kept.stream.opened;
    },
    { name, direct },
  );
}

const carrier = (page: Page) => page.evaluate(() => (kept.stream ?? kept.served[0])?.carrier);

async function isDirect(...pages: Page[]): Promise<void> {
  for (const page of pages) {
    await expect.poll(() => carrier(page), { intervals: [20], timeout: 30_000 }).toBe("direct");
  }
}

/** The server reads its first client's stream to the end; what that comes to. */
const receive = (page: Page) => page.evaluate(() => t.receive(kept.served[0].readable));

test("64_mib_with_twenty_moves_arrive_whole_and_once", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serve(server, name);
  await connect(client, name);
  const received = receive(server);
  const sent = await client.evaluate(
    async ({ total, moves }) => {
      const CHUNK = 64 * 1024;
      const writer = kept.stream.writable.getWriter();
      const digest = new t.Digest();
      // Twice as often as is needed: what falls silent is still direct at the next occasion, which then does nothing.
      const share = total / (2 * moves + 2);
      const moved = () => new Promise((resolve) => kept.stream.once("carrier", resolve));
      for (let at = 0; at < total; at += CHUNK) {
        const chunk = t.pattern(1, at, CHUNK);
        await digest.add(chunk);
        await writer.write(chunk);
        if (Math.floor(at / share) === Math.floor((at - CHUNK) / share) || kept.moves.length >= moves) continue;
        const coming = moved();
        // Every fourth time the path only falls silent, and both ends have to find that out.
        const pc = kept.pcs.at(-1);
        if (kept.stream.carrier !== "direct") await coming;
        else if (kept.moves.length % 8 === 7) pc.isSilent = true;
        else pc.close();
      }
      await writer.close();
      return { sent: { bytes: total, sha: await digest.hex() }, carried: kept.stream.carried };
    },
    { total: TOTAL, moves: MOVES },
  );
  expect(await received).toEqual(sent.sent);
  const { proxy, direct } = sent.carried;
  expect(proxy.moves + direct.moves).toBeGreaterThanOrEqual(MOVES);
  console.log(`${proxy.moves + direct.moves} moves, ${proxy.sent} bytes over the proxy and ${direct.sent} directly`);
});

test("after_the_move_the_proxy_carries_none_of_it_and_may_be_lost", async ({ tab, name, realProxy }) => {
  const shims: Shim[] = await Promise.all([startShim(realProxy.port), startShim(realProxy.port)]);
  const [server, client] = await Promise.all(shims.map((shim) => tab(shim.url)));
  if (!server || !client) throw new Error("two tabs");
  await serve(server, name);
  await connect(client, name);
  await isDirect(server, client);
  const received = receive(server);
  const carried = () => shims.reduce((sum, shim) => sum + shim.carried(), 0);
  const before = carried();
  const send = (page: Page) =>
    page.evaluate(
      async ({ total }) => {
        kept.digest ??= new t.Digest();
        kept.writer ??= kept.stream.writable.getWriter();
        const [from, start] = [kept.digest.bytes, performance.now()];
        for (let at = from; at < from + total; at += 64 * 1024) {
          const chunk = t.pattern(2, at, 64 * 1024);
          await kept.digest.add(chunk);
          await kept.writer.write(chunk);
        }
        return (1000 * total) / (performance.now() - start);
      },
      { total: TOTAL / 2 },
    );
  console.log(`${((await send(client)) / MIB).toFixed(1)} MiB/s directly`);
  expect(carried() - before, "bytes over the proxy while half of it was sent").toBeLessThan(ASIDE);
  for (const shim of shims) {
    shim.refuse(true);
    shim.cut();
  }
  for (const page of [server, client]) await expect.poll(() => page.evaluate(() => kept.mdm.state)).not.toBe("open");
  await send(client);
  const sent = await client.evaluate(async () => {
    await kept.writer.close();
    return { bytes: kept.digest.bytes, sha: await kept.digest.hex() };
  });
  expect(await received).toEqual(sent);
  const { moves, resent } = await client.evaluate(() => kept.stream.resumption);
  expect({ moves, resent }, "it noticed nothing").toEqual({ moves: 1, resent: 0 });
  for (const shim of shims) await shim.stop();
});

test("a_path_that_falls_silent_in_mid_transfer_costs_less_than_three_seconds_and_no_byte", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serve(server, name);
  await connect(client, name);
  await isDirect(server, client);
  const received = receive(server);
  // The last quarter is sent once the path is silent: all of it could have come through before.
  const sending = client.evaluate((total) => {
    const gate = t.gate();
    kept.goOn = gate.open;
    return t.send(kept.stream.writable, 3, total, (sent) => (sent < 0.75 * total ? undefined : gate.passed));
  }, TOTAL);
  await expect
    .poll(() => server.evaluate(() => kept.served[0].resumption.received), { intervals: [5] })
    .toBeGreaterThan(4 * MIB);
  const silence = (page: Page) =>
    page.evaluate(async () => {
      const stream = kept.stream ?? kept.served[0];
      const now = () => performance.timeOrigin + performance.now();
      const stood = t.standstills();
      for (const pc of kept.pcs) pc.isSilent = true;
      const from = now();
      kept.goOn?.();
      if (stream.carrier === "direct") await new Promise((resolve) => stream.once("carrier", resolve));
      return { from, back: now(), stood: stood() };
    });
  const ends = await Promise.all([silence(client), silence(server)]);
  // From when neither end says anything any more.
  const from = Math.max(...ends.map((end) => end.from));
  const took = ends.map(({ back }) => back - from);
  console.log(`back on the proxy after ${took.map(Math.round).join(" and ")} ms`);
  const most = noticedWithin(ends.flatMap(({ stood }) => stood));
  for (const ms of took) expect(ms).toBeLessThan(most);
  expect(await received).toEqual(await sending);
});

test("a_reader_who_stops_on_a_direct_carrier_holds_up_its_writer_within_the_window", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serve(server, name);
  await connect(client, name);
  await isDirect(server, client);
  await server.evaluate((total) => {
    kept.sending = t.send(kept.served[0].writable, 4, total);
  }, 2 * TOTAL);
  await client.evaluate(async () => {
    kept.reader = kept.stream.readable.getReader();
    kept.digest = new t.Digest();
    // Long enough for the window to grow.
    while (kept.digest.bytes < 32 << 20) await kept.digest.add((await kept.reader.read()).value);
  });
  const look = async () => ({
    sent: await server.evaluate(() => kept.served[0].carried.direct.sent as number),
    came: await client.evaluate(() => kept.stream.resumption.received as number),
  });
  // It stopped where both ends stand as they stood a second ago, but for a record of a few bytes; a tenth is no more than a page that is held up.
  let [sent, came] = [-MIB, -MIB];
  await expect
    .poll(
      async () => {
        const before = { sent, came };
        ({ sent, came } = await look());
        return came === before.came && sent - before.sent < 1024;
      },
      { intervals: [1000], timeout: 30_000 },
    )
    .toBe(true);
  const read = await client.evaluate(() => kept.digest.bytes);
  console.log(`${((came - read) / MIB).toFixed(1)} MiB unread when the writer stopped`);
  expect(came - read).toBeLessThanOrEqual(WINDOW_MAX);
  expect(sent - came, "bytes that were sent and have not come").toBeLessThanOrEqual(MIB);
  const received = await client.evaluate(async () => {
    for (;;) {
      const { done, value } = await kept.reader.read();
      if (done) return { bytes: kept.digest.bytes, sha: await kept.digest.hex() };
      await kept.digest.add(value);
    }
  });
  expect(received).toEqual(await server.evaluate(() => kept.sending));
  expect(await carrier(client)).toBe("direct");
});

test("a_connection_that_cannot_be_made_delays_nobody", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serve(server, name);
  const firstAnswer = async (direct: boolean | Direct) => {
    await server.evaluate(() => {
      kept.server.once("stream", (stream: { readable: ReadableStream; writable: WritableStream }) => {
        void stream.readable.pipeTo(stream.writable);
      });
    });
    return await client.evaluate(
      async ({ name, direct }) => {
        kept.mdm ??= bss.MuxDemux();
        await kept.mdm.ready;
        const at = performance.now();
        const stream = bss.StreamClient(kept.mdm, { direct }).connect(name);
        stream.write("at once");
        await stream.readable.getReader().read();
        kept.stream = stream;
        const givenUp = kept.pcs.filter((pc: RTCPeerConnection) => pc.connectionState === "closed").length;
        return { ms: performance.now() - at, givenUp };
      },
      { name, direct },
    );
  };
  await watch(client);
  const [without, withIt] = [await firstAnswer(false), await firstAnswer({ iceTransportPolicy: "relay" })];
  const [quick, beside] = [Math.round(without.ms), Math.round(withIt.ms)];
  console.log(`first answer after ${quick} ms, with a direct connection tried ${beside} ms`);
  // The first only showed whether such options can be.
  expect(withIt.givenUp, "the answer is there before the attempt is given up").toBe(1);
  await expect
    .poll(
      () => client.evaluate(() => kept.pcs.filter((pc: RTCPeerConnection) => pc.connectionState === "closed").length),
      { timeout: 30_000 },
    )
    .toBeGreaterThan(1);
  expect(await carrier(client), "its attempt was given up").toBe("proxy");
});

test("garbage_signals_harm_only_the_direct_path_of_who_sends_them", async ({ tab, name }) => {
  const [server, client, other] = await Promise.all([tab(), tab(), tab()]);
  await serve(server, name);
  await other.evaluate(() => {
    Object.defineProperty(RTCPeerConnection.prototype, "localDescription", {
      get: () => ({ type: "offer", sdp: "v=0\r\nm=video 9 garbage\r\n" }),
    });
  });
  await connect(other, name);
  await connect(client, name);
  await isDirect(client);
  await expect
    .poll(() =>
      other.evaluate(() => kept.pcs.filter((pc: RTCPeerConnection) => pc.connectionState === "closed").length),
    )
    .toBeGreaterThan(1);
  expect(await carrier(other)).toBe("proxy");
  const said = await other.evaluate(async () => {
    kept.stream.end("over the proxy");
    return kept.stream.resumption.moves;
  });
  expect(said).toBe(0);
  expect(await server.evaluate(() => t.text(kept.served[0].readable))).toBe("over the proxy");
  expect(await carrier(client)).toBe("direct");
});

test("threat_31_nobody_hears_of_an_address_unless_both_want_it_and_the_client_was_accepted", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  const made = (page: Page) => page.evaluate(() => kept.pcs.length);
  await serve(server, name, false);
  await connect(client, name, true);
  await client.evaluate(() => kept.stream.write("no"));
  await expect.poll(() => server.evaluate(() => kept.served[0].resumption.received)).toBe(2);
  expect([await made(server), await made(client)]).toEqual([0, 0]);
  const wanting = await tab();
  await serve(wanting, `${name}-2`, true);
  for (const [options, connectOptions] of [
    [{ direct: false }, {}],
    [{ direct: true }, { meta: "stranger" }],
  ]) {
    const outcome = await client.evaluate(
      async ({ name, options, connectOptions }) => {
        const stream = bss.StreamClient(kept.mdm, options).connect(name, connectOptions);
        return await t.outcome(stream.opened);
      },
      { name: `${name}-2`, options, connectOptions },
    );
    expect(outcome.code).toBe(options?.direct ? "forbidden" : "");
  }
  // One that both want comes after them, and nobody else's does; it may take more than one attempt.
  const accepted = await tab();
  await connect(accepted, `${name}-2`, true);
  await isDirect(accepted);
  const answered = await made(wanting);
  expect(answered).toBeGreaterThanOrEqual(1);
  expect(answered).toBeLessThanOrEqual(await made(accepted));
  expect(await made(client)).toBe(0);
});

test("the_part_that_makes_direct_connections_is_asked_for_again_where_it_could_not_be_loaded", async ({
  tab,
  name,
}) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serve(server, name);
  let asked = 0;
  // The browser says so first, and the library once it knows, and will try again.
  const told = client.waitForEvent(
    "console",
    (message) => message.type() === "error" && asked > 0 && !message.text().startsWith("Failed to load resource"),
  );
  await client.route("**/browser-stream-server-direct.js", (route) =>
    ++asked === 1 ? route.abort() : route.continue(),
  );
  await client.clock.install();
  await connect(client, name);
  await told;
  expect([asked, await carrier(client)]).toEqual([1, "proxy"]);
  // Soon, for the stream that is there.
  await client.clock.fastForward(30_000);
  await isDirect(client);
  expect(asked).toBe(2);
});

test("a_page_that_goes_is_heard_of_at_once", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serve(server, name);
  await connect(client, name);
  await isDirect(server, client);
  const lost = server.evaluate(() => t.outcome(kept.served[0].closed));
  const gone = client.waitForEvent("close");
  await client.close({ runBeforeUnload: true });
  expect((await lost).code).toBe("lost");
  // This way of closing waits for nothing, and the page is asked for its errors where it is still there.
  await gone;
});
