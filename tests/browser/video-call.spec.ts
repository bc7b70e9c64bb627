/** The video call, as people use it. */

import { expectFrames, expectPicture, OTHER_CAMERA, seat, test, tile, watchConnections } from "./caller.ts";
import { expect, type Page } from "./fixture.ts";
import { photograph } from "./photograph.ts";

// One after the other, and with time: each encodes and decodes up to six pictures, which takes all of two cores.
test.describe.configure({ mode: "default", timeout: 300_000 });

/** Everybody sees everybody else. */
async function expectAll(pages: Record<string, Page>, way: string): Promise<void> {
  for (const [own, page] of Object.entries(pages)) {
    for (const other of Object.keys(pages).filter((name) => name !== own)) {
      await expect(tile(page, other)).toHaveAttribute("data-way", way, { timeout: 90_000 });
      await expectFrames(page, other);
      await expectPicture(tile(page, other));
    }
  }
}

test("call: three see each other directly, one leaves, one joins, a camera is switched, off and on again", async ({
  join,
}) => {
  const ada = await join("Ada");
  await expect(tile(ada, "Ada (you)")).toContainText("Nobody else is here yet");
  const ben = await join("Ben");
  const cleo = await join("Cleo");
  await expectAll({ Ada: ada, Ben: ben, Cleo: cleo }, "direct");
  await expect(tile(ada, "Ben")).toContainText("direct");
  await expect(tile(ada, "Ben")).toContainText(/↓\s[\d.]+\s[kM]bit\/s/);
  await expect(tile(ada, "Ben")).toContainText("% lost");
  await photograph(ada, "video-call");

  await cleo.getByRole("button", { name: "Leave" }).click();
  await expect(cleo.getByRole("heading", { name: "You left the call" })).toBeFocused();
  await expect(tile(ada, "Cleo")).toHaveCount(0);
  await expect(tile(ben, "Cleo")).toHaveCount(0);
  const dan = await join("Dan <b>日本</b>");
  await expectFrames(ada, "Dan <b>日本</b>");
  await expectFrames(dan, "Ada");

  const did = await watchConnections(ada);
  await ada.getByRole("button", { name: "Settings" }).click();
  const cameras = ada.getByRole("dialog").getByLabel("Camera", { exact: true });
  await cameras.selectOption({ label: OTHER_CAMERA });
  const other = await cameras.inputValue();
  await ada.getByRole("button", { name: "Done" }).click();
  await expect.poll(async () => (await did()).devices, "in each of the two connections").toEqual([other, other]);
  await expectFrames(ben, "Ada");

  await ada.keyboard.press("v");
  await expect(tile(ben, "Ada")).toContainText("camera off");
  await expect(tile(ben, "Ada")).toHaveAttribute("data-camera", "off");
  await ada.keyboard.press("v");
  await expect(tile(ben, "Ada")).toHaveAttribute("data-camera", "on");
  await expectFrames(ben, "Ada");
  expect(await did(), "none of it needed another agreement").toMatchObject({ agreed: 0 });
});

test("call: who speaks is shown, and who is muted does not", async ({ join }) => {
  const ada = await join("Ada");
  const ben = await join("Ben", { camera: false });
  await expect(tile(ada, "Ben")).toContainText("camera off");
  await expect(tile(ada, "Ben")).toHaveAttribute("data-speaking", "yes", { timeout: 40_000 });
  await ben.getByRole("button", { name: "Microphone" }).click();
  await expect(ben.getByRole("button", { name: "Microphone" })).toHaveAttribute("aria-pressed", "false");
  await expect(tile(ada, "Ben")).toContainText("muted");
  await expect(tile(ada, "Ben")).toHaveAttribute("data-speaking", "no");
  await tile(ada, "Ben").evaluate((tile: HTMLElement) => {
    kept.changedAt = performance.now();
    new MutationObserver(() => {
      kept.changedAt = performance.now();
      if (tile.dataset.speaking === "yes") kept.began++;
    }).observe(tile, { attributeFilter: ["data-speaking"] });
  });
  // What was on its way when he was muted may be heard yet.
  const quietMs = () => ada.evaluate(() => performance.now() - kept.changedAt);
  await expect.poll(quietMs, { timeout: 40_000 }).toBeGreaterThan(3000);
  await ada.evaluate(() => {
    kept.began = 0;
  });
  // The microphones beep all the time: while Ada is heard, not heard, and heard again, Ben is not.
  for (const speaks of ["no", "yes", "no", "yes"]) {
    await ada.keyboard.press("m");
    await expect(tile(ada, "Ada (you)")).toHaveAttribute("data-speaking", speaks);
  }
  expect(await ada.evaluate(() => kept.began)).toBe(0);
});

