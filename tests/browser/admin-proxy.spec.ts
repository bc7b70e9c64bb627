/** The admin page of the real proxy: what there is is shown as it comes and goes, and what is to be done is done. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as programs from "../harness/programs.mjs";
import { type RunningProxy, startProxy } from "../harness/proxy.mjs";
import { startShim } from "../harness/shim.mjs";
import { test as base, expect, type Page, serveEcho } from "./fixture.ts";
import { frames, say } from "./frames.ts";
import { photograph } from "./photograph.ts";

interface Admin {
  proxy: RunningProxy;
  /** Where whoever runs it asks. */
  port: number;
}

interface Fixtures {
  /** Starts a proxy with a port for whoever runs it. */
  start: (...args: string[]) => Promise<Admin>;
  /** Its admin page; no test may break its policy, or leave an error alone. */
  look: (port: number, view: string) => Promise<Page>;
  /** Has so many sessions with so many streams come to a proxy, and comes back when they are there. */
  crowd: (mux: string, sessions: number, streams: number) => Promise<void>;
}

const test = base.extend<Fixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixture's needs off this pattern
  start: async ({}, use) => {
    const all: RunningProxy[] = [];
    await use(async (...args) => {
      const proxy = await startProxy(["--admin", "127.0.0.1:0", ...args], [], { RUST_LOG: "info" });
      all.push(proxy);
      const port = () => Number(/ at http:\/\/127\.0\.0\.1:(\d+)/.exec(proxy.log())?.[1]);
      await expect.poll(port).toBeGreaterThan(0);
      return { proxy, port: port() };
    });
    for (const proxy of all) await proxy.stop();
  },
  look: async ({ browser }, use) => {
    const errors: string[] = [];
    const context = await browser.newContext();
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", ({ violatedDirective, sourceFile, lineNumber }) => {
        throw new Error(`policy: ${violatedDirective} at ${sourceFile}:${lineNumber}`);
      });
    });
    await use(async (port, view) => {
      const page = await context.newPage();
      page.on("pageerror", (error) => errors.push(String(error)));
      await page.goto(`http://127.0.0.1:${port}/admin#/${view}`);
      await expect(page.getByText("Live", { exact: true })).toBeVisible();
      return page;
    });
    await context.close();
    expect(errors, "no error, and nothing that the policy forbids").toEqual([]);
  },
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixture's needs off this pattern
  crowd: async ({}, use) => {
    const all: ChildProcess[] = [];
    await use(async (mux, sessions, streams) => {
      const program = fileURLToPath(new URL("../harness/crowd.mjs", import.meta.url));
      const child = spawn(process.execPath, [program, mux, `${sessions}`, `${streams}`], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      all.push(child);
      const [line] = await once(createInterface(child.stdout), "line");
      expect(line).toBe("ready");
    });
    for (const child of all) child.kill();
  },
});

const MARKUP = `<img src=x onerror="document.title='evil'">`;
const rows = (page: Page) => page.locator(".rows .body [role=row]");

/** Does what a button says, confirmed. */
async function act(page: Page, label: string, said: string): Promise<void> {
  await page.getByRole("button", { name: label }).click();
  await page.getByRole("dialog").getByRole("button", { name: label }).click();
  await expect(page.getByText(said)).toBeVisible();
}

/** Connects from a page to a name; `kept.end` becomes how the stream ended. */
async function connect(page: Page, name: string): Promise<void> {
  await page.evaluate(async (name) => {
    kept.mdm ??= bss.MuxDemux();
    kept.stream = bss.StreamClient(kept.mdm).connect(name, { resume: false });
    kept.stream.closed.catch(({ code }: { code: string }) => {
      kept.end = code;
    });
    kept.stream.resume();
    await kept.stream.opened;
  }, name);
}

test("a server, its client and their stream are there with both ends, and gone when they go", async ({
  start,
  look,
  tab,
}) => {
  const { proxy, port } = await start();
  const [server, client, page] = [await tab(proxy.url), await tab(proxy.url), await look(port, "names")];
  await expect(page.getByText("Nobody serves under a name")).toBeVisible();
  await serveEcho(server, MARKUP);
  await expect(rows(page)).toHaveText([/listening/]);
  await expect(rows(page)).toContainText([MARKUP]);
  await connect(client, MARKUP);
  await client.evaluate(() => kept.stream.write(new Uint8Array(50_000)));
  await page.getByRole("link", { name: /^Streams/ }).click();
  // The claim's own stream has the name, too.
  const stream = rows(page).filter({ hasText: MARKUP, hasNotText: "control" });
  await expect(stream).toContainText("50.");
  await stream.click({ position: { x: 20, y: 10 } });
  const details = page.getByRole("complementary");
  const opener = details.getByRole("definition").filter({ has: page.getByRole("link") });
  await expect(opener).toHaveCount(3);
  await opener.nth(1).getByRole("link").click();
  await expect(details).toContainText("127.0.0.1");
  expect(await page.title()).not.toBe("evil");
  expect(await page.locator("img").count()).toBe(0);
  await server.close();
  await client.close();
  await expect(details).toContainText("This is gone");
  await page.getByRole("link", { name: /^Events/ }).click();
  for (const kind of ["server.created", "session.began", "session.ended"])
    await expect(rows(page).filter({ hasText: kind }).first()).toBeVisible();
});

