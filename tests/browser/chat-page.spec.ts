/** The chat's page: by keyboard alone, on a phone, in light and dark, with several rooms. */

import { drop, goIn, goInToo, noise, notices, texts, tick, write } from "./chat-room.ts";
import { expect, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";

test("chat: by keyboard alone one goes in, writes lines, looks who is there, and changes rooms", async ({
  tab,
  realProxy,
  name,
}) => {
  const page = await tab(`${realProxy.url}examples/chat/`);
  await page.locator("#nickname").focus();
  await page.keyboard.type("Ann");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type(name);
  await page.keyboard.press("Enter");
  await expect(page.locator("#text")).toBeFocused();
  await page.keyboard.type("first line");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("second line");
  expect(await texts(page)).toEqual([]);
  await page.keyboard.press("Enter");
  await expect.poll(() => texts(page)).toEqual(["first line\nsecond line"]);
  await expect(tick(page, "first line second line")).toContainText("nobody else here");
  await expect(page.locator("#text")).toBeFocused();

  // Back from the field: pictures, the messages themselves, what one can do in the room, the rooms.
  const order = ["picker", /^log/, "leave", "copy", "rename"];
  for (const expected of order) {
    await page.keyboard.press("Shift+Tab");
    const focused = await page.evaluate(() => document.activeElement?.id || document.activeElement?.className);
    expect(focused).toMatch(expected);
  }
  // Pictures come by the button and by paste, too, and Escape takes them away again.
  const bytes = Buffer.from(await noise(page, 8, 8));
  await page.locator("#picker").setInputFiles({ name: "chosen.png", mimeType: "image/png", buffer: bytes });
  await expect(page.locator("#attached li")).toHaveCount(1);
  await page.evaluate(
    (bytes) => {
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([Uint8Array.from(bytes)], "pasted.png", { type: "image/png" }));
      document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    },
    [...bytes],
  );
  await expect(page.locator("#attached li")).toHaveCount(2);
  await expect(page.locator("#text")).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(page.locator("#attached li")).toHaveCount(0);

  await goInToo(page, `${name} two`);
  await page.keyboard.press("Alt+ArrowUp");
  await expect(page.locator("#room-name")).toHaveText(name);
  await page.keyboard.press("Alt+ArrowDown");
  await expect(page.locator("#room-name")).toHaveText(`${name} two`);

  await page.setViewportSize({ width: 800, height: 700 });
  await page.locator("#people-toggle").focus();
  await page.keyboard.press("Enter");
  await expect(page.locator("#people")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.locator("#people")).toBeHidden();
  await expect(page.locator("#people-toggle")).toBeFocused();
});

test("chat: rooms in the background count what is unread, and the directory who is where", async ({
  tab,
  realProxy,
  name,
}) => {
  const [one, two] = [`${name} one`, `${name} two`];
  const ann = await tab(`${realProxy.url}examples/chat/`);
  await goIn(ann, "Ann", one);
  const bob = await tab(`${realProxy.url}examples/chat/`);
  const listed = bob.getByRole("link", { name: `${one} 1 person` });
  await expect(listed).toBeVisible();
  await bob.locator("#nickname").fill("Bob");
  await bob.locator("#room").fill(two);
  await bob.locator("#room").press("Enter");
  await bob
    .locator("#chat")
    .getByRole("link", { name: `${one} 1 person` })
    .click();
  await expect(bob.locator("#room-name")).toHaveText(one);
  expect(decodeURIComponent(new URL(bob.url()).hash)).toBe(`#${one}`);
  await bob.locator("#own").getByRole("link", { name: two }).click();
  await expect(bob.locator("#room-name")).toHaveText(two);
  for (let number = 1; number <= 3; number++) await write(ann, `number ${number}`);
  const row = bob.locator("#own").getByRole("link", { name: one });
  await expect(row.getByRole("img", { name: "3 unread" })).toBeVisible();
  await expect(bob).toHaveTitle(/^\(3\) /);
  await expect(tick(ann, "number 3"), "it is there, and nobody has looked").toContainText("delivered");
  await row.click();
  await expect(bob.locator(".log:not([hidden]) .divider")).toBeVisible();
  await expect(row.getByRole("img", { name: "3 unread" })).toHaveCount(0);
  await expect(tick(ann, "number 3")).toContainText("seen");

  // A page that is loaded again is in its rooms again, and who has a link needs nothing but a name.
  await bob.reload();
  await expect(bob.locator("#room-name")).toHaveText(one);
  await expect(bob.locator("#own li")).toHaveCount(2);
  await expect(notices(ann).last()).toHaveText(/Bob.? came in/);
  const cem = await tab(`${realProxy.url}examples/chat/#${encodeURIComponent(one)}`);
  await expect(cem.locator("#room")).toHaveValue(one);
  await cem.locator("#nickname").fill("Bob");
  await cem.locator("#nickname").press("Enter");
  await expect(cem.locator("#people-list"), "two of one name are told apart").toContainText(/Bob \([0-9a-f]{4}\)/);
  await cem.getByRole("button", { name: "Change" }).first().click();
  await cem.locator("#new-nickname").fill("Cem");
  await cem.keyboard.press("Enter");
  await expect(notices(ann).last()).toHaveText(/Bob \([0-9a-f]{4}\).? is now called .?Cem/);
});

