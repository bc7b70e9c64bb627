// An image, painted as far as it has come where the browser can decode a part of one (ImageDecoder), else when it is whole.

type Bytes = Uint8Array<ArrayBuffer>;

const TYPE = "image/jpeg";

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
  if (!("ImageDecoder" in globalThis && (await ImageDecoder.isTypeSupported(TYPE)))) {
    const image = await createImageBitmap(await new Response(arriving, { headers: { "content-type": TYPE } }).blob());
    signal.throwIfAborted();
    paint.drawImage(image, 0, 0, canvas.width, canvas.height);
    return;
  }
  const decoder = new ImageDecoder({ data: arriving, type: TYPE });
  let paintings = 0;
  try {
    for (let isWhole = false; !isWhole; ) {
      // Resolves when there is more to see than the last time.
      const { image, complete } = await decoder.decode({ completeFramesOnly: false });
      paint.drawImage(image, 0, 0, canvas.width, canvas.height);
      image.close();
      isWhole = complete;
      section.dataset.paintings = `${++paintings}`;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof DOMException ? new Error("This image cannot be decoded.") : error;
  } finally {
    decoder.close();
  }
}
