/** A proxy that asks pages who they are. Its tokens are made here, by what PROTOCOL.md says of them and with the key that `bss token keygen` wrote. */

import { execFileSync } from "node:child_process";
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as programs from "../harness/programs.mjs";
import { type RunningProxy, startProxy } from "../harness/proxy.mjs";
import { test as base, expect, type Page, serveEcho, tryConnect } from "./fixture.ts";

/** How long a proxy takes a token for one that holds beyond its end. */
const LEEWAY_S = 30;

interface Guarded extends RunningProxy {
  /** A token with these claims that holds so long. */
  token(claims: object, seconds?: number): string;
  /** Takes all tokens of somebody back. */
  revoke(sub: string): void;
}

const test = base.extend<{ guarded: Guarded }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixture's needs off this pattern
  guarded: async ({}, use) => {
    const folder = mkdtempSync(join(tmpdir(), "bss-token-"));
    const [secret, keys, revoked] = ["signing.jwk", "keys.json", "revoked"].map((name) => join(folder, name));
    if (!secret || !keys || !revoked) throw new Error("three files");
    writeFileSync(keys, execFileSync(programs.bss(), ["token", "keygen", "--out", secret]));
    writeFileSync(revoked, "");
    const jwk = JSON.parse(readFileSync(secret, "utf8"));
    const key = createPrivateKey({ key: jwk, format: "jwk" });
    const proxy = await startProxy(["--tokens", keys, "--token-revoked", revoked]);
    await use({
      ...proxy,
      token: (claims, seconds = 3600) => made(key, jwk.kid, claims, seconds),
      revoke: (sub) => {
        appendFileSync(revoked, `sub:${sub}\n`);
        process.kill(proxy.pid, "SIGHUP");
      },
    });
    await proxy.stop();
    rmSync(folder, { recursive: true });
  },
});

function made(key: KeyObject, kid: string, claims: object, seconds: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + seconds - LEEWAY_S;
  const message = `${part({ alg: "EdDSA", typ: "JWT", kid })}.${part({ ...claims, exp })}`;
  return `${message}.${sign(null, Buffer.from(message), key).toString("base64url")}`;
}

/** Makes the page's connection, with a token that is a text. */
async function known(page: Page, token: string): Promise<void> {
  await page.evaluate((token) => {
    kept.mdm = bss.MuxDemux(undefined, { token });
    kept.over = new Promise((resolve) => kept.mdm.on("error", (error: { code: string }) => resolve(error.code)));
  }, token);
}

/** The code that `listen` ends with; nothing where it may. */
async function tryListen(page: Page, name: string): Promise<string> {
  const { code } = await page.evaluate(
    (name) => t.outcome(bss.StreamServer(kept.mdm, () => {}).listen(name).listening),
    name,
  );
  return code;
}

test("threat_17_a_page_may_do_what_its_token_says_and_the_server_is_told_whose_it_is", async ({
  tab,
  name,
  guarded,
}) => {
  const [server, client, nobody] = await Promise.all([tab(guarded.url), tab(guarded.url), tab(guarded.url)]);
  await known(server, guarded.token({ sub: "ann", listen: [`${name}*`] }));
  await known(client, guarded.token({ sub: "bob", connect: [`${name}-open`] }));
  await serveEcho(server, `${name}-open`);
  await serveEcho(server, `${name}-closed`);
  await server.evaluate(async (name) => {
    const clients = bss.StreamServer(kept.mdm, (stream) => kept.asked(stream.peer?.sub));
    kept.whose = new Promise((resolve) => {
      kept.asked = resolve;
    });
    await clients.listen(`${name}-open-2`).listening;
  }, name);

  expect(await tryConnect(client, `${name}-open`)).toMatchObject({ ok: true });
  for (const other of [`${name}-closed`, `${name}-nobodys`, `${name}-open-2`]) {
    expect(await tryConnect(client, other), other).toMatchObject({ ok: false, code: "forbidden" });
  }
  expect(await tryListen(client, `${name}-mine`)).toBe("forbidden");
  // What it may is as it was, and what another token allows comes with that.
  expect(await tryConnect(client, `${name}-open`)).toMatchObject({ ok: true });
  const renewed = await client.evaluate(
    async (token) => {
      const said = new Promise((resolve) => kept.mdm.once("renewed", resolve));
      await kept.mdm.renew(token);
      return await said;
    },
    guarded.token({ sub: "bob", connect: [`${name}-open-2`] }),
  );
  expect(renewed).toMatchObject({ sub: "bob" });
  expect(await tryConnect(client, `${name}-open-2`)).toMatchObject({ ok: true });
  expect(await server.evaluate(() => kept.whose)).toBe("bob");
  expect(await tryConnect(client, `${name}-open`)).toMatchObject({ ok: false, code: "forbidden" });

  for (const token of ["", "nonsense", guarded.token({ sub: "eve", connect: ["*"] }, -1)]) {
    await known(nobody, token);
    expect(await tryConnect(nobody, `${name}-open`), token).toMatchObject({ ok: false, code: "unauthorized" });
    expect(await nobody.evaluate(() => kept.over), token).toBe("unauthorized");
  }
  expect(guarded.log()).not.toContain("eyJ");
});

test("a token is renewed while streams and names go on, and who is taken back is closed at once", async ({
  tab,
  name,
  guarded,
}) => {
  const [server, client] = await Promise.all([tab(guarded.url), tab(guarded.url)]);
  const shortly = 12;
  let asked = 0;
  await server.exposeFunction("newToken", () => {
    asked++;
    return guarded.token({ sub: "ann", listen: [name] }, shortly);
  });
  await server.evaluate(() => {
    const { newToken } = globalThis as unknown as { newToken: () => Promise<string> };
    kept.opened = 0;
    kept.mdm = bss.MuxDemux(undefined, { token: newToken });
    kept.mdm.on("open", () => kept.opened++);
  });
  await serveEcho(server, name);
  await known(client, guarded.token({ sub: "bob", connect: [name] }));
  await client.evaluate(async (name) => {
    const stream = bss.StreamClient(kept.mdm).connect(name);
    kept.writer = stream.writable.getWriter();
    kept.reader = stream.readable.getReader();
    await stream.opened;
  }, name);
  const echo = (text: string) =>
    client.evaluate(async (text) => {
      await kept.writer.write(new TextEncoder().encode(text));
      return new TextDecoder().decode((await kept.reader.read()).value);
    }, text);
  expect(await echo("before")).toBe("before");
  // One is asked for at half of the life of the one before, so the first is over by then.
  await expect.poll(() => asked, { timeout: 60_000 }).toBe(4);
  expect(await echo("behind")).toBe("behind");
  expect(await tryConnect(client, name)).toMatchObject({ ok: true });
  expect(await server.evaluate(() => [kept.mdm.state, kept.opened])).toEqual(["open", 1]);

  guarded.revoke("bob");
  expect(await client.evaluate(() => kept.over)).toBe("unauthorized");
  expect(await client.evaluate(() => kept.mdm.state)).toBe("closed");
  expect(await server.evaluate(() => [kept.mdm.state, kept.opened])).toEqual(["open", 1]);
});
