/** The chat, as several people use it. */

import { startProxy } from "../harness/proxy.mjs";
import { startShim } from "../harness/shim.mjs";
import { drop, gif, goIn, goInToo, noise, notices, texts, tick, write, writeSixPictures } from "./chat-room.ts";
import { expect, type Page, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";

/** How long one is cut off, and how many messages are written meanwhile. */
const CUT_MS = 5000;
const WRITTEN = 10;

type Tab = (url?: string) => Promise<Page>;

function chat(url: string): string {
  return `${url}examples/chat/`;
}

async function several(tab: Tab, url: string, names: string[], room: string): Promise<Page[]> {
  const pages: Page[] = [];
  for (const name of names) {
    const page = await tab(chat(url));
    await goIn(page, name, room);
    pages.push(page);
  }
  for (const page of pages) await expect(page.locator("#people-list li")).toHaveCount(names.length);
  return pages;
}

test("chat: five people read each other in order, and each message says how far it came", async ({
  tab,
  realProxy,
  name,
}) => {
  const pages = await several(tab, realProxy.url, ["Ann", "Bob", "Cem", "Dan", "Eve"], name);
  const [ann, bob] = pages as [Page, Page];
  await expect(notices(ann)).toHaveText(["Bob", "Cem", "Dan", "Eve"].map((who) => new RegExp(`${who}.? came in`)));
  for (let number = 1; number <= 5; number++) {
    await write(ann, `Ann ${number}`);
    await write(bob, `Bob ${number}`);
  }
  for (const page of pages) {
    await expect(page.locator(".log .message")).toHaveCount(10);
    const all = await texts(page);
    for (const who of ["Ann", "Bob"]) {
      expect(all.filter((text) => text.startsWith(who))).toEqual([1, 2, 3, 4, 5].map((number) => `${who} ${number}`));
    }
  }
  await expect(tick(ann, "Ann 5")).toContainText("seen by all");
  await expect(tick(ann, "Ann 5")).toHaveAttribute("title", /Bob.*Cem.*Dan.*Eve.* looked at it/);
  await expect(tick(ann, "Ann 5").locator(".tick")).toHaveAttribute("data-mark", "seen");
});

test("chat: what is written while one is cut off for five seconds arrives afterwards in order and once, at it and from it", async ({
  tab,
  realProxy,
  name,
}) => {
  const shim = await startShim(realProxy.port);
  const others = await several(tab, realProxy.url, ["Ann", "Bob", "Cem", "Dan"], name);
  const [ann] = others as [Page];
  const eve = await tab(chat(shim.url));
  await goIn(eve, "Eve", name);
  await write(eve, "before");
  await expect(tick(eve, "before")).toContainText("seen by all");

  shim.refuse(true);
  shim.cut();
  await expect(eve.locator("#offline")).toBeVisible();
  await expect(ann.locator("#people-list [data-away]")).toContainText("Eve");
  const until = Date.now() + CUT_MS;
  for (let number = 1; number <= WRITTEN; number++) {
    await write(ann, `to Eve ${number}`);
    await write(eve, `from Eve ${number}`);
    await ann.waitForTimeout(Math.max(0, until - Date.now()) / (WRITTEN - number + 1));
  }
  await expect(tick(eve, "from Eve 1")).toContainText("waits");
  await expect(tick(eve, "from Eve 1")).toHaveAttribute("title", /goes out by itself/);
  await photograph(eve, "chat-offline");
  expect(await texts(eve), "nothing came through").not.toContain("to Eve 1");

  shim.refuse(false);
  await eve.locator("#try-now").dispatchEvent("click");
  const numbers = Array.from({ length: WRITTEN }, (_, at) => at + 1);
  await expect(eve.getByText(`to Eve ${WRITTEN}`, { exact: true })).toBeVisible();
  await expect(eve.locator("#offline")).toBeHidden();
  expect((await texts(eve)).filter((text) => text.startsWith("to Eve"))).toEqual(numbers.map((n) => `to Eve ${n}`));
  for (const page of others) {
    await expect(page.getByText(`from Eve ${WRITTEN}`, { exact: true })).toBeVisible();
    expect((await texts(page)).filter((text) => text.startsWith("from"))).toEqual(numbers.map((n) => `from Eve ${n}`));
  }
  await expect(tick(eve, `from Eve ${WRITTEN}`)).toContainText("seen by all");
  await expect(tick(ann, `to Eve ${WRITTEN}`)).toContainText("seen by all");
  await expect(ann.locator("#people-list [data-away]")).toHaveCount(0);
  expect(
    (await notices(ann).allTextContents()).filter((text) => text.includes("left")),
    "nobody left",
  ).toEqual([]);
  await shim.stop();
});

test("chat: whose tab goes is noticed with its rooms, and who leaves one room with that alone", async ({
  tab,
  realProxy,
  name,
}) => {
  const [ann, bob, cem] = (await several(tab, realProxy.url, ["Ann", "Bob", "Cem"], name)) as [Page, Page, Page];
  await goInToo(bob, `${name} garden`);
  await cem.getByRole("button", { name: "Leave" }).click();
  await expect(cem.getByRole("heading", { level: 1 })).toHaveText("Chat");
  await expect(notices(ann).last()).toHaveText(/Cem.? left$/);
  await bob.goto("about:blank");
  await expect(notices(ann).last()).toContainText(/Bob.? closed the page: out of /);
  for (const room of [name, `${name} garden`]) await expect(notices(ann).last()).toContainText(room);
  await expect(ann.locator("#people-list li")).toHaveCount(1);
});

test("chat: an answer that does not come in time is said, with whose it is, and a later look counts", async ({
  tab,
  realProxy,
  name,
}) => {
  const shim = await startShim(realProxy.port);
  const [ann] = (await several(tab, realProxy.url, ["Ann", "Bob"], name)) as [Page, Page];
  const eve = await tab(chat(shim.url));
  await goIn(eve, "Eve", name);
  await expect(ann.locator("#people-list li")).toHaveCount(3);
  shim.refuse(true);
  shim.cut();
  await expect(ann.locator("#people-list [data-away]")).toContainText("Eve");
  const from = Date.now();
  await write(ann, "is Eve there?");
  await expect(tick(ann, "is Eve there?")).toHaveAttribute("title", /No answer within 10 s from .*Eve/, {
    timeout: 30_000,
  });
  expect(Date.now() - from, "the ten seconds that were promised").toBeGreaterThan(9000);
  await expect(tick(ann, "is Eve there?")).toContainText("seen by 1 of 2");
  shim.refuse(false);
  await eve.locator("#try-now").dispatchEvent("click");
  await expect(eve.getByText("is Eve there?", { exact: true })).toBeVisible();
  await expect(tick(ann, "is Eve there?")).toContainText("seen by all");
  await shim.stop();
});

test("chat: who has been away for more than is kept is told how much is lost", async ({ tab, realProxy, name }) => {
  const shim = await startShim(realProxy.port);
  const [ann] = (await several(tab, realProxy.url, ["Ann"], name)) as [Page];
  const eve = await tab(chat(shim.url));
  await goIn(eve, "Eve", name);
  await expect(ann.locator("#people-list li")).toHaveCount(2);
  shim.refuse(true);
  shim.cut();
  await expect(ann.locator("#people-list [data-away]")).toContainText("Eve");
  await ann.evaluate(async (room) => {
    const { Room } = await import("/browser-stream-server-room.js");
    const joined = Room(bss.MuxDemux()).join(room, { as: { nickname: "Flood" } });
    await joined.joined;
    for (let number = 1; number <= 300; number++) joined.emit("message", { id: `${number}`, text: `flood ${number}` });
  }, name);
  await expect(ann.getByText("flood 300", { exact: true })).toBeVisible();
  shim.refuse(false);
  await eve.locator("#try-now").dispatchEvent("click");
  await expect(eve.getByText("flood 300", { exact: true })).toBeVisible();
  await expect(notices(eve).filter({ hasText: /were lost: more came than is kept/ })).toHaveCount(1);
  await expect(eve.getByText("flood 1", { exact: true })).toHaveCount(0);
  await shim.stop();
});

test("chat: a proxy that is started again knows nobody, and the talk goes on", async ({ tab, name }) => {
  const before = await startProxy();
  const shim = await startShim(before.port);
  const pages = await several(tab, shim.url, ["Ann", "Bob"], name);
  const [ann, bob] = pages as [Page, Page];
  await write(ann, "before");
  await expect(tick(ann, "before")).toContainText("seen");
  await before.kill();
  for (const page of pages) await expect(page.locator("#offline")).toBeVisible();
  await write(ann, "meanwhile");
  const after = await startProxy();
  shim.to(after.port);
  for (const page of pages) await page.locator("#try-now").dispatchEvent("click");
  for (const page of pages) {
    await expect(notices(page).filter({ hasText: "The proxy does not know this page any more" })).toHaveCount(1);
    await expect(page.locator("#people-list li")).toHaveCount(2);
  }
  await write(bob, "after");
  await expect(ann.getByText("after", { exact: true })).toBeVisible();
  await expect(tick(bob, "after")).toContainText("seen");
  expect(await bob.getByText("before", { exact: true }).count(), "nothing twice").toBe(1);
  await shim.stop();
  await after.stop();
});

test("chat: who types is seen typing, until it is sent or given up", async ({ tab, realProxy, name }) => {
  const [ann, bob] = (await several(tab, realProxy.url, ["Ann", "Bob"], name)) as [Page, Page];
  await bob.locator("#text").pressSequentially("Hel");
  await expect(ann.locator("#typing-text")).toHaveText(/Bob.? is typing/);
  await bob.locator("#text").pressSequentially("lo");
  await bob.keyboard.press("Enter");
  await expect(ann.getByText("Hello", { exact: true })).toBeVisible();
  await expect(ann.locator("#typing-text")).toHaveText("");
  await bob.locator("#text").pressSequentially("never mind");
  await expect(ann.locator("#typing-text")).toHaveText(/Bob.? is typing/);
  await bob.locator("#text").fill("");
  await expect(ann.locator("#typing-text")).toHaveText("");
});

test("chat: pictures are dropped, made to fit, and shown; what moves goes as it is or is refused in words", async ({
  tab,
  realProxy,
  name,
}) => {
  const [ann, bob] = (await several(tab, realProxy.url, ["Ann", "Bob"], name)) as [Page, Page];
  // The policy of the pages lets nobody read a picture's address, so what is shown is kept for this test.
  await bob.evaluate(() => {
    kept.blobs = [];
    const make = URL.createObjectURL;
    URL.createObjectURL = (blob) => {
      kept.blobs.push(blob);
      return make.call(URL, blob);
    };
  });
  const large = await noise(ann, 1500, 1000);
  expect(large.length, "more than a message takes").toBeGreaterThan(1 << 20);
  const moving = gif(3);
  await drop(ann, [
    { name: "noise.png", type: "image/png", bytes: large },
    { name: "moves.gif", type: "image/gif", bytes: moving },
    { name: "film.gif", type: "image/gif", bytes: gif(2, 1_100_000) },
    { name: "page.svg", type: "image/svg+xml", bytes: Buffer.from("<svg") },
  ]);
  // Pictures that are too large are made to fit first, which takes a busy machine a while.
  await expect(ann.locator("#attached li")).toHaveCount(2, { timeout: 60_000 });
  await expect(ann.locator("#attach-problem")).toContainText(/film\.gif.? moves and has 1\.1 MB/);
  await expect(ann.locator("#attach-problem")).toContainText(/page\.svg.? is no picture that this browser can read/);
  await write(ann, "two pictures");
  await expect(ann.locator("#attached li")).toHaveCount(0);
  const pictures = bob.locator(".message.theirs .picture img");
  await expect(pictures).toHaveCount(2);
  const came = await pictures.evaluateAll((all) =>
    Promise.all(
      (all as HTMLImageElement[]).map(async (image, at) => {
        await image.decode();
        const blob = kept.blobs[at] as Blob;
        return {
          alt: image.alt,
          type: blob.type,
          bytes: [...new Uint8Array(await blob.arrayBuffer())],
          width: image.naturalWidth,
        };
      }),
    ),
  );
  expect(came[0]?.alt).toBe("Picture by Ann: noise.png");
  expect(came[0]?.bytes.length).toBeLessThanOrEqual(1 << 20);
  expect(came[0]?.width).toBeGreaterThan(500);
  expect(came[1]?.type).toBe("image/gif");
  expect(came[1]?.bytes, "a picture that moves is not touched").toEqual([...moving]);
  await expect(bob.getByText("two pictures", { exact: true })).toBeVisible();

  await bob.getByRole("button", { name: "Picture by Ann: noise.png" }).press("Enter");
  await expect(bob.getByRole("dialog", { name: "Picture" })).toBeVisible();
  await bob.keyboard.press("Escape");
  await expect(bob.getByRole("dialog", { name: "Picture" })).toBeHidden();
});

test("chat: more pictures than may wait at once go all the same, in their order and before what is written behind them", async ({
  tab,
  realProxy,
  name,
}) => {
  const [ann, bob] = (await several(tab, realProxy.url, ["Ann", "Bob"], name)) as [Page, Page];
  const names = await writeSixPictures(ann);
  await write(ann, "behind them");
  await expect(bob.getByText("behind them", { exact: true })).toBeVisible();
  const came = await bob
    .locator(".message .picture img")
    .evaluateAll((all) => all.map((one) => (one as HTMLImageElement).alt));
  expect(came).toEqual(names.map((name) => `Picture by Ann: ${name}`));
  expect(await texts(bob)).toEqual(["six pictures", "behind them"]);
  expect(await bob.locator(".message").last().textContent()).toContain("behind them");
  await expect(tick(ann, "behind them")).toContainText("seen");
  await expect(ann.locator('.tick:not([data-mark="seen"])')).toHaveCount(0);
});

test("chat: names and texts with markup are text, and make no element", async ({ tab, realProxy, name }) => {
  const markup = `<img src=x onerror="document.title='taken'"><b>bold</b><script>document.title='taken'</script>`;
  const room = `<i>${name}</i>`;
  const nickname = "<b>Bob</b><img src=x>";
  const [ann, bob] = (await several(tab, realProxy.url, ["Ann", nickname], room)) as [Page, Page];
  await write(bob, markup);
  await write(bob, "javascript:alert(1) and https://example.org/?a=<b>");
  for (const page of [ann, bob]) await expect(page.locator(".log .text")).toHaveCount(2);
  await expect(ann.locator(".log .text").first()).toHaveText(markup);
  await expect(ann.locator(".log .who").first()).toHaveText(nickname);
  await expect(ann.locator("#people-list")).toContainText(nickname);
  await expect(ann.locator("#own")).toContainText(room);
  for (const page of [ann, bob]) {
    expect(await page.locator(".chat :is(b, i, img, script):not(.dots i, .banner b)").count()).toBe(0);
    expect(await page.locator(".log a").evaluateAll((all) => all.map((a) => a.getAttribute("href")))).toEqual([
      "https://example.org/?a=",
    ]);
    expect(await page.title()).toContain("Chat");
  }
  // What other programs send in the room is checked, too.
  const codes = await bob.evaluate(async (room) => {
    const { Room } = await import("/browser-stream-server-room.js");
    const joined = Room(bss.MuxDemux()).join(room, { as: { nickname: ["no", "text"] } });
    await joined.joined;
    const codes: string[] = [];
    const wrong = [
      undefined,
      7,
      { id: 1, text: "x" },
      { id: "2", text: { html: "x" } },
      { id: "3", text: "x", picture: 1 },
    ];
    for (const value of wrong) {
      await joined.emitWithAck("message", value).catch((error: { code: string }) => codes.push(error.code));
    }
    joined.emit("__proto__", "constructor");
    joined.emit("message", { id: "4", text: "the last" });
    return codes;
  }, room);
  expect(codes, "who sends what is no message hears it").toEqual(new Array(5).fill("bad_request"));
  await expect(ann.getByText("the last", { exact: true })).toBeVisible();
  await expect(ann.locator(".log .message")).toHaveCount(3);
  await expect(ann.locator("#people-list")).toContainText("Somebody");
});
