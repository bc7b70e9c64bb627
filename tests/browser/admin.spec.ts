/** The admin page: what is shown, done and said. */

import { AdminDouble } from "../harness/admin.mjs";
import { startShim } from "../harness/shim.mjs";
import { expect, id, MARKUP, ODD, rows, SINCE, server, session, stream, test } from "./admin-double.ts";
import { photograph } from "./photograph.ts";

test("the page shows what there is as it comes, changes and goes, and each end leads to its session", async ({
  admin,
  page,
}) => {
  admin.change("streams", [stream(1), stream(2)]);
  admin.change("sessions", [session(1), session(2), session(3)]);
  await page.goto(`${admin.url}#/streams`);
  await expect(rows(page)).toHaveCount(2);
  await expect(page.getByRole("heading", { name: /^Streams/ })).toContainText("2 in all");
  admin.second();
  admin.change("streams", [stream(1, { received: 5_000_001 }), stream(7, { name: "new one" })], [`${id(2)}:1`]);
  await expect(rows(page).filter({ hasText: "new one" })).toHaveCount(1);
  await expect(rows(page).filter({ hasText: "5.0 MB" }).first()).toContainText("MB/s");
  await expect(rows(page)).toHaveCount(2);
  await rows(page)
    .filter({ hasText: "service 1" })
    .click({ position: { x: 20, y: 10 } });
  const details = page.getByRole("complementary");
  await expect(details).toContainText("Accepted by");
  admin.change("streams", [], [`${id(1)}:1`]);
  await expect(details).toContainText("This is gone");
  await details.getByRole("link", { name: id(2) }).click();
  await expect(details.getByRole("heading")).toContainText(id(2));
  await expect(details).toContainText("192.0.2.2:40002");
  await expect(rows(page)).toHaveCount(3);
  await details.getByRole("link", { name: "Its streams" }).click();
  await expect(page.getByRole("searchbox")).toHaveValue(`"${id(2)}"`);
});

test("threat_21_a_name_with_markup_is_text_in_the_admin_page", async ({ admin, page }) => {
  admin.change(
    "names",
    ODD.map((name) => server(name)),
  );
  admin.change("rooms", [{ name: MARKUP, members: 1, since_ms: SINCE, emits: 0 }]);
  admin.change("events", [{ at_ms: Date.now(), kind: "server.created", text: MARKUP, session: null, name: MARKUP }]);
  admin.change("sessions", [session(1, { user_agent: MARKUP, sub: MARKUP })]);
  for (const view of ["names", "rooms", "events", "sessions"]) {
    await page.goto(`${admin.url}#/${view}`);
    await rows(page)
      .filter({ hasText: MARKUP })
      .click({ position: { x: 10, y: 10 } });
    await expect(page.getByRole("complementary")).toContainText(MARKUP);
  }
  await page.goto(`${admin.url}#/names/${encodeURIComponent(`/browser-server/${MARKUP}`)}`);
  await page.getByRole("button", { name: "Release this name" }).click();
  await expect(page.getByRole("dialog")).toContainText(MARKUP);
  expect(await page.locator("img, b").count()).toBe(0);
  expect(await page.title()).not.toBe("evil");
});

