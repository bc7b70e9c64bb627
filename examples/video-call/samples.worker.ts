// Gathers what a microphone gives into stretches of 20 ms. It runs beside the page, in an audio worklet, so that no work of the page's leaves a gap.

declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

const STRETCH_SECONDS = 0.02;

class Samples extends AudioWorkletProcessor {
  #stretch = new Float32Array(Math.round(sampleRate * STRETCH_SECONDS));
  #filled = 0;

  process([input]: Float32Array[][]): boolean {
    let samples = input?.[0];
    while (samples && samples.length > 0) {
      const part = samples.subarray(0, this.#stretch.length - this.#filled);
      this.#stretch.set(part, this.#filled);
      this.#filled += part.length;
      samples = samples.subarray(part.length);
      if (this.#filled === this.#stretch.length) this.#pass();
    }
    return true;
  }

  #pass(): void {
    const stretch = this.#stretch;
    this.#stretch = new Float32Array(stretch.length);
    this.#filled = 0;
    this.port.postMessage(stretch, [stretch.buffer]);
  }
}

registerProcessor("samples", Samples);

export {};
