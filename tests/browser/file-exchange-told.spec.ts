/** The file-exchange example: what both sides are told while a file is on its way, and what a phone is shown. */

import { holdFiles, letThrough, PIECE, row, sample, share } from "./exchange.ts";
import { expect, test } from "./fixture.ts";

test("both sides see how far a file is, how fast it goes and how long it will take", async ({ tab, realProxy }) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  await holdFiles(sender, 2);
  const link = await share(sender, [sample("slow.bin", 40 * PIECE)]);
  const receiver = await tab(link);
  await row(receiver, "slow.bin").getByRole("button", { name: "Save" }).click();
  // A piece from time to time, until each side has seen enough of them to tell.
  const told = /\d %.*\/s.* left|\/s.* left/;
  await expect(async () => {
    await letThrough(sender, 1);
    const [here, there] = await Promise.all([
      row(receiver, "slow.bin").innerText({ timeout: 1000 }),
      sender.locator("#receivers").innerText({ timeout: 1000 }),
    ]);
    expect(here.replaceAll("\n", " ")).toMatch(told);
    expect(there.replaceAll("\n", " ")).toMatch(told);
  }).toPass({ timeout: 30_000, intervals: [250] });
  for (const page of [receiver, sender]) await expect(page.getByRole("progressbar").first()).toBeVisible();
});

test("a phone is shown the link as a code, dark on light whatever the page's colours are", async ({
  tab,
  realProxy,
}) => {
  const sender = await tab(`${realProxy.url}examples/file-exchange/`);
  await share(sender, [sample("a.bin", 1)]);
  const code = sender.getByRole("img", { name: "QR code of the link" });
  for (const colorScheme of ["light", "dark"] as const) {
    await sender.emulateMedia({ colorScheme });
    const box = await code.boundingBox();
    expect(Math.min(box?.width ?? 0, box?.height ?? 0)).toBeGreaterThan(120);
    const png = (await code.screenshot()).toString("base64");
    const corner = await sender.evaluate(async (png) => {
      const bytes = Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0));
      const image = await createImageBitmap(new Blob([bytes]));
      const canvas = new OffscreenCanvas(image.width, image.height);
      const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, image.width, image.height);
      const lights = Array.from({ length: data.length / 4 }, (_, at) => (data[4 * at] ?? 0) > 127);
      // The middle of a code is about half dark; its margin is light.
      const middle = lights.filter((_, at) => {
        const [x, y] = [at % image.width, Math.floor(at / image.width)];
        return x > image.width / 4 && x < (3 * image.width) / 4 && y > image.height / 4 && y < (3 * image.height) / 4;
      });
      const row = lights.slice(image.width * 5, image.width * 6).slice(12, -12);
      return { dark: middle.filter((light) => !light).length / middle.length, margin: row.every((light) => light) };
    }, png);
    expect(corner.margin, "a light margin").toBe(true);
    expect(corner.dark).toBeGreaterThan(0.3);
    expect(corner.dark).toBeLessThan(0.7);
  }
});
