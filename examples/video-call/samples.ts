// The sound of a track, in stretches of 20 ms.

const loaded = new WeakMap<AudioContext, Promise<void>>();

/** Hands each stretch of samples to `take`, at the context's rate, until the signal aborts. */
export async function eachStretch(
  context: AudioContext,
  track: MediaStreamTrack,
  signal: AbortSignal,
  take: (samples: Float32Array<ArrayBuffer>) => void,
): Promise<void> {
  await load(context);
  if (signal.aborted) return;
  const source = new MediaStreamAudioSourceNode(context, { mediaStream: new MediaStream([track]) });
  const samples = new AudioWorkletNode(context, "samples", { channelCount: 1, channelCountMode: "explicit" });
  samples.port.onmessage = ({ data }: MessageEvent<Float32Array<ArrayBuffer>>) => take(data);
  // It gives nothing out, but only what is connected runs.
  source.connect(samples).connect(context.destination);
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  samples.port.onmessage = null;
  source.disconnect();
  samples.disconnect();
}

/** What gathers them, once for each context; another time where it did not come. */
async function load(context: AudioContext): Promise<void> {
  const known = loaded.get(context);
  const loading = known ?? context.audioWorklet.addModule(new URL("samples.worker.js", import.meta.url).href);
  loaded.set(context, loading);
  await loading.catch((error) => {
    loaded.delete(context);
    throw error;
  });
}