test("streams are reset, names released and reserved, and sessions closed, as the page says", async ({
  start,
  look,
  tab,
}) => {
  const { proxy, port } = await start("--admin-actions");
  const [server, client, page] = [await tab(proxy.url), await tab(proxy.url), await look(port, "streams")];
  await serveEcho(server, "printer");
  await connect(client, "printer");
  // The claim's own stream has the name, too.
  await rows(page)
    .filter({ hasText: "printer", hasNotText: "control" })
    .click({ position: { x: 20, y: 10 } });
  const opener = await page.getByRole("complementary").getByRole("link", { name: /-.*-/ }).first().innerText();
  await act(page, "Reset this stream", "The stream was reset.");
  await expect.poll(() => client.evaluate(() => kept.end)).toBe("forbidden");

  await page.getByRole("link", { name: /^Names/ }).click();
  await rows(page)
    .filter({ hasText: "printer" })
    .click({ position: { x: 20, y: 10 } });
  await act(page, "Reserve this name", "The name is reserved.");
  await act(page, "Release this name", "The name was released.");
  await expect(rows(page)).toHaveText([/reserved/]);
  const refused = await client.evaluate(() =>
    bss
      .StreamServer(kept.mdm)
      .listen("printer")
      .listening.catch(({ code }: { code: string }) => code),
  );
  expect(refused).toBe("name_reserved");
  await act(page, "Give the name free", "The name is free.");
  await expect(page.getByText("Nobody serves under a name")).toBeVisible();

  const closed = client.evaluate(() => new Promise<void>((resolve) => kept.mdm.on("reconnecting", () => resolve())));
  await page.goto(`http://127.0.0.1:${port}/admin#/sessions/${opener}`);
  await act(page, "Close this session", "The session was closed.");
  await closed;
  await expect(page.getByRole("complementary")).toContainText("This is gone");
  await page.getByRole("link", { name: /^Events/ }).click();
  await expect(rows(page).filter({ hasText: "admin.action" }).first()).toBeVisible();
});

