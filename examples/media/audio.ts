// Sound through WebAudio: each stretch that came is set to begin where the one before it ends.

import { Wave } from "./wave.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Seconds that are fetched ahead of what is heard. */
const AHEAD = 3;
/** Seconds between what comes and what is heard first: small gaps between two chunks are not heard. */
const START = 0.15;

export async function playAudio(
  section: HTMLElement,
  arriving: ReadableStream<Bytes>,
  signal: AbortSignal,
): Promise<void> {
  const context = new AudioContext();
  const loudness = new AnalyserNode(context);
  loudness.connect(context.destination);
  const stopMeter = meter(section.querySelector("meter") as HTMLMeterElement, loudness);
  const wave = new Wave();
  let end = 0;
  try {
    await context.resume();
    for await (const chunk of arriving) {
      const stretch = wave.push(chunk);
      if (!stretch || !wave.format) continue;
      const frames = stretch[0]?.length ?? 0;
      const buffer = context.createBuffer(stretch.length, frames, wave.format.rate);
      stretch.forEach((samples, channel) => {
        buffer.copyToChannel(samples, channel);
      });
      end = Math.max(end, context.currentTime + START);
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(loudness);
      source.start(end);
      end += buffer.duration;
      section.dataset.seconds = end.toFixed(2);
      await until(context, end - AHEAD, signal);
    }
    await until(context, end, signal);
  } finally {
    stopMeter();
    await context.close();
  }
}

/** Waits until the sound is there; the page's clock only says when to look. */
async function until(context: AudioContext, time: number, signal: AbortSignal): Promise<void> {
  while (context.currentTime < time) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, Math.min(1000 * (time - context.currentTime), 100)));
  }
  signal.throwIfAborted();
}

/** Shows how loud it is, until it is stopped. */
function meter(element: HTMLMeterElement, loudness: AnalyserNode): () => void {
  const samples = new Float32Array(loudness.fftSize);
  const timer = setInterval(() => {
    loudness.getFloatTimeDomainData(samples);
    element.value = samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
  }, 50);
  return () => {
    clearInterval(timer);
    element.value = 0;
  };
}