test("what is to be done is named, asked for and said, also where it fails", async ({ admin, page }) => {
  admin.change("names", [server("printer")]);
  admin.change("rooms", [{ name: "lobby", members: 2, since_ms: SINCE, emits: 0 }]);
  admin.change("members of lobby", [{ id: id(5), session: id(1), alias: "ada", since_ms: SINCE }]);
  await page.goto(`${admin.url}#/names`);
  await rows(page).first().click();
  await page.getByRole("button", { name: "Release this name" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("The claim on the name “printer” ends");
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
  expect(admin.asked).toEqual([]);

  await page.getByRole("button", { name: "Release this name" }).click();
  admin.act = () => ({ status: 404, body: { code: "not-found", message: "nobody has this name" } });
  await dialog.getByRole("button", { name: "Release this name" }).click();
  await expect(dialog.getByRole("alert")).toHaveText("It was not done: nobody has this name (not-found)");
  admin.act = () => undefined;
  await dialog.getByRole("button", { name: "Release this name" }).click();
  await expect(page.getByText("The name was released.")).toBeVisible();

  await page.goto(`${admin.url}#/rooms/lobby`);
  await page.getByRole("button", { name: "Emit to this room" }).click();
  await dialog.getByLabel("Event").fill("news");
  await dialog.getByLabel("Arguments").fill("[1, ");
  await dialog.getByRole("button", { name: "Emit to this room" }).click();
  await expect(dialog.getByRole("alert")).toContainText("This cannot be read");
  await dialog.getByLabel("Arguments").fill('[1, "two"]');
  await dialog.getByRole("button", { name: "Emit to this room" }).click();
  await expect(page.getByText("The event was sent to the room.")).toBeVisible();
  await page.locator(".members .body [role=row]").click({ position: { x: 20, y: 10 } });
  await page.getByRole("button", { name: "Move to another room" }).click();
  await dialog.getByLabel("The other room").fill("attic");
  await dialog.getByRole("button", { name: "Move to another room" }).click();
  await expect(page.getByText("The member was moved.")).toBeVisible();
  const name = { method: "DELETE", path: "names/%2Fbrowser-server%2Fprinter", body: {}, token: undefined };
  expect(admin.asked).toEqual([
    name,
    name,
    { method: "POST", path: "rooms/lobby/emit", body: { event: "news", args: [1, "two"] }, token: undefined },
    { method: "PUT", path: `rooms/lobby/members/${id(5)}`, body: { room: "attic" }, token: undefined },
  ]);
});

test("who may only look sees what could be done and why not, and may show another token", async ({ admin, page }) => {
  const { me } = admin;
  admin.me = { read: true, act: false, sub: "ada", version: "0.1.0" };
  admin.change("names", [server("printer")]);
  await page.goto(`${admin.url}#/names/${encodeURIComponent("/browser-server/printer")}`);
  await expect(page.getByRole("button", { name: "Release this name" })).toBeDisabled();
  await expect(page.getByText("the token of “ada” has no right admin=act")).toBeVisible();
  await page.getByRole("link", { name: "Show another" }).click();
  admin.me = me;
  await page.getByLabel("Token").fill("a.b.c");
  await page.getByRole("button", { name: "Look" }).click();
  await expect(page.getByRole("button", { name: "Drain this proxy" })).toBeEnabled();
  await page.goto(`${admin.url}#/token`);
  await page.getByRole("button", { name: "Without one" }).click();
  await expect.poll(() => page.evaluate(() => sessionStorage.length)).toBe(0);
});

test("a token is asked for where one is needed, and kept in this tab alone", async ({ admin, page }) => {
  const { me } = admin;
  admin.me = undefined;
  await page.goto(admin.url);
  const field = page.getByLabel("Token");
  await expect(field).toBeVisible();
  await expect(page.getByRole("alert")).toBeHidden();
  await field.fill("wrong");
  await page.getByRole("button", { name: "Look" }).click();
  await expect(page.getByRole("alert")).toContainText("It was not taken: show a token");
  await photograph(page, "admin-token");
  admin.me = me;
  await field.fill("a.b.c");
  await page.getByRole("button", { name: "Look" }).click();
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Drain this proxy" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Deadline").fill("5");
  await dialog.getByRole("button", { name: "Drain this proxy" }).click();
  await expect(page.getByText("The proxy drains.")).toBeVisible();
  expect(admin.asked).toEqual([{ method: "POST", path: "drain", body: { deadline_s: 5 }, token: "a.b.c" }]);
  expect(await page.evaluate(() => [Object.values(sessionStorage), localStorage.length, document.cookie])).toEqual([
    ["a.b.c"],
    0,
    "",
  ]);
});

test("a connection that breaks is said, and comes back by itself with what is there then", async ({ admin, page }) => {
  admin.change("rooms", [{ name: "before", members: 1, since_ms: SINCE, emits: 0 }]);
  const shim = await startShim(admin.port);
  await page.goto(`${shim.url}admin#/rooms`);
  await expect(rows(page)).toContainText(["before"]);
  await admin.stop();
  await expect(page.getByText("Reconnecting")).toBeVisible();
  await photograph(page, "admin-reconnecting");
  const next = await AdminDouble.start();
  next.change("rooms", [{ name: "after", members: 1, since_ms: SINCE, emits: 0 }]);
  shim.to(next.port);
  // Where the page was quicker the button is gone, and there is nothing to press.
  await page.evaluate(() => document.querySelector<HTMLButtonElement>(".connection button")?.click());
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await expect(rows(page)).toHaveText([/after/]);
  await shim.stop();
  await next.stop();
});

test("a table is moved in by keys, sorted by any heading and searched", async ({ admin, page }) => {
  admin.change(
    "sessions",
    Array.from({ length: 500 }, (_, n) => session(n)),
  );
  await page.goto(`${admin.url}#/sessions`);
  const grid = page.getByRole("grid", { name: "Sessions" });
  await expect(grid).toHaveAttribute("aria-rowcount", "501");
  const active = () =>
    grid.evaluate((grid) => document.getElementById(grid.getAttribute("aria-activedescendant") ?? "")?.ariaRowIndex);
  await grid.focus();
  for (const [key, at] of [
    ["ArrowDown", "2"],
    ["ArrowDown", "3"],
    ["End", "501"],
    ["ArrowUp", "500"],
    ["Home", "2"],
  ] as const) {
    await page.keyboard.press(key);
    await expect.poll(active, key).toBe(at);
  }
  await page.keyboard.press("PageDown");
  await expect.poll(active).not.toBe("2");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("complementary").getByRole("heading")).toBeFocused();

  const received = page.getByRole("columnheader", { name: "Received" });
  await received.getByRole("button").press("Enter");
  await expect(received).toHaveAttribute("aria-sort", "descending");
  await expect(rows(page).first()).toContainText("499 kB");
  await received.getByRole("button").press("Enter");
  await expect(received).toHaveAttribute("aria-sort", "ascending");
  // What is in sight is in the address: for whom that is sent to, too.
  await expect(page).toHaveURL(/#\/sessions\/[^?]+\?sort=received$/);
  await page.reload();
  await expect(received).toHaveAttribute("aria-sort", "ascending");
  await page.getByRole("searchbox").fill("192.0.2.44");
  await expect(rows(page)).toHaveCount(2);
  await page.getByRole("searchbox").fill("nowhere");
  await expect(grid).toContainText("Nothing here has “nowhere”");
});

test("every view can be read in light, in dark and on a phone, empty and full", async ({ admin, page }) => {
  test.setTimeout(180_000);
  await page.goto(admin.url);
  for (const view of ["names", "overview"]) {
    await page.goto(`${admin.url}#/${view}`);
    await photograph(page, `admin-${view}-empty`);
  }
  admin.change(
    "names",
    [...ODD, "printer"].map((name, n) => server(name, n === 1 ? { state: "reserved", session: null } : {})),
  );
  admin.change(
    "sessions",
    Array.from({ length: 40 }, (_, n) => session(n, n % 3 ? {} : { sub: "ada" })),
  );
  admin.change(
    "streams",
    Array.from({ length: 40 }, (_, n) => stream(n)),
  );
  admin.change("channels", [
    { name: "news", publishers: 1, subscribers: 2, since_ms: SINCE, received: 1, sent: 2, queue: 0, policy: "newest" },
  ]);
  admin.change("rooms", [{ name: "lobby", members: 2, since_ms: SINCE, emits: 0 }]);
  admin.change("members of lobby", [{ id: id(5), session: id(1), alias: "ada", since_ms: SINCE }]);
  admin.change("events", [
    { at_ms: Date.now(), kind: "room.joined", text: "ada joined lobby", session: id(1), name: "lobby" },
  ]);
  const refusals = { rate: 3, forbidden: 1, gate: 0 };
  for (let n = 0; n < 3; n++) {
    admin.second({ received: n * 1e6, sent: n * 2e6, memory_used: 1e7, memory_budget: 2.56e8, rss: 5e7, refusals });
    await expect(page.getByText("in all").first()).toBeVisible();
    await page.waitForFunction((n) => performance.now() > n * 600, n);
  }
  const name = encodeURIComponent(`/browser-server/${ODD[0]}`);
  const views = [
    "overview",
    "names",
    "sessions",
    "streams",
    "channels",
    "rooms",
    "events",
    `names/${name}`,
    "rooms/lobby",
  ];
  for (const view of views) {
    await page.goto(`${admin.url}#/${view}`);
    await photograph(page, `admin-${view.replace(name, "details").replace("/", "-")}`);
  }
  await page.getByRole("button", { name: "Emit to this room" }).click();
  await photograph(page, "admin-dialog");
});
