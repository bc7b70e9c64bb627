/** Stock yamux peers, as a server and as a client of a tab, through the real proxy. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, serveEcho, test } from "../browser/fixture.ts";
import { go, yamuxPeer } from "../harness/programs.mjs";
import { Running } from "./running.ts";

const MIB = 1024 * 1024;
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

interface Peer {
  command: () => [program: string, ...args: string[]];
  /** Whether it can read on after its own finish. */
  readsAfterFinish: boolean;
}

const peers: Record<string, Peer> = {
  "the yamux crate": { command: () => [yamuxPeer()], readsAfterFinish: true },
  "@libp2p/yamux": { command: () => [process.execPath, here("libp2p-peer.mjs")], readsAfterFinish: true },
};

if (process.env.LONG === "1") {
  const compiler = go();
  if (compiler === undefined)
    console.log("hashicorp/yamux is left out: there is no Go here (apt-get install golang-go)");
  else peers["hashicorp/yamux"] = { command: () => [buildHashicorp(compiler)], readsAfterFinish: false };
}

/** The peer over hashicorp/yamux, from Debian's packages of it; each worker builds it once. */
function buildHashicorp(compiler: string): string {
  const folder = here("../test-results/peers/");
  const program = `${folder}hashicorp-peer-${process.pid}`;
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  execFileSync(compiler, ["build", "-o", program, "."], {
    cwd: here("hashicorp-peer/"),
    env: { ...process.env, GO111MODULE: "off", GOPATH: "/usr/share/gocode", GOFLAGS: "" },
  });
  return program;
}

for (const [peer, { command, readsAfterFinish }] of Object.entries(peers)) {
  test(`${peer} serves a tab: 16 MiB each way, and 100 streams at once`, async ({ tab, name, realProxy }) => {
    const running = new Running([...command(), realProxy.mux, "serve", name]);
    expect(await running.line()).toBe("ready");
    const page = await tab();
    const result = await page.evaluate(
      async ({ name, big, small }) => {
        const mdm = bss.MuxDemux();
        const exchange = async (seed: number, bytes: number) => {
          const stream = bss.StreamClient(mdm).connect(name);
          const [sent, received] = await Promise.all([
            t.send(stream.writable, seed, bytes),
            t.receive(stream.readable),
          ]);
          await stream.closed;
          return sent.bytes === received.bytes && sent.sha === received.sha;
        };
        const one = await exchange(1, big);
        const hundred = await Promise.all(Array.from({ length: 100 }, (_, i) => exchange(i, small + i)));
        return { one, equal: hundred.filter(Boolean).length };
      },
      { name, big: 16 * MIB, small: 64 * 1024 },
    );
    expect(result).toEqual({ one: true, equal: 100 });
    await running.stop();
  });

  test(`${peer} serves a tab: its reply comes after the tab's half-close`, async ({ tab, name, realProxy }) => {
    const running = new Running([...command(), realProxy.mux, "serve", name]);
    expect(await running.line()).toBe("ready");
    const page = await tab();
    const reply = await page.evaluate(async (name) => {
      const stream = bss.StreamClient(bss.MuxDemux()).connect(name, { meta: "after-finish" });
      await t.say(stream.writable, "said before the finish");
      return await t.text(stream.readable);
    }, name);
    expect(reply).toBe("said before the finish");
    await running.stop();
  });

  test(`${peer} is a client of a tab: 16 MiB each way, and 100 streams at once`, async ({ tab, name, realProxy }) => {
    await serveEcho(await tab(), name);
    for (const [streams, bytes] of [
      [1, 16 * MIB],
      [100, 64 * 1024],
    ]) {
      const sizes = ["--bytes", `${bytes}`, "--streams", `${streams}`];
      const running = new Running([...command(), realProxy.mux, "connect", name, ...sizes]);
      expect(JSON.parse(await running.line())).toEqual({ streams, bytes, equal: true });
      await running.stop();
    }
  });

  test(`${peer} that dies leaves its tab lost, and one that is left by its tab goes on`, async ({
    tab,
    name,
    realProxy,
  }) => {
    const running = new Running([...command(), realProxy.mux, "serve", name]);
    expect(await running.line()).toBe("ready");
    const [leaver, stayer] = await Promise.all([tab(), tab()]);
    for (const page of [leaver, stayer]) {
      await page.evaluate(async (name) => {
        kept.stream = bss.StreamClient(bss.MuxDemux()).connect(name);
        await kept.stream.opened;
      }, name);
    }
    await leaver.context().close();
    const echoed = await stayer.evaluate(async () => {
      const reader = kept.stream.readable.getReader();
      kept.stream.write("still there");
      const { value } = await reader.read();
      kept.reading = t.outcome(reader.read());
      return new TextDecoder().decode(value);
    });
    expect(echoed).toBe("still there");
    await running.stop();
    expect(await stayer.evaluate(() => kept.reading)).toMatchObject({ ok: false, code: "lost" });
  });

  if (readsAfterFinish) {
    test(`${peer} is a client of a tab: the tab's reply comes after its half-close`, async ({
      tab,
      name,
      realProxy,
    }) => {
      const page = await tab();
      await page.evaluate(async (name) => {
        const handler = bss.StreamServer(bss.MuxDemux(), async (stream) => {
          const all = await new Response(stream.readable).arrayBuffer();
          const writer = stream.writable.getWriter();
          await writer.write(new Uint8Array(all));
          await writer.close();
        });
        await handler.listen(name).listening;
      }, name);
      const running = new Running([
        ...command(),
        realProxy.mux,
        "connect",
        name,
        "--bytes",
        "100000",
        "--streams",
        "3",
      ]);
      expect(JSON.parse(await running.line())).toEqual({ streams: 3, bytes: 100_000, equal: true });
      await running.stop();
    });
  }
}
