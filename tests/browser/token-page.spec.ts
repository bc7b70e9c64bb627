/** The pages where the proxy asks who somebody is: a person gives them a token. */

import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as programs from "../harness/programs.mjs";
import { type RunningProxy, startProxy } from "../harness/proxy.mjs";
import { test as base, expect, type Page } from "./fixture.ts";
import { photograph } from "./photograph.ts";

interface Guarded extends RunningProxy {
  /** A token as `bss token mint` makes it. */
  mint(...options: string[]): string;
  /** One of somebody else's key. */
  forge(...options: string[]): string;
  /** Takes all tokens of somebody back. */
  revoke(sub: string): void;
}

const test = base.extend<{ guarded: Guarded; allowed: string[] }>({
  /** What may be done without a token. */
  allowed: [[], { option: true }],
  guarded: async ({ allowed }, use) => {
    const folder = mkdtempSync(join(tmpdir(), "bss-token-page-"));
    const file = (name: string) => join(folder, name);
    const key = (name: string) => run("keygen", "--out", file(name));
    writeFileSync(file("keys.json"), key("signing.jwk"));
    key("forger.jwk");
    writeFileSync(file("revoked"), "");
    const rights = allowed.map((right) => `--anonymous-rights=${right}`);
    const proxy = await startProxy(["--tokens", file("keys.json"), "--token-revoked", file("revoked"), ...rights]);
    await use({
      ...proxy,
      mint: (...options) => run("mint", "--key", file("signing.jwk"), ...options).trim(),
      forge: (...options) => run("mint", "--key", file("forger.jwk"), ...options).trim(),
      revoke: (sub) => {
        appendFileSync(file("revoked"), `sub:${sub}\n`);
        process.kill(proxy.pid, "SIGHUP");
      },
    });
    await proxy.stop();
    rmSync(folder, { recursive: true });
  },
});

function run(...args: string[]): string {
  return execFileSync(programs.bss(), ["token", ...args], { encoding: "utf8" });
}

/** The form on the page. */
function form(page: Page) {
  return page.locator("form.token");
}

async function give(page: Page, token: string): Promise<void> {
  await form(page).getByRole("textbox", { name: "Token" }).fill(token);
  await form(page).getByRole("button", { name: "Use it" }).click();
}

async function serveEcho(page: Page, name: string): Promise<void> {
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.getByRole("button", { name: "Serve" }).click();
}

/** Types a line, and sees it come back. */
async function talk(client: Page, text: string): Promise<void> {
  await client.getByRole("textbox", { name: "Message" }).fill(text);
  await client.keyboard.press("Enter");
  await expect(client.getByRole("log").getByText(text)).toHaveCount(2);
}

/** All that the page asks for, with which headers, and what it keeps. */
function overhear(page: Page): { requests: string[]; kept: () => Promise<[session: string, local: string]> } {
  const requests: string[] = [];
  page.on("request", (request) => requests.push(`${request.url()} ${JSON.stringify(request.headers())}`));
  page.on("websocket", (socket) => requests.push(socket.url()));
  const kept = () =>
    page.evaluate((): [string, string] => [
      JSON.stringify(sessionStorage),
      JSON.stringify(localStorage) + document.cookie + location.href + JSON.stringify(history.state),
    ]);
  return { requests, kept };
}

