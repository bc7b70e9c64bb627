/** The media example: each of the three is shown before all of it has come. */

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, type Page } from "../browser/fixture.ts";
import { photograph } from "../browser/photograph.ts";
import { media } from "../harness/programs.mjs";
import { test } from "./running.ts";

const folder = fileURLToPath(new URL("../test-results/media/", import.meta.url));
const SECONDS = 8;

test.describe.configure({ mode: "serial" });

test.beforeAll(() => {
  const make = fileURLToPath(new URL("../../examples/media/make.sh", import.meta.url));
  execFileSync(make, [folder, String(SECONDS)], { stdio: ["ignore", "inherit", "inherit"] });
});

/** Bytes of it that came so far, of how many. */
async function came(page: Page, name: string): Promise<number> {
  return page.locator(`[data-name="${name}"] progress`).evaluate((bar) => (bar as HTMLProgressElement).value);
}

test("a video plays while it arrives, and to its end", async ({ run, tab }) => {
  const program = run(media(), "--folder", folder, "--bind", "127.0.0.1:0", "--kib-per-second", "500");
  const page = await tab(await program.url());
  await photograph(page, "media");
  await page.getByRole("button", { name: "Play the video" }).click();
  const video = page.locator("video");
  const state = () =>
    video.evaluate(({ currentTime, readyState, videoWidth }: HTMLVideoElement) => ({
      currentTime,
      readyState,
      videoWidth,
    }));
  await expect.poll(async () => (await state()).currentTime).toBeGreaterThan(0.5);
  expect(await came(page, "video.webm"), "it plays before all of it is there").toBeLessThan(1);
  expect((await state()).readyState).toBeGreaterThanOrEqual(2);
  expect((await state()).videoWidth).toBe(960);
  await photograph(page, "media-playing");
  await expect(page.getByText("All of it arrived, and was shown.")).toBeVisible({ timeout: 30_000 });
  expect((await state()).currentTime).toBeGreaterThan(SECONDS - 0.5);
});

test("sound is heard while it arrives, and no more of it is fetched than is needed soon", async ({ run, tab }) => {
  const program = run(media(), "--folder", folder, "--bind", "127.0.0.1:0");
  const page = await tab(await program.url());
  await page.getByRole("button", { name: "Play the sound" }).click();
  const loudness = () => page.getByLabel("Loudness").evaluate((meter) => (meter as HTMLMeterElement).value);
  await expect.poll(loudness).toBeGreaterThan(0.05);
  expect(await came(page, "audio.wav"), "three of its eight seconds and what lies in between").toBeLessThan(0.8);
  await expect(page.getByText("All of it arrived, and was shown.")).toBeVisible({ timeout: 30_000 });
  const section = page.locator('[data-name="audio.wav"]');
  expect(Number(await section.getAttribute("data-seconds"))).toBeGreaterThan(SECONDS);
  await expect.poll(loudness).toBe(0);
});

test("an image is painted as far as it has come, and stopping stops its bytes", async ({ run, tab }) => {
  const program = (...pace: string[]) => run(media(), "--folder", folder, "--bind", "127.0.0.1:0", ...pace);
  const page = await tab(await program("--kib-per-second", "300").url());
  const section = page.locator('[data-name="image.jpg"]');
  /** How far down it is painted, as a part of its height. */
  const painted = () =>
    page.locator("canvas").evaluate((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const column = (canvas as HTMLCanvasElement).getContext("2d")?.getImageData(width / 2, 0, 1, height).data;
      return (Array.from({ length: height }, (_, at) => column?.[4 * at + 3]).lastIndexOf(255) + 1) / height;
    });
  await page.getByRole("button", { name: "Show the image" }).click();
  await expect.poll(painted).toBeGreaterThan(0.15);
  expect(await came(page, "image.jpg"), "and not because all of it is there").toBeLessThan(1);
  expect(Number(await section.getAttribute("data-paintings"))).toBeGreaterThan(1);
  await photograph(page, "media-image");
  await page.getByRole("button", { name: "Stop the image" }).click();
  await expect(section).toContainText("Stopped.");

  await page.goto(await program().url());
  await page.getByRole("button", { name: "Show the image" }).click();
  await expect(section).toContainText("All of it arrived, and was shown.", { timeout: 30_000 });
  expect(await came(page, "image.jpg")).toBe(1);
  expect(await painted()).toBe(1);
});

test("what is not there is said: a proxy without media, and a program without its files", async ({
  run,
  tab,
  realProxy,
}) => {
  const page = await tab(`${realProxy.url}examples/media/`);
  await expect(page.getByRole("alert")).toContainText("The program here has no media");
  const program = run(media(), "--folder", "nowhere", "--bind", "127.0.0.1:0");
  expect(await program.exit()).toBe(1);
  expect(program.errors).toContain("make it with examples/media/make.sh nowhere");
});
