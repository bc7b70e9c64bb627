/** Streams between the Rust client and a real browser that survive what happens to their connections. */

import { expect } from "../browser/fixture.ts";
import { CUTS, connect, expectWhole, harass, type Said, said, serve, TOTAL } from "../browser/talk.ts";
import { talker } from "../harness/programs.mjs";
import { startShim } from "../harness/shim.mjs";
import { test } from "./running.ts";

for (const role of ["connect", "serve"] as const) {
  test(`threat_13_a_transfer_between_rust_that_${role}s_and_a_tab_cut_fifty_times_arrives_whole_and_once`, async ({
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
    if (!ofTab || !ofRust) throw new Error("two shims");
    const page = await tab(ofTab.url);
    const talk = () => run(talker(), ofRust.mux, name, role, "7", `${TOTAL}`);
    if (role === "connect") await serve(page, name, 8);
    const rust = talk();
    if (role === "serve") {
      expect(await rust.line()).toBe("serving");
      await connect(page, name, 8);
    }
    const [, mine] = await Promise.all([harass(shims, seed), said(page)]);
    const theirs: Said = JSON.parse(await rust.line());
    expect(await rust.exit()).toBe(0);
    expectWhole(mine, theirs, CUTS);
    if (role === "connect") expect(await page.evaluate(() => kept.streams)).toBe(1);
    for (const shim of shims) await shim.stop();
  });
}