test("a room hears what is emitted to it, and a member is moved and removed", async ({ start, look, tab }) => {
  const { proxy, port } = await start("--admin-actions");
  const ada = await tab(proxy.url);
  await ada.evaluate(async () => {
    const { Room } = await import("/browser-stream-server-room.js");
    kept.room = Room(bss.MuxDemux()).join("lobby", { as: { nickname: "ada" } });
    kept.heard = [];
    kept.room.onAny((event: string, _: unknown, ...args: unknown[]) => kept.heard.push([event, ...args]));
    kept.room.on("error", ({ code }: { code: string }) => kept.heard.push(["error", code]));
    kept.room.on("close", () => kept.heard.push(["close"]));
    await kept.room.joined;
  });
  const page = await look(port, "rooms/lobby");
  await page.getByRole("button", { name: "Emit to this room" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Event").fill("news");
  await dialog.getByLabel("Arguments").fill('[1, {"two": "日本"}]');
  await dialog.getByRole("button", { name: "Emit to this room" }).click();
  await expect(page.getByText("The event was sent to the room.")).toBeVisible();
  await expect.poll(() => ada.evaluate(() => kept.heard[0])).toEqual(["news", 1, { two: "日本" }]);
  const member = page.locator(".members .body [role=row]");
  await expect(member).toContainText("ada");
  await member.click({ position: { x: 20, y: 10 } });
  await page.getByRole("button", { name: "Move to another room" }).click();
  await dialog.getByLabel("The other room").fill("attic");
  await dialog.getByRole("button", { name: "Move to another room" }).click();
  await expect(page.getByText("The member was moved.")).toBeVisible();
  await page.goto(`http://127.0.0.1:${port}/admin#/rooms/attic`);
  await expect(member).toContainText("ada");
  await member.click({ position: { x: 20, y: 10 } });
  await act(page, "Remove this member", "The member was removed.");
  await expect(page.getByRole("complementary")).toContainText("This is gone");
  await ada.close();
});

test("without --admin-actions the page looks only, and so does who asks without it; peers have no such page", async ({
  start,
  look,
  request,
}) => {
  const { proxy, port } = await start();
  for (const path of ["admin", "admin/", "admin/index.html", "admin/admin.js", "admin/api/me"])
    expect((await request.get(`${proxy.url}${path}`)).status(), path).toBe(404);
  const page = await look(port, "overview");
  await expect(page.getByRole("button", { name: "Drain this proxy" })).toBeDisabled();
  await expect(page.getByText("the proxy was started without --admin-actions")).toBeVisible();
  const status = await page.evaluate(async () => {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    return (await fetch("/admin/api/drain", init)).status;
  });
  expect([401, 403]).toContain(status);
});

test("a proxy that is drained ends, and the page says that it is away", async ({ start, look }) => {
  const { proxy, port } = await start("--admin-actions");
  const page = await look(port, "overview");
  await page.getByRole("button", { name: "Drain this proxy" }).click();
  await page.getByLabel("Deadline").fill("1");
  await page.getByRole("dialog").getByRole("button", { name: "Drain this proxy" }).click();
  await expect(page.getByText("The proxy drains.")).toBeVisible();
  await expect(page.getByText("Reconnecting")).toBeVisible();
  await expect.poll(() => fetch(proxy.url).then(String, () => "gone")).toBe("gone");
});

test("who may be anybody shows a token, which says what they may do", async ({ start, browser }, info) => {
  const [secret, keys] = [info.outputPath("signing.jwk"), info.outputPath("keys.json")];
  writeFileSync(keys, execFileSync(programs.bss(), ["token", "keygen", "--out", secret]));
  const token = (...admin: string[]): string => {
    const rights = admin.flatMap((right) => ["--admin", right]);
    return execFileSync(programs.bss(), ["token", "mint", "--key", secret, "--sub", "ada", ...rights], {
      encoding: "utf8",
    }).trim();
  };
  const { port } = await start("--tokens", keys);
  // As from another proxy, which may have let anybody in.
  const context = await browser.newContext({ extraHTTPHeaders: { "x-forwarded-for": "192.0.2.1" } });
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${port}/admin`);
  for (const [shown, said] of [
    ["no token", "It was not taken"],
    [token(), "It was not taken"],
    [token("read"), "the token of “ada” has no right admin=act"],
  ] as const) {
    await page.getByLabel("Token").fill(shown);
    await page.getByRole("button", { name: "Look" }).click();
    await expect(page.getByText(said), said).toBeVisible();
  }
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await page.evaluate(() => sessionStorage.clear());
  await page.reload();
  await page.getByLabel("Token").fill(token("read", "act"));
  await page.getByRole("button", { name: "Look" }).click();
  await expect(page.getByRole("button", { name: "Drain this proxy" })).toBeEnabled();
  await context.close();
});

test("the page comes back by itself after a cut", async ({ start, look, tab }) => {
  const { proxy, port } = await start();
  const server = await tab(proxy.url);
  await serveEcho(server, "printer");
  const shim = await startShim(port);
  const page = await look(Number(new URL(shim.url).port), "names");
  await expect(rows(page)).toHaveText([/printer/]);
  shim.refuse(true);
  shim.cut();
  await expect(page.getByText("Reconnecting")).toBeVisible();
  await server.close();
  shim.refuse(false);
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await expect(page.getByText("Nobody serves under a name")).toBeVisible();
  await shim.stop();
});

test("1,000 sessions and 5,000 streams are shown while data streams in", async ({ start, look, crowd }, info) => {
  test.setTimeout(300_000);
  const config = info.outputPath("limits.toml");
  writeFileSync(config, "[limits]\nsessions_per_address_max = 4000\nconnections_per_address_max = 4000\n");
  const { proxy, port } = await start("--admin-actions", "--config", config);
  await crowd(proxy.mux, 1000, 5000);
  const page = await look(port, "streams");
  await expect(page.getByRole("heading", { name: /^Streams/ })).toContainText(/[5-9],\d{3} in all/);
  await expect(page.getByRole("link", { name: /^Sessions/ })).toContainText("1,0");
  say(info, "5,000 streams of 1,000 sessions, still", await frames(page, 5000, 0));
  const scrolled = await frames(page, 5000, 97);
  say(info, "5,000 streams of 1,000 sessions, scrolled", scrolled);
  expect(scrolled.work, "no lag while the machine has time").toBeLessThan(30);
  await page.getByRole("searchbox").fill("printer 0");
  const stream = rows(page).first();
  const id = await stream.getByRole("gridcell").first().innerText();
  await stream.click({ position: { x: 20, y: 10 } });
  await photograph(page, "admin-crowd-stream");
  await act(page, "Reset this stream", "The stream was reset.");
  await expect(rows(page).filter({ has: page.getByText(id, { exact: true }) })).toHaveCount(0);
  for (const view of ["names", "sessions", "streams", "rooms", "events", "overview"]) {
    await page.goto(`http://127.0.0.1:${port}/admin#/${view}`);
    await expect(page.getByText("Loading")).toHaveCount(0);
    await photograph(page, `admin-crowd-${view}`);
  }
  say(info, "the overview of 1,000 sessions", await frames(page, 3000, 0));
});
