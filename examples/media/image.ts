// An image, painted as far as it has come.

type Bytes = Uint8Array<ArrayBuffer>;

const TYPE = "image/jpeg";
/** So much more is there at each painting than at the one before. */
const STEP = 256 * 1024;

export async function showImage(
  section: HTMLElement,
  arriving: ReadableStream<Bytes>,
  signal: AbortSignal,
): Promise<void> {
  const canvas = section.querySelector("canvas") as HTMLCanvasElement;
  const paint = canvas.getContext("2d");
  if (!paint) throw new Error("This browser has no canvas.");
  paint.clearRect(0, 0, canvas.width, canvas.height);
  delete section.dataset.paintings;
  const parts: Bytes[] = [];
  let [fresh, paintings] = [0, 0];
  let painting: Promise<void> | undefined;

  const show = async (): Promise<void> => {
    fresh = 0;
    const image = await decoded(new Blob(parts, { type: TYPE }));
    signal.throwIfAborted();
    paint.drawImage(image, 0, 0, canvas.width, canvas.height);
    section.dataset.paintings = `${++paintings}`;
  };

  const reader = arriving.getReader();
  for (let next = await reader.read(); next.value; next = await reader.read()) {
    parts.push(next.value);
    fresh += next.value.length;
    if (fresh < STEP || painting) continue;
    // A browser that decodes no part of an image paints it when it is whole.
    painting = show().catch(() => {});
    void painting.then(() => {
      painting = undefined;
    });
  }
  await painting;
  await show();
}

/** Of an image that is cut the browser decodes what is there. */
async function decoded(blob: Blob): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await image.decode();
    return image;
  } catch {
    throw new Error("This image cannot be decoded.");
  } finally {
    URL.revokeObjectURL(image.src);
  }
}