test("call: a screen is shared beside the camera, and the chat goes over the data channel", async ({ join }) => {
  const ada = await join("Ada");
  const ben = await join("Ben");
  await expectAll({ Ada: ada, Ben: ben }, "direct");
  await ada.keyboard.press("s");
  const screen = ben.locator("#screens .tile");
  await expect(screen).toContainText("Ada: screen");
  await expect(tile(ben, "Ada")).toContainText("sharing");
  await expectPicture(screen);
  await expectFrames(ben, "Ada");
  await photograph(ben, "video-call-screen");
  await ada.getByRole("button", { name: "Screen" }).click();
  await expect(screen).toHaveCount(0);
  await ada.keyboard.press("s");
  await expectPicture(screen);

  await ben.getByRole("button", { name: "Chat" }).click();
  await ben.getByRole("textbox", { name: "Message" }).fill("<i>hello</i> مرحبا, https://example.com/a?b.");
  await ben.keyboard.press("Enter");
  await expect(ada.getByRole("button", { name: "Chat" })).toContainText("1 new");
  await ada.keyboard.press("c");
  await expect(ada.getByRole("log").getByRole("listitem")).toHaveText(
    /^Ben · .*<i>hello<\/i> مرحبا, https:\/\/example.com\/a\?b\.$/,
  );
  const link = ada.getByRole("log").getByRole("link", { name: "https://example.com/a?b" });
  await expect(link).toHaveAttribute("href", "https://example.com/a?b");
  await expect(link).toHaveAttribute("rel", /noopener/);
  await photograph(ben, "video-call-chat");
});

test("call: with the relay-only policy all goes through the proxy, says so, and goes back where it may", async ({
  join,
}) => {
  const ada = await join("Ada", { relay: true });
  const ben = await join("Ben");
  const cleo = await join("Cleo");
  for (const [page, other] of [
    [ada, "Ben"],
    [ben, "Ada"],
    [ada, "Cleo"],
    [cleo, "Ada"],
  ] as const) {
    await expect(tile(page, other)).toHaveAttribute("data-way", "proxy", { timeout: 40_000 });
    await expect(tile(page, other)).toContainText("via proxy");
    await expectFrames(page, other);
    await expectPicture(tile(page, other));
  }
  await expect(tile(ben, "Cleo"), "the others have a way").toHaveAttribute("data-way", "direct", { timeout: 40_000 });
  await expect(tile(ada, "Ada (you)")).toContainText("to 2 via proxy");
  await expect(tile(ben, "Ada")).toHaveAttribute("data-speaking", "yes", { timeout: 40_000 });
  await photograph(ada, "video-call-proxy");

  await ada.keyboard.press("s");
  await expectPicture(ben.locator("#screens .tile"));
  await ada.getByRole("button", { name: "Chat" }).click();
  await ada.getByRole("textbox", { name: "Message" }).fill("through the room");
  await ada.keyboard.press("Enter");
  await ben.keyboard.press("c");
  await expect(ben.getByRole("log").getByRole("listitem")).toHaveText(/through the room$/);
  await ada.keyboard.press("Escape");

  await ada.getByRole("button", { name: "Settings" }).click();
  await ada.getByLabel("Send everything through the proxy").uncheck();
  await ada.getByRole("button", { name: "Done" }).click();
  await expectAll({ Ada: ada, Ben: ben, Cleo: cleo }, "direct");
  await expect(tile(ada, "Ada (you)")).not.toContainText("via proxy");
});

