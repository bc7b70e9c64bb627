// Makes of a file a picture that fits into one message. It is drawn anew here, so nothing else that the file says, as where a photo was taken, goes along.

import { size } from "../quantity.ts";
import { isAnimated } from "./animated.ts";
import { together } from "./page.ts";
import { canShow, PICTURE_BYTES_MAX, type Picture } from "./wire.ts";

/** Why a file is not sent, for people: what it is, or what several are. */
export class Unfit extends Error {
  readonly file: string;
  readonly many: string;

  constructor(file: string, one: string, many = one) {
    super(one);
    this.file = file;
    this.many = many;
  }
}

/** Each reason once, with all files that it is true of. */
export function refusal(all: readonly Unfit[]): string {
  const sentences = [...new Set(all.map(({ message }) => message))].map((reason) => {
    const same = all.filter(({ message }) => message === reason);
    const names = same.map(({ file }) => file);
    return `${together(names, NAMED_MAX)} ${same.length === 1 ? reason : same[0]?.many}`;
  });
  return sentences.join(" ");
}

const NAMED_MAX = 8;

const SIDES = [2048, 1600, 1280, 1024, 768, 512, 320];
const QUALITY = 0.85;
/** More than a page should decode for a chat. */
const FILE_BYTES_MAX = 64 << 20;

export async function pictureOf(file: File): Promise<Picture> {
  if (file.size > FILE_BYTES_MAX) {
    const most = `too large: pictures have at most ${size(FILE_BYTES_MAX)}.`;
    throw new Unfit(file.name, `is ${most}`, `are ${most}`);
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    const what = "that this browser can read. Take a PNG, JPEG, WebP, AVIF or GIF.";
    throw new Unfit(file.name, `is no picture ${what}`, `are no pictures ${what}`);
  }
  try {
    if (canShow(file.type) && isAnimated(bytes, file.type)) return asItIs(bytes, file, bitmap);
    return await drawn(bitmap, file);
  } finally {
    bitmap.close();
  }
}

/** One that moves would stand still if it were made smaller. */
function asItIs(bytes: Uint8Array<ArrayBuffer>, { name, type }: File, { width, height }: ImageBitmap): Picture {
  if (bytes.length > PICTURE_BYTES_MAX) {
    const fits = size(PICTURE_BYTES_MAX);
    throw new Unfit(
      name,
      `moves and has ${size(bytes.length)}, but a message takes ${fits}. It was not sent: a smaller copy would stand still. Make it shorter or smaller first.`,
    );
  }
  return { bytes, type, width, height, name };
}

/** As large as fits; what has no losses keeps none if it fits so. */
async function drawn(bitmap: ImageBitmap, file: File): Promise<Picture> {
  const types = file.type === "image/png" ? ["image/png", "image/webp", "image/jpeg"] : ["image/webp", "image/jpeg"];
  for (const side of SIDES) {
    const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
    const [width, height] = [bitmap.width, bitmap.height].map((length) => Math.max(1, Math.round(length * scale))) as [
      number,
      number,
    ];
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    if (!context)
      throw new Unfit(file.name, "could not be drawn: this browser has no room. Close other tabs, then try again.");
    context.drawImage(bitmap, 0, 0, width, height);
    for (const type of types) {
      if (type === "image/jpeg") onWhite(context, width, height);
      const blob = await canvas.convertToBlob({ type, quality: QUALITY });
      // A browser that cannot write a type writes another.
      if (blob.type !== type || blob.size > PICTURE_BYTES_MAX) continue;
      return { bytes: new Uint8Array(await blob.arrayBuffer()), type, width, height, name: file.name };
    }
  }
  throw new Unfit(file.name, "could not be made small enough for a message.");
}

/** A JPEG has nothing to see through: what would be black then is white. */
function onWhite(context: OffscreenCanvasRenderingContext2D, width: number, height: number): void {
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
}
