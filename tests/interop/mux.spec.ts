/** A mux over one resumable stream, between the Rust client and a real browser: each end opens streams to the other. */

import type { Stream } from "browser-stream-server";
import { expect, type Page } from "../browser/fixture.ts";
import { muxer } from "../harness/programs.mjs";
import { type Shim, seeded, startShim } from "../harness/shim.mjs";
import { test } from "./running.ts";

const BYTES = 8 << 20;
const CUTS = 6;

/** What an end was answered. */
interface Said {
  echo: boolean;
  greeting: string;
  failure: [string, string];
  logged: [unknown, string];
  ended: unknown;
}

/** Makes a page serve `name`, or connect to it, and talk over a mux; what that comes to is in `kept.said`. */
async function begin(page: Page, role: "serve" | "connect", name: string): Promise<void> {
  await page.evaluate(
    async ({ role, name, bytes }) => {
      const mdm = bss.MuxDemux();
      const gate = t.gate<Stream>();
      if (role === "serve") await bss.StreamServer(mdm, (stream) => gate.open(stream)).listen(name).listening;
      else gate.open(bss.StreamClient(mdm).connect(name));

      const talk = async () => {
        const mux = bss.MuxDemux(await gate.passed);
        const logged = t.gate<unknown>();
        mux.on("stream", async (stream, meta) => {
          const wish = (meta as { do: string }).do;
          if (wish === "echo") await stream.readable.pipeTo(stream.writable);
          else if (wish === "greet") await t.say(stream.writable, "hello");
          else if (wish === "log") logged.open([meta, await t.text(stream.readable)]);
          else stream.error(`a tab does not ${wish}`);
        });
        const echo = mux.createStream({ do: "echo" });
        const [, back, greeting, failure] = await Promise.all([
          t.send(echo.writable, 5, bytes),
          t.receive(echo.readable),
          t.text(mux.createReadStream({ do: "greet" }).readable),
          mux.createStream({ do: "juggle" }).closed.catch(({ code, detail }) => [code, detail]),
        ]);
        await t.say(
          mux.createWriteStream({ do: "log", odd: [null, "日本語", { deep: -0.5 }] }).writable,
          "a tab is done",
        );
        const said = {
          echo: back.sha === (await t.digest(5, bytes)).sha,
          greeting,
          failure,
          logged: await logged.passed,
        };
        const ended = mux.role === "client" ? mux.close() : mux.closed;
        return { ...said, ended: await t.outcome(ended) };
      };
      kept.said = talk();
      kept.said.catch(() => {});
    },
    { role, name, bytes: BYTES },
  );
}

/** Cuts the one or the other connection, each time behind a random number of bytes. */
async function harass(shims: readonly Shim[], seed: number): Promise<void> {
  const random = seeded(seed);
  for (let cut = 0; cut < CUTS; cut++) {
    await shims[cut % shims.length]?.cutAfter(1 + Math.floor(random() * (BYTES / 4)));
  }
}

for (const role of ["connect", "serve"] as const) {
  test(`a_mux_over_a_stream_between_a_tab_and_rust_that_${role}s_carries_streams_both_ways_through_cuts`, async ({
    run,
    tab,
    name,
    realProxy,
  }) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    console.log(`seed ${seed}`);
    const shims = await Promise.all([
      startShim(realProxy.port, { seed }),
      startShim(realProxy.port, { seed: seed + 1 }),
    ]);
    const [ofTab, ofRust] = shims;
    const page = await tab(ofTab.url);
    const start = () => run(muxer(), ofRust.mux, name, role, "9", `${BYTES}`);
    if (role === "connect") await begin(page, "serve", name);
    const rust = start();
    if (role === "serve") {
      expect(await rust.line()).toBe("serving");
      await begin(page, "connect", name);
    }
    const [mine]: [Said, unknown] = await Promise.all([page.evaluate(() => kept.said), harass(shims, seed)]);
    const theirs: Said = JSON.parse(await rust.line());
    const odd = { do: "log", odd: [null, "日本語", { deep: -0.5 }] };
    expect(mine).toMatchObject({
      echo: true,
      greeting: "grüezi",
      failure: ["4001", "rust does not juggle"],
      logged: [odd, "rust is done"],
      ended: { ok: true },
    });
    expect(theirs).toEqual({
      echo: true,
      greeting: "hello",
      failure: ["stream reset: internal", "a tab does not juggle"],
      logged: [odd, "a tab is done"],
      ended: { Ok: null },
    });
    expect(await rust.exit()).toBe(0);
    for (const shim of shims) await shim.stop();
  });
}
