/** The examples webhook and site-in-a-tab, where something is not as it should be: a name that is taken, an answer or a folder that is none. */

import { expect, type Page, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";

/** Chooses a folder of these files; a browser has no way to do so for a test. */
async function choose(page: Page, files: Record<string, string>): Promise<void> {
  await page.evaluate((files) => {
    const chosen = Object.entries(files).map(([path, text]) => {
      const file = new File([text], path.split("/").at(-1) as string);
      Object.defineProperty(file, "webkitRelativePath", { value: `my site/${path}` });
      return file;
    });
    const picker = document.getElementById("folder") as HTMLInputElement;
    Object.defineProperty(picker, "files", { value: chosen, configurable: true });
    Object.defineProperty(picker, "value", { value: "", writable: true, configurable: true });
    picker.dispatchEvent(new Event("change"));
  }, files);
}

const nameOf = (page: Page) => new URL(page.url()).searchParams.get("name");
const field = (page: Page) => page.getByRole("textbox", { name: "Name" });

test("webhook: where the name is taken another is asked for, typed or new", async ({ tab, realProxy, name }) => {
  const hook = `${realProxy.url}examples/webhook/?name=${name}`;
  const first = await tab(hook);
  await expect(first.locator("#address")).toHaveText(`http://${name}.localhost:${realProxy.port}/`);
  const second = await tab(hook);
  await expect(second.getByRole("alert").first()).toContainText("Another tab serves this name already");
  await expect(field(second)).toBeFocused();
  await photograph(second, "webhook-taken");
  await field(second).fill("No_name");
  await field(second).press("Enter");
  await expect(second.locator("#name-problem")).toContainText("letters from a to z, digits and hyphens");
  await field(second).fill(`${name}-B`);
  await field(second).press("Enter");
  await expect(second.locator("#address")).toHaveText(`http://${name}-b.localhost:${realProxy.port}/`);
  expect(nameOf(second)).toBe(`${name}-b`);

  // The name that is let go of is another's at once.
  await second.getByText("Another address").click();
  await second.getByRole("button", { name: "A new one" }).click();
  await expect(second.locator("#address")).toHaveText(/^http:\/\/hook-[a-z0-9]{10}\./);
  await first.getByText("Another address").click();
  await field(first).fill(`${name}-b`);
  await first.getByRole("button", { name: "Use it" }).click();
  await expect(first.locator("#address")).toHaveText(`http://${name}-b.localhost:${realProxy.port}/`);
});

test("webhook: what can be no answer is said, and the last one that can goes on", async ({ tab, realProxy, name }) => {
  const server = await tab(`${realProxy.url}examples/webhook/?name=${name}`);
  const address = server.locator("#address");
  await expect(address).toHaveText(/^http:/);
  const url = (await address.textContent()) as string;
  await expect(server.locator("#command")).toHaveText(
    `curl -X POST -H 'content-type: application/json' --data-raw '{"hello": "tab"}' ${url}`,
  );
  const visitor = await server.context().newPage();
  await visitor.goto(url);
  await expect(server.locator("#command")).toBeHidden();
  const answered = () =>
    visitor.evaluate(async () => {
      const { status, headers } = await fetch("/");
      return [status, headers.get("content-type")];
    });
  await server.getByText("What this tab answers").click();
  for (const none of ["999", "100", "40", "abc", ""]) {
    await server.getByLabel("Status").fill(none);
    await expect(server.locator("#code-problem")).toContainText("from 200 to 599");
    expect(await answered()).toEqual([200, "text/plain; charset=utf-8"]);
  }
  await server.getByLabel("Content type").fill("日本");
  await expect(server.locator("#type-problem")).toContainText("can be no header");
  await photograph(server, "webhook-no-answer");
  await server.getByLabel("Status").fill("404");
  await server.getByLabel("Content type").fill("text/html");
  await expect(server.locator("#code-problem")).toHaveText("");
  expect(await answered()).toEqual([404, "text/html"]);
});

test("site: a folder without files is said, and a name that is taken can be another for the folder that was chosen", async ({
  tab,
  realProxy,
  name,
}) => {
  const site = `${realProxy.url}examples/site-in-a-tab/?name=${name}`;
  const [first, second] = [await tab(site), await tab(site)];
  await choose(first, { ".hidden": "no" });
  await expect(first.locator("#problem")).toContainText("There is no file in “my site” that could be shown");
  await photograph(first, "site-empty");
  await first.locator("#folder").dispatchEvent("cancel");
  await expect(first.locator("#problem")).toContainText("Nothing was chosen");
  await choose(first, { "index.html": "<!doctype html><link rel=icon href=data:,><h1>One" });
  await expect(first.locator("#address")).toHaveText(`http://${name}.localhost:${realProxy.port}/`);
  await expect(first.locator("#problem")).toHaveText("");

  await choose(second, { "index.html": "<!doctype html><link rel=icon href=data:,><h1>Two" });
  await expect(second.locator("#problem")).toContainText("Another tab serves this name already");
  await expect(field(second)).toBeFocused();
  await photograph(second, "site-taken");
  await field(second).fill(`${name}-two`);
  await field(second).press("Enter");
  const address = second.locator("#address");
  await expect(address).toHaveText(`http://${name}-two.localhost:${realProxy.port}/`);
  expect(nameOf(second)).toBe(`${name}-two`);
  const visitor = await second.context().newPage();
  await visitor.goto((await address.textContent()) as string);
  await expect(visitor.getByRole("heading")).toHaveText("Two");
  await expect(second.getByRole("log")).toContainText("GET /");
  await second.getByRole("button", { name: "Stop" }).click();
  await expect(second.locator("#folder")).toBeFocused();
});
