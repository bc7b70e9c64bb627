// Hears how loud a track, or what is played, is.

import { loudnessOf, Speech } from "./speech.ts";

/** 170 ms at 48 kHz. Whoever asks every 100 ms misses nothing of what is heard, though it comes late. */
const SAMPLES = 8192;

export class Ear {
  readonly #context: AudioContext;
  readonly #analyser: AnalyserNode;
  readonly #samples = new Float32Array(SAMPLES);
  readonly #speech = new Speech();
  #heard: AudioNode | MediaStreamTrack | undefined;
  #source: AudioNode | undefined;

  constructor(context: AudioContext) {
    this.#context = context;
    this.#analyser = new AnalyserNode(context, { fftSize: SAMPLES });
  }

  /** Listens to this from now on, or to nothing. */
  listen(heard: AudioNode | MediaStreamTrack | undefined): void {
    if (heard === this.#heard) return;
    this.#heard = heard;
    this.#source?.disconnect(this.#analyser);
    const isTrack = heard instanceof MediaStreamTrack;
    const mediaStream = isTrack && new MediaStream([heard]);
    this.#source = mediaStream ? new MediaStreamAudioSourceNode(this.#context, { mediaStream }) : (heard as AudioNode);
    this.#source?.connect(this.#analyser);
  }

  /** 0 to 1. */
  get loudness(): number {
    if (!this.#source) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    return loudnessOf(this.#samples);
  }

  get hearsSpeech(): boolean {
    return this.#speech.hear(this.loudness, performance.now());
  }
}
