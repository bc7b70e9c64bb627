// Plays sound that comes in stretches, each set to begin where the one before it ends.

/** Seconds between what comes and what is heard first: small gaps between two stretches are not heard. */
const START = 0.1;
/** More than this waits to be heard, and what comes is passed over: a call is live. */
const AHEAD_MAX = 0.5;

export class Playback {
  /** What is heard, for who measures it. */
  readonly output: GainNode;
  readonly #context: AudioContext;
  #end = 0;

  constructor(context: AudioContext) {
    this.#context = context;
    this.output = new GainNode(context);
    this.output.connect(context.destination);
  }

  play(data: AudioData): void {
    const { currentTime } = this.#context;
    const isLate = this.#end < currentTime;
    if (this.#end - currentTime <= AHEAD_MAX) {
      const start = isLate ? currentTime + START : this.#end;
      const source = new AudioBufferSourceNode(this.#context, { buffer: bufferOf(data) });
      source.connect(this.output);
      source.start(start);
      this.#end = start + data.numberOfFrames / data.sampleRate;
    }
    data.close();
  }

  close(): void {
    this.output.disconnect(this.#context.destination);
  }
}

function bufferOf(data: AudioData): AudioBuffer {
  const { numberOfChannels, numberOfFrames: length, sampleRate } = data;
  const buffer = new AudioBuffer({ numberOfChannels, length, sampleRate });
  for (let channel = 0; channel < numberOfChannels; channel++) {
    const samples = new Float32Array(length);
    data.copyTo(samples, { planeIndex: channel, format: "f32-planar" });
    buffer.copyToChannel(samples, channel);
  }
  return buffer;
}
