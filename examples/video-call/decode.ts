// Decodes what another person sends through the proxy.

import type { Chunk, Colours } from "./chunk.ts";
import { Gate } from "./gate.ts";

/** So many chunks in the decoder, and it does not keep up: the rest up to the next key frame is passed over. */
const QUEUE_MAX = 10;
/** How often a key frame is asked for while one is waited for. */
const ASK_EVERY_MS = 500;

/** The picture of a camera or a screen. */
export class VideoDecoding {
  /** Frames that were decoded. */
  frames = 0;
  readonly #gate = new Gate();
  readonly #show: (frame: VideoFrame) => void;
  readonly #askForKey: () => void;
  #decoder: VideoDecoder | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;

  /** `show` is given each frame, which is closed afterwards. */
  constructor(show: (frame: VideoFrame) => void, askForKey: () => void) {
    this.#show = show;
    this.#askForKey = askForKey;
  }

  take(chunk: Chunk): void {
    if (this.#decoder && this.#decoder.decodeQueueSize > QUEUE_MAX) this.#gate.close();
    if (!this.#gate.passes(chunk)) return this.#ask();
    const { isKey, time: timestamp, colours, data } = chunk;
    this.#decoder ??= this.#start();
    if (isKey) this.#decoder.configure(configOf(colours));
    this.#decoder.decode(new EncodedVideoChunk({ type: isKey ? "key" : "delta", timestamp, data }));
  }

  close(): void {
    if (this.#decoder?.state === "configured") this.#decoder.close();
    this.#decoder = undefined;
  }

  #ask(): void {
    const now = performance.now();
    if (now - this.#askedAt < ASK_EVERY_MS) return;
    this.#askedAt = now;
    this.#askForKey();
  }

  #start(): VideoDecoder {
    const decoder = new VideoDecoder({
      output: (frame) => {
        this.frames++;
        try {
          this.#show(frame);
        } finally {
          frame.close();
        }
      },
      // What it cannot decode closes it: another one begins with the next key frame.
      error: () => {
        if (this.#decoder === decoder) this.#decoder = undefined;
        this.#gate.close();
      },
    });
    return decoder;
  }
}

function configOf({ isFull, isBt709 }: Colours): VideoDecoderConfig {
  const space = isBt709 ? "bt709" : "smpte170m";
  const colorSpace = { fullRange: isFull, matrix: space, primaries: space, transfer: space } as const;
  return { codec: "vp8", optimizeForLatency: true, colorSpace };
}

/** The sound of a microphone: each stretch can be decoded by itself, and what is missing is not heard. */
export class AudioDecoding {
  readonly #play: (data: AudioData) => void;
  #decoder: AudioDecoder | undefined;

  /** `play` closes what it is given. */
  constructor(play: (data: AudioData) => void) {
    this.#play = play;
  }

  take({ time: timestamp, data }: Chunk): void {
    this.#decoder ??= this.#start();
    this.#decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data }));
  }

  close(): void {
    if (this.#decoder?.state === "configured") this.#decoder.close();
    this.#decoder = undefined;
  }

  #start(): AudioDecoder {
    const decoder = new AudioDecoder({
      output: this.#play,
      error: () => {
        if (this.#decoder === decoder) this.#decoder = undefined;
      },
    });
    decoder.configure({ codec: "opus", sampleRate: 48_000, numberOfChannels: 1 });
    return decoder;
  }
}
