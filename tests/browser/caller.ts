/** People in a video call: pages with a camera, a microphone and a screen that are made up. */

import type { Locator } from "@playwright/test";
import { expect, type Page, test as tabs } from "./fixture.ts";

/** Of the cameras that Chromium makes up the second and the third give pictures in formats that it does not encode. */
export const OTHER_CAMERA = "fake_device_3";
const DEVICES = [
  "--use-fake-device-for-media-stream=device-count=4",
  "--use-fake-ui-for-media-stream",
  "--auto-select-desktop-capture-source=Entire screen",
];

interface Fixtures {
  /** Somebody of that name joins the test's call. */
  join: (nickname: string, how?: { relay?: boolean; camera?: boolean }) => Promise<Page>;
}

export const test = tabs.extend<Fixtures>({
  launchOptions: [
    async ({ launchOptions }, use) => {
      await use({ ...launchOptions, args: [...(launchOptions.args ?? []), ...DEVICES] });
    },
    { scope: "worker" },
  ],

  join: async ({ tab, realProxy, name }, use) => {
    await use(async (nickname, { relay = false, camera = true } = {}) => {
      const page = await tab(`${realProxy.url}examples/video-call/${relay ? "?relay" : ""}#${name}`);
      await expect(page.locator("#preview")).toHaveAttribute("data-camera", "on", { timeout: 40_000 });
      if (!camera) await page.getByRole("button", { name: "Camera" }).click();
      await page.getByLabel("Your name").fill(nickname);
      await page.getByRole("button", { name: "Join the call" }).click();
      await expect(page.getByRole("toolbar", { name: "Call" })).toBeVisible({ timeout: 40_000 });
      return page;
    });
  },
});

/** Others sit in a room of that name, without a camera, and without a page that would answer. */
export async function seat(page: Page, room: string, others: readonly object[]): Promise<void> {
  await page.evaluate(
    async ({ room, others }) => {
      const { Room } = await import("/browser-stream-server-room.js");
      kept.rooms = others.map((as) => Room(bss.MuxDemux()).join(room, { as }));
      await Promise.all(kept.rooms.map(({ joined }: { joined: Promise<void> }) => joined));
    },
    { room, others },
  );
}

/** The tile of somebody, on somebody else's page. */
export function tile(page: Page, nickname: string): Locator {
  return page.locator("#people .tile").filter({ hasText: nickname });
}

/** How many frames of that person were decoded so far. */
export async function frames(page: Page, nickname: string): Promise<number> {
  return Number(await tile(page, nickname).getAttribute("data-frames"));
}

/** More frames of that person are decoded than until now. */
export async function expectFrames(page: Page, nickname: string): Promise<void> {
  const before = await frames(page, nickname);
  await expect.poll(() => frames(page, nickname), { timeout: 40_000 }).toBeGreaterThan(before + 5);
}

/** The colour in the middle of what a tile shows: red, green and blue. */
export async function colour(shown: Locator): Promise<number[]> {
  return await shown
    .locator("video:not([hidden]), canvas")
    .last()
    .evaluate((picture) => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 16, height: 9 });
      const context = canvas.getContext("2d");
      context?.drawImage(picture as HTMLVideoElement, 0, 0, 16, 9);
      return [...(context?.getImageData(8, 4, 1, 1).data ?? [])].slice(0, 3);
    });
}

/** It shows a picture, and not just black. */
export async function expectPicture(shown: Locator): Promise<void> {
  await expect.poll(async () => Math.max(...(await colour(shown))), { timeout: 40_000 }).toBeGreaterThan(40);
}

/** What the connections that the page has did since they were told to count: how often something was agreed upon anew, and the devices of tracks that took another's place. */
export async function watchConnections(page: Page): Promise<() => Promise<{ agreed: number; devices: string[] }>> {
  await page.evaluate(() => {
    kept.agreed = 0;
    kept.devices = [];
    // One that takes the place of one that broke has all to agree upon.
    const later = new WeakSet<RTCPeerConnection>();
    globalThis.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(config?: RTCConfiguration) {
        super(config);
        later.add(this);
      }
    };
    const { setLocalDescription } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.setLocalDescription = function (description?: RTCLocalSessionDescriptionInit) {
      if (!later.has(this)) kept.agreed++;
      return (setLocalDescription as (description?: unknown) => Promise<void>).call(this, description);
    };
    const { replaceTrack } = RTCRtpSender.prototype;
    RTCRtpSender.prototype.replaceTrack = function (track) {
      kept.devices.push(track?.getSettings().deviceId ?? "");
      return replaceTrack.call(this, track);
    };
  });
  return () => page.evaluate(() => ({ agreed: kept.agreed, devices: kept.devices }));
}
