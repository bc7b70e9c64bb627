/** The two pages of the README, as they stand there. */

import { readFile } from "node:fs/promises";
import { expect, test } from "./fixture.ts";

test("the README's server tab and client tab work as they are printed", async ({ browser, realProxy }) => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const [server, client] = [...readme.matchAll(/^```html\n(.*?)^```$/gms)].map((match) => match[1] ?? "");
  expect(server).toContain('listen("NAME")');
  expect(client).toContain('connect("NAME"');
  const context = await browser.newContext();
  const said: string[] = [];
  try {
    const open = async (html = "") => {
      const page = await context.newPage();
      await page.route(`${realProxy.url}readme`, (route) => route.fulfill({ contentType: "text/html", body: html }));
      await page.goto(`${realProxy.url}readme`);
      return page;
    };
    await open(server);
    // Whatever the client says is said after its page was there.
    context.on("console", (message) => said.push(message.text()));
    await open(client);
    await expect.poll(() => said).toEqual(["hello"]);
  } finally {
    await context.close();
  }
});
