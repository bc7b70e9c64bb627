/** People in the rooms of the chat, each with a page of its own. */

import { expect, type Page } from "./fixture.ts";

/** Goes in as `name`, by the form of the page. */
export async function goIn(page: Page, name: string, room: string): Promise<void> {
  await page.locator("#nickname").fill(name);
  await page.locator("#room").fill(room);
  await page.getByRole("button", { name: "Go in" }).first().click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(room);
  await expect(page.locator("#people-list li").first()).toBeAttached();
}

/** Goes into another room, as one does who is in one already. */
export async function goInToo(page: Page, room: string): Promise<void> {
  await page.locator("#enter-name").fill(room);
  await page.locator("#enter-name").press("Enter");
  await expect(page.getByRole("heading", { level: 1 })).toContainText(room);
}

export async function write(page: Page, text: string): Promise<void> {
  await page.locator("#text").fill(text);
  await page.locator("#text").press("Enter");
}

/** The messages of the room that is shown, in order. */
export function texts(page: Page): Promise<string[]> {
  return page.locator(".log:not([hidden]) .text").allTextContents();
}

/** What is said of how far one's own message with this text came. */
export function tick(page: Page, text: string) {
  return page.locator(".message.mine", { has: page.getByText(text, { exact: true }) }).locator(".told");
}

export function notices(page: Page) {
  return page.locator(".log:not([hidden]) .notice");
}

/** Drops files on the page, as a hand would. */
export async function drop(page: Page, files: { name: string; type: string; bytes: Uint8Array }[]): Promise<void> {
  const plain = files.map(({ name, type, bytes }) => ({ name, type, base64: Buffer.from(bytes).toString("base64") }));
  const dropped = await page.evaluateHandle((plain) => {
    const transfer = new DataTransfer();
    for (const { name, type, base64 } of plain) {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type }));
    }
    return transfer;
  }, plain);
  for (const type of ["dragenter", "dragover", "drop"]) {
    await page.locator(".conversation").dispatchEvent(type, { dataTransfer: dropped });
  }
}

/** A GIF of so many frames of one pixel, filled up to a size with comments. */
export function gif(frames: number, bytesMin = 0): Uint8Array {
  const head = [...Buffer.from("GIF89a"), 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255];
  const frame = [0x21, 0xf9, 4, 0, 10, 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0];
  const comment = [0x21, 0xfe, 255, ...new Array<number>(255).fill(65), 0];
  const parts = [head, ...new Array<number[]>(frames).fill(frame)];
  const comments = Math.ceil(bytesMin / comment.length);
  return Uint8Array.from([...parts.flat(), ...new Array<number[]>(comments).fill(comment).flat(), 0x3b]);
}

/** A PNG of noise, which no format makes small, as a page draws it. */
export async function noise(page: Page, width: number, height: number): Promise<Uint8Array> {
  const base64 = await page.evaluate(
    async ([width, height]) => {
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext("2d");
      if (!context) throw new Error("no canvas");
      const image = context.createImageData(width, height);
      let state = 1;
      for (let at = 0; at < image.data.length; at++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        image.data[at] = at % 4 === 3 ? 255 : state >>> 24;
      }
      context.putImageData(image, 0, 0);
      const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
      let text = "";
      for (const byte of bytes) text += String.fromCharCode(byte);
      return btoa(text);
    },
    [width, height] as const,
  );
  return Uint8Array.from(Buffer.from(base64, "base64"));
}

/** Writes a line with six pictures, each nearly as large as a message takes; what they are called. */
export async function writeSixPictures(page: Page): Promise<string[]> {
  const bytes = await noise(page, 640, 480);
  const names = [1, 2, 3, 4, 5, 6].map((number) => `noise ${number}.png`);
  expect(bytes.length * names.length, "more than the four mebibytes that the library lets wait").toBeGreaterThan(
    5 << 20,
  );
  await drop(
    page,
    names.map((name) => ({ name, type: "image/png", bytes })),
  );
  // Each is read and drawn first, which takes a busy machine a while.
  await expect(page.locator("#attached li")).toHaveCount(names.length, { timeout: 60_000 });
  await write(page, "six pictures");
  return names;
}
