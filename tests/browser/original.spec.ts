import { readFileSync } from "node:fs";
import { MuxPeer } from "../harness/mux-peer.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { expect, test } from "./fixture.ts";

const file = (name: string) => readFileSync(new URL(`original/${name}`, import.meta.url), "utf8");

test("the original's two browser programs run with only their import lines changed", async ({ browser }) => {
  // The original's proxy program put the socket at /boot.
  const proxy = await startProxy(["--path", "/boot"]);
  const context = await browser.newContext();
  try {
    await context.route("**/original/*.{html,js}", async (route) => {
      const name = new URL(route.request().url()).pathname.slice("/original/".length);
      const contentType = name.endsWith(".js") ? "text/javascript" : "text/html";
      await route.fulfill({ body: file(name), contentType });
    });
    const [server, client] = [await context.newPage(), await context.newPage()];
    const says = (page: typeof server, text: string) => page.waitForEvent("console", (said) => said.text() === text);
    const told = Promise.all([says(server, "server got from client"), says(client, "client got from server")]);
    await server.goto(`${proxy.url}original/server.html`);
    // A client that says nothing else waits two seconds for a name; this one waits until it is there.
    const probe = await MuxPeer.dial(proxy.mux.replace(/mux$/, "boot"));
    const asked = probe.open({ path: "/browser-server/connect/SERVER_NAME", wait: 15_000 });
    expect(await probe.message(asked), "the server serves").toHaveProperty("id");
    await probe.close();
    await client.goto(`${proxy.url}original/client.html`);
    await told;
  } finally {
    await context.close();
    await proxy.stop();
  }
});