test("threat_17_echo_asks_for_a_token_says_what_is_wrong_with_one_and_keeps_it_in_its_tab_alone", async ({
  tab,
  name,
  guarded,
}) => {
  const server = await tab(`${guarded.url}examples/echo/`);
  const { requests, kept } = overhear(server);
  await expect(form(server)).toHaveCount(0);
  await serveEcho(server, name);
  await expect(form(server).getByRole("heading")).toHaveText("This proxy asks for a token");
  await expect(form(server).getByRole("alert")).toHaveText("");
  await expect(server.getByRole("status").first()).toHaveText("A token is needed");

  const problem = form(server).getByRole("alert");
  await give(server, "");
  await expect(problem).toHaveText("There is nothing in it yet.");
  await give(server, "nonsense");
  await expect(problem).toContainText("The token is malformed");
  const all = ["--sub", "ann", "--listen", `${name}*`, "--connect", `${name}*`];
  await give(server, guarded.forge(...all));
  await expect(problem).toContainText("The token was made with an unknown key");
  const field = form(server).getByRole("textbox", { name: "Token" });
  await expect(field).toHaveAttribute("type", "password");
  await form(server).getByRole("button", { name: "Show the token" }).click();
  await expect(field).toHaveAttribute("type", "text");
  await photograph(server, "token-refused");
  expect((await kept())[0], "what the proxy does not take is not kept").not.toContain("eyJ");

  const token = guarded.mint(...all);
  await give(server, token);
  await expect(form(server)).toHaveCount(0);
  await expect(server.getByRole("heading", { level: 1 })).toContainText(name);
  const [session, elsewhere] = await kept();
  expect(session).toContain(token);
  expect(elsewhere).not.toContain(token);

  const opening = server.waitForEvent("popup");
  await server.getByRole("link", { name: "Open a client tab" }).click();
  const client = await opening;
  await expect(form(client).getByRole("heading")).toBeVisible();
  await photograph(client, "token-client");
  await give(client, ` ${token}\n`);
  await talk(client, "hello over there");

  await server.reload();
  await serveEcho(server, name);
  await expect(server.getByRole("heading", { level: 1 })).toContainText(name);
  await expect(form(server)).toHaveCount(0);
  expect(requests.filter((request) => request.includes("/mux")).length).toBeGreaterThan(0);
  expect(requests.join("\n")).not.toContain("eyJ");
  expect(guarded.log()).not.toContain("eyJ");
});

test("who looks for a token longer than a stream waits needs not try again", async ({ tab, name, guarded }) => {
  const token = guarded.mint("--sub", "ann", "--listen", name, "--connect", name);
  const server = await tab(`${guarded.url}examples/echo/`);
  await serveEcho(server, name);
  await give(server, token);
  await expect(server.getByRole("heading", { level: 1 })).toContainText(name);
  const client = await tab();
  await client.clock.install();
  await client.goto(`${guarded.url}examples/echo/?connect=${name}`);
  await expect(form(client)).toBeVisible();
  await client.clock.fastForward(60_000);
  await give(client, token);
  await talk(client, "there it was");
});

test("the start page and the chat ask for a token once, and do what they are for with it", async ({
  tab,
  name,
  guarded,
}) => {
  const token = guarded.mint("--sub", "ann", "--listen", "*", "--connect", "*", "--join", "*");
  const page = await tab(guarded.url);
  await page.getByRole("button", { name: "Run both here" }).click();
  await expect(page.locator("#result")).toHaveText("The proxy asks for a token: give it on top of this page.");
  await photograph(page, "token-start");
  await give(page, token);
  await expect(page.locator("#result")).toContainText("came back after");
  await page.goto(`${guarded.url}examples/chat/#${name}`);
  const other = await tab(`${guarded.url}examples/chat/#${name}`);
  await expect(form(other)).toBeVisible();
  await photograph(other, "token-chat");
  for (const [who, one] of Object.entries({ Ann: page, Bob: other })) {
    await one.getByRole("textbox", { name: "Your name" }).fill(who);
    await one.getByRole("button", { name: "Go in" }).click();
  }
  await expect(form(page)).toHaveCount(0);
  await photograph(other, "token-chat-room");
  await give(other, token);
  await expect(page.getByText("Bob").first()).toBeVisible();
  await expect(other.getByText("Ann").first()).toBeVisible();
});

