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
  const program = run(media(), "--folder", folder, "--bind", "127.0.0.1:0", "--kib-per-second", "150");
  const page = await tab(await program.url());
  await photograph(page, "media");
  await page.getByRole("button", { name: "Play the video" }).click();
  /** All of it at the same moment. */
  const state = () =>
    page.locator('[data-name="video.webm"]').evaluate((section) => {
      const { currentTime, readyState, videoWidth } = section.querySelector("video") as HTMLVideoElement;
      const came = (section.querySelector("progress") as HTMLProgressElement).value;
      return { currentTime, readyState, videoWidth, came };
    });
  let playing = await state();
  const seen = async () => {
    playing = await state();
    return playing.currentTime;
  };
  await expect.poll(seen).toBeGreaterThan(0.5);
  expect(playing.came, "it plays before all of it is there").toBeLessThan(1);
  expect(playing.readyState).toBeGreaterThanOrEqual(2);
  expect(playing.videoWidth).toBe(960);
  await photograph(page, "media-playing");
  await expect(page.getByText("All of it arrived, and was shown.")).toBeVisible({ timeout: 30_000 });
  expect((await state()).currentTime).toBeGreaterThan(SECONDS - 0.5);
});

test("sound is heard while it arrives, and no more of it is fetched than is needed soon", async ({ run, tab }) => {
  const program = run(media(), "--folder", folder, "--bind", "127.0.0.1:0");
  const page = await tab(await program.url());
  await page.getByRole("button", { name: "Play the sound" }).click();
  // It is heard while three of its eight seconds are there, and what lies in between.
  await page.waitForFunction(() => {
    const section = document.querySelector('[data-name="audio.wav"]');
    const loudness = section?.querySelector("meter")?.value ?? 0;
    return loudness > 0.05 && (section?.querySelector("progress")?.value ?? 1) < 0.8;
  });
  await expect(page.getByText("All of it arrived, and was shown.")).toBeVisible({ timeout: 30_000 });
  const section = page.locator('[data-name="audio.wav"]');
  expect(Number(await section.getAttribute("data-seconds"))).toBeGreaterThan(SECONDS);
  await expect(page.getByLabel("Loudness")).toHaveJSProperty("value", 0);
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
