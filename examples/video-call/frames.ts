// The pictures of a track, one after the other.

/** Chromium's way to a track's frames; it goes on in a hidden tab. */
type Processor = new (init: {
  track: MediaStreamTrack;
  maxBufferSize?: number;
}) => {
  readonly readable: ReadableStream<VideoFrame>;
};

/** Hands each frame to `take`, and closes it afterwards, until the track ends or the signal aborts. */
export async function eachFrame(
  track: MediaStreamTrack,
  signal: AbortSignal,
  take: (frame: VideoFrame) => void,
): Promise<void> {
  const { MediaStreamTrackProcessor } = globalThis as { MediaStreamTrackProcessor?: Processor };
  if (!MediaStreamTrackProcessor) return shown(track, signal, take);
  const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 2 }).readable.getReader();
  // Not cancelled while a frame is read: Chromium would make one that nobody is given, and nobody closes.
  try {
    while (!signal.aborted) {
      const { done, value } = await reader.read();
      if (done) return;
      handOver(value, signal, take);
    }
  } finally {
    await reader.cancel();
  }
}

/** Where a browser has no such way: what a video element shows, as long as it is shown. */
function shown(track: MediaStreamTrack, signal: AbortSignal, take: (frame: VideoFrame) => void): Promise<void> {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = new MediaStream([track]);
  return new Promise((resolve) => {
    const stop = () => {
      video.srcObject = null;
      resolve();
    };
    const next = (now: number) => {
      if (signal.aborted) return;
      handOver(new VideoFrame(video, { timestamp: Math.round(now * 1000) }), signal, take);
      video.requestVideoFrameCallback(next);
    };
    signal.addEventListener("abort", stop);
    track.addEventListener("ended", stop);
    video.requestVideoFrameCallback(next);
    // It is muted and muted ones may always play; where it does not all the same, no frame comes.
    void video.play().catch(stop);
  });
}

/** Whatever becomes of a frame, it is closed: a camera has only a few. */
function handOver(frame: VideoFrame, signal: AbortSignal, take: (frame: VideoFrame) => void): void {
  try {
    if (!signal.aborted) take(frame);
  } finally {
    frame.close();
  }
}
