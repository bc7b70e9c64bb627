// A video through MediaSource: it plays as soon as its first second is there.

type Bytes = Uint8Array<ArrayBuffer>;

const TYPE = 'video/webm; codecs="vp8,opus"';
/** Seconds that are fetched ahead of what is seen. */
const AHEAD = 20;

export async function playVideo(
  section: HTMLElement,
  arriving: ReadableStream<Bytes>,
  signal: AbortSignal,
): Promise<void> {
  if (!("MediaSource" in globalThis && MediaSource.isTypeSupported(TYPE))) {
    throw new Error("This browser cannot play such a video while it arrives.");
  }
  const video = section.querySelector("video") as HTMLVideoElement;
  const media = new MediaSource();
  const url = URL.createObjectURL(media);
  video.src = url;
  try {
    await once(media, "sourceopen", signal);
    const buffer = media.addSourceBuffer(TYPE);
    // A page that may not play with sound by itself still shows the first picture, and its controls.
    void video.play().catch(() => {});
    for await (const chunk of arriving) {
      while (ahead(video) > AHEAD) await once(video, "timeupdate", signal);
      buffer.appendBuffer(chunk);
      await once(buffer, "updateend", signal);
    }
    media.endOfStream();
    if (!video.ended) await once(video, "ended", signal);
  } finally {
    URL.revokeObjectURL(url);
    if (signal.aborted) {
      video.removeAttribute("src");
      video.load();
    }
  }
}

/** Seconds that are there and were not seen yet. */
function ahead({ buffered, currentTime }: HTMLVideoElement): number {
  return buffered.length > 0 ? buffered.end(buffered.length - 1) - currentTime : 0;
}

/** The next event of that kind; rejects when the signal aborts, or with the target's "error". */
function once(target: EventTarget, event: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const over = new AbortController();
    const settle = (action: () => void) => () => {
      over.abort();
      action();
    };
    const listening = { signal: over.signal };
    target.addEventListener(event, settle(resolve), listening);
    target.addEventListener(
      "error",
      settle(() => reject(new Error("This video cannot be decoded."))),
      listening,
    );
    signal.addEventListener(
      "abort",
      settle(() => reject(signal.reason)),
      listening,
    );
  });
}
