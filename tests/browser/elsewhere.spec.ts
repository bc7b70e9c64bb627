/** The pages of a proxy whose WebSocket and names are not where they usually are. */

import { startProxy } from "../harness/proxy.mjs";
import { expect, test } from "./fixture.ts";

test("with --path and --prefix the start page and the echo find the proxy, and show how to", async ({ tab }) => {
  const proxy = await startProxy(["--path", "/ws", "--prefix", "/team"]);
  try {
    const start = await tab(proxy.url);
    await start.getByRole("button", { name: "Run both here" }).click();
    await expect(start.locator("#result")).toContainText("came back after");
    await expect(start.locator("#mux-url")).toHaveText(`ws://127.0.0.1:${proxy.port}/ws`);
    await expect(start.locator("#server-code")).toContainText(
      'const mdm = MuxDemux("/ws")\nStreamServer(mdm, { prefix: "/team" }, stream => stream.pipe(stream))',
    );
    await expect(start.locator("#client-code")).toContainText(
      'StreamClient(MuxDemux("/ws"), { prefix: "/team" }).connect("echo"',
    );

    const server = await tab(`${proxy.url}examples/echo/`);
    await server.getByRole("button", { name: "Serve" }).click();
    const opening = server.waitForEvent("popup");
    await server.getByRole("link", { name: "Open a client tab" }).click();
    const client = await opening;
    await client.getByRole("textbox", { name: "Message" }).fill("hello");
    await client.getByRole("button", { name: "Send" }).click();
    await expect(client.getByRole("log")).toContainText("back after");
  } finally {
    await proxy.stop();
  }
});
