/** The admin page of one node of a cluster: what all nodes have, and what is done at another. */

import { expect, type Page, serveEcho, test } from "../browser/fixture.ts";
import { photograph } from "../browser/photograph.ts";
import { startCluster } from "../harness/cluster.mjs";
import { freePort } from "../harness/port.mjs";

const rows = (page: Page) => page.locator(".rows .body [role=row]");

test("the page of one node shows a session at another, and closes it", async ({ tab, name, browser }) => {
  const port = await freePort();
  const cluster = await startCluster(3, [["--admin", `127.0.0.1:${port}`, "--admin-actions"]]);
  const servers = await Promise.all(cluster.nodes.map(({ url }) => tab(url)));
  for (const [at, server] of servers.entries()) await serveEcho(server, `${name} ${at}`);
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(`http://127.0.0.1:${port}/admin#/names`);
  await expect(rows(page)).toHaveCount(3);
  const nodes = await page.locator(".rows .body [role=row] [data-title=Node]").allInnerTexts();
  expect(new Set(nodes).size, `${nodes}`).toBe(3);
  await photograph(page, "admin-cluster-names");

  await rows(page)
    .filter({ hasText: `${name} 2` })
    .click({ position: { x: 20, y: 10 } });
  const details = page.getByRole("complementary");
  await expect(details).toContainText("Node");
  await details
    .getByRole("definition")
    .filter({ has: page.getByRole("link") })
    .getByRole("link")
    .click();
  await expect(details).toContainText("127.0.0.1");
  await photograph(page, "admin-cluster-session");
  await page.getByRole("button", { name: "Close this session" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Close this session" }).click();
  await expect(page.getByText("The session was closed.")).toBeVisible();
  await expect(details).toContainText("This is gone");

  // What another node did is told here, too; and that one does not answer.
  await page.getByRole("link", { name: /^Events/ }).click();
  await expect(rows(page).filter({ hasText: "closed the session" })).toHaveCount(1);
  await expect(rows(page).filter({ hasText: "had the node" })).toHaveCount(1);
  await page.getByRole("link", { name: "Overview" }).click();
  await expect(page.locator(".figures")).toContainText(/Node[0-9a-f]{8} of 3/);
  await cluster.nodes[1]?.end("SIGKILL");
  // Said for as long as it is not known to be dead: a quarter of a minute.
  await expect(page.getByText(/^No answer from node [0-9a-f]{8}$/)).toBeVisible();
  await photograph(page, "admin-cluster-overview");
  expect(problems).toEqual([]);
  await context.close();
  await cluster.stop();
});