test("chat: a double click leaves one room, and one goes on writing in the next", async ({ tab, realProxy, name }) => {
  const page = await tab(`${realProxy.url}examples/chat/`);
  await goIn(page, "Ann", name);
  await goInToo(page, `${name} two`);
  await page.locator("#leave").dblclick();
  await expect(page.locator("#room-name")).toHaveText(name);
  await expect(page.locator("#text")).toBeFocused();
  await expect(page.locator("#own li")).toHaveCount(1);
  await page.locator("#leave").press("Enter");
  await expect(page.locator("#welcome")).toBeVisible();
  await expect(page.locator("#room")).toBeFocused();
});

test("chat: who has written a name goes in by a listed room, and who has not is asked for one", async ({
  tab,
  realProxy,
  name,
}) => {
  const ann = await tab(`${realProxy.url}examples/chat/`);
  await goIn(ann, "Ann", name);
  const bob = await tab(`${realProxy.url}examples/chat/`);
  const listed = bob.getByRole("link", { name: `${name} 1 person` });
  await listed.click();
  await expect(bob.locator("#welcome-problem")).toHaveText(/what others shall call you/);
  await expect(bob.locator("#nickname")).toBeFocused();
  await bob.reload();
  await bob.goto(`${realProxy.url}examples/chat/`);
  await bob.locator("#nickname").fill("Bob");
  await listed.click();
  await expect(bob.locator("#room-name")).toHaveText(name);
  await expect(ann.locator("#people-list")).toContainText("Bob");
  await bob.locator("#leave").click();
  await bob.locator("#nickname").fill("Bobby");
  await listed.click();
  await expect(ann.locator("#people-list")).toContainText("Bobby");
});

test("chat: files that are no pictures are refused in one sentence, which goes with the next thing that is done", async ({
  tab,
  realProxy,
  name,
}) => {
  const page = await tab(`${realProxy.url}examples/chat/`);
  await goIn(page, "Ann", name);
  const problem = page.locator("#attach-problem");
  const refuse = async () => {
    const bytes = Buffer.from("<svg");
    await drop(
      page,
      ["a.svg", "b.svg"].map((name) => ({ name, type: "image/svg+xml", bytes })),
    );
    await expect(problem).toHaveText(/^.?a\.svg.? and .?b\.svg.? are no pictures that this browser can read\. Take/);
  };
  await refuse();
  await page.locator("#text").pressSequentially("h");
  await expect(problem).toHaveText("");
  await refuse();
  await page.locator("#leave").focus();
  await page.keyboard.press("Escape");
  await expect(problem).toHaveText("");
  await refuse();
  await page.locator("#text").press("Enter");
  await expect(problem).toHaveText("");
  await refuse();
  await drop(page, [{ name: "noise.png", type: "image/png", bytes: await noise(page, 8, 8) }]);
  await expect(page.locator("#attached li")).toHaveCount(1);
  await expect(problem).toHaveText("");
});

test("chat: it is looked at in light, in dark and on a phone, with long and foreign texts", async ({
  tab,
  realProxy,
  name,
}) => {
  const ann = await tab(`${realProxy.url}examples/chat/`);
  await photograph(ann, "chat-welcome");
  await goIn(ann, "Ann", `${name} with a long tail that does not fit`);
  await photograph(ann, "chat-alone");
  const yael = await tab(`${realProxy.url}examples/chat/`);
  await goIn(yael, "יעל", `${name} with a long tail that does not fit`);
  await write(ann, "Hello! The plan is at https://example.org/plan?day=6. Who brings the ladder?");
  await write(yael, "שלום! אני מביאה את הצבע (blue), ומברשות.");
  await write(yael, "W".repeat(400));
  await write(ann, Array.from({ length: 40 }, (_, line) => `line ${line}`).join("\n"));
  await expect(yael.getByRole("button", { name: "Show all of it" })).toBeVisible();
  await write(yael, "健さんも来ますか。");
  await expect(ann.getByText("健さんも来ますか。", { exact: true })).toBeVisible();
  await yael.locator("#text").pressSequentially("ok");
  await expect(ann.locator("#typing-text")).toContainText("is typing");
  await photograph(ann, "chat-room");
  await ann.setViewportSize({ width: 360, height: 740 });
  await ann.getByRole("button", { name: "Rooms" }).click();
  await photograph(ann, "chat-rooms");
  const fields = await ann
    .locator("input:not([type]), textarea")
    .evaluateAll((all) => all.map((one) => getComputedStyle(one).fontSize));
  expect(
    fields.every((size) => Number.parseFloat(size) >= 16),
    "no phone zooms into a field",
  ).toBe(true);
});