test("every other example asks for a token, and is connected with it", async ({ tab, guarded }) => {
  test.slow();
  const token = guarded.mint("--sub", "ann", "--listen", "*", "--connect", "*", "--join", "*");
  const connected = {
    "ping-pong": "Ready",
    "send-image": "Ready",
    "video-call": "Connected",
    media: "Connected",
    upload: "Connected",
  };
  for (const [example, text] of Object.entries(connected)) {
    const page = await tab(`${guarded.url}examples/${example}/`);
    await expect(page.getByRole("status").first(), example).toHaveText("A token is needed");
    await photograph(page, `token-${example}`);
    await give(page, token);
    await expect(form(page), example).toHaveCount(0);
    await expect(page.getByRole("status").first(), example).toHaveText(text);
  }
  const sender = await tab(`${guarded.url}examples/file-exchange/`);
  await sender
    .locator("#picker")
    .setInputFiles({ name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("hello") });
  await give(sender, token);
  await expect(form(sender)).toHaveCount(0);
  const receiver = await tab(await sender.locator("#link").inputValue());
  await expect(form(receiver)).toBeVisible();
  await photograph(receiver, "token-file-exchange");
  await give(receiver, token);
  await expect(receiver.getByText("a.txt").first()).toBeVisible();
});

test("a token that runs out is asked for again while all goes on, and so is one that was taken back", async ({
  tab,
  name,
  guarded,
}) => {
  test.slow();
  const may = ["--listen", name, "--connect", name];
  const [server, client] = [await tab(`${guarded.url}examples/echo/`), await tab()];
  await serveEcho(server, name);
  // It holds for half a minute longer than it says, what clocks may differ by; another is asked for in the middle of all that, and is given behind a look at the page.
  await give(server, guarded.mint("--sub", "ann", "--ttl", "25s", ...may));
  await expect(server.getByRole("heading", { level: 1 })).toContainText(name);
  await client.goto(`${guarded.url}examples/echo/?connect=${name}`);
  await give(client, guarded.mint("--sub", "bob", ...may));
  await talk(client, "before");

  await expect(form(server).getByRole("heading")).toHaveText("Another token", { timeout: 60_000 });
  await expect(form(server).getByRole("alert")).toHaveText("The one that you gave runs out in less than a minute.");
  await photograph(server, "token-another");
  await give(server, guarded.mint("--sub", "ann", ...may));
  await expect(form(server)).toHaveCount(0);
  await talk(client, "while it was renewed");
  await expect(server.locator("#served")).toHaveText("1");

  guarded.revoke("ann");
  await expect(form(server).getByRole("heading")).toHaveText("This proxy asks for a token");
  await expect(server.getByRole("status").first()).toHaveText("A token is needed");
  // Nobody keeps the name for it, as they would were only the connection away.
  await expect(server.getByRole("heading", { level: 1 })).toHaveText(`Not serving ${name}`);
  await expect(server.getByText("it was taken back, or it ran out")).toBeVisible();
  await give(server, guarded.mint("--sub", "eve", ...may));
  await expect(server.getByRole("status").first()).toHaveText("Serving");
  await talk(client, "behind");
});

test.describe("where everybody may connect", () => {
  test.use({ allowed: [["connect=*"], { scope: "test" }] });

  test("who may not do something without a token is offered to give one", async ({ tab, name, guarded }) => {
    const page = await tab(`${guarded.url}examples/echo/`);
    await serveEcho(page, name);
    await expect(page.locator("#name-problem")).toHaveText(
      "Not everybody may do this: give a token on top of this page.",
    );
    await expect(form(page).getByRole("heading")).toHaveText("A token allows more");
    await expect(form(page).getByRole("alert")).toHaveText("Without one this is not allowed.");
    await photograph(page, "token-offered");
    await form(page).getByRole("button", { name: "Later" }).click();
    await expect(form(page)).toHaveCount(0);
    await serveEcho(page, name);
    // The page begins anew with it: what is typed before that is gone.
    const reloaded = page.waitForEvent("load");
    await give(page, guarded.mint("--sub", "ann", "--listen", name));
    await reloaded;
    await expect(form(page)).toHaveCount(0);
    await serveEcho(page, name);
    await expect(page.getByRole("heading", { level: 1 })).toContainText(name);
  });
});