test("call: the lobby says what is wrong with a device and what to do, and lets everybody in all the same", async ({
  join,
  tab,
  realProxy,
  name,
}) => {
  const url = `${realProxy.url}examples/video-call/#${name}`;
  const denied = await tab(`${realProxy.url}`);
  await denied.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  });
  await denied.goto(url);
  await expect(denied.locator("#devices-problem")).toContainText("This page may not use your camera");
  await expect(denied.locator("#devices-problem")).toContainText("This page may not use your microphone");
  await denied.getByLabel("Your name").fill("Ada");
  await photograph(denied, "video-call-denied");
  await denied.getByRole("button", { name: "Join the call" }).click();
  await expect(tile(denied, "Ada (you)")).toContainText("muted · camera off");

  const ben = await join("Ben");
  await expect(tile(ben, "Ada")).toHaveAttribute("data-way", "direct", { timeout: 40_000 });
  await expect(tile(ben, "Ada")).toContainText("muted · camera off");
  await expectFrames(denied, "Ben");
  await ben
    .locator("#people video")
    .first()
    .evaluate((video: HTMLVideoElement) => {
      (video.srcObject as MediaStream).getVideoTracks()[0]?.dispatchEvent(new Event("ended"));
    });
  await expect(ben.locator("#call-problem")).toContainText("Your camera is gone");
  await expect(tile(denied, "Ben")).toContainText("camera off");
  await ben.getByRole("button", { name: "Camera" }).click();
  await expect(ben.locator("#call-problem")).toHaveText("");
  await expectFrames(denied, "Ben");

  await ben.getByRole("button", { name: "Leave" }).click();
  await photograph(ben, "video-call-left");
  await ben.getByRole("button", { name: "Join again" }).click();
  await expect(ben.locator("#preview")).toHaveAttribute("data-camera", "on");
  await photograph(ben, "video-call-lobby");
  await ben.getByRole("button", { name: "Join the call" }).click();
  await expect(tile(denied, "Ben")).toHaveAttribute("data-camera", "on", { timeout: 40_000 });
  await expectFrames(denied, "Ben");
});

test("call: more than six people are told that a mesh is the wrong shape", async ({ join, tab, name }) => {
  const ada = await join("Ada");
  const others = await tab();
  const names = ["長い名前 a long name, and more of it", ...[1, 2, 3, 4, 5].map((at) => `Guest ${at}`)];
  await seat(
    others,
    `call-${name}`,
    names.map((name) => ({ name })),
  );
  await expect(ada.locator("#people .tile")).toHaveCount(7);
  await expect(ada.locator("#crowd")).toContainText("7 people are more than a mesh is good for");
  await expect(ada.locator("#crowd")).toContainText("6 times");
  await expect(tile(ada, "Guest 1")).toContainText("That browser cannot send through the proxy", { timeout: 40_000 });
  await photograph(ada, "video-call-crowd");
  await ada.getByRole("button", { name: "Camera" }).click();
  await expect(ada.locator("#crowd")).toContainText("would leave this device 6 times");
  await expect(ada.locator("#crowd"), "nothing is said of what goes where no picture does").not.toContainText("bit/s");
  await ada.getByRole("button", { name: "Close this notice" }).click();
  await expect(ada.locator("#crowd")).toBeHidden();
  await others.evaluate(() => kept.rooms[0].leave());
  await expect(ada.locator("#people .tile")).toHaveCount(6);
  await expect(ada.locator("#crowd")).toBeHidden();
});

test("call: who would be the seventh is told in the lobby, and may join all the same", async ({
  join,
  tab,
  realProxy,
  name,
}) => {
  const lobby = await tab(`${realProxy.url}examples/video-call/#${name}`);
  await seat(await tab(), `hall-${name}`, Array(5).fill({ isIn: true }));
  await expect(lobby.locator("#lobby-crowd")).toHaveText("");
  const ada = await join("Ada");
  await expect(lobby.locator("#lobby-crowd")).toContainText("6 people are in this call. With you it is 7");
  await photograph(lobby, "video-call-lobby-crowd");
  await lobby.getByRole("button", { name: "Join the call" }).click();
  await expect(tile(ada, "Guest")).toBeVisible();
  await ada.getByRole("button", { name: "Leave" }).click();
  await lobby.getByRole("button", { name: "Leave" }).click();
  await lobby.getByRole("button", { name: "Join again" }).click();
  await expect(lobby.locator("#lobby-crowd"), "of six two left").toHaveText("");
});
