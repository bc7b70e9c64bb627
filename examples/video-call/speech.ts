// Who speaks: loud at once, quiet only after a while, as there are gaps between words.

/** Louder than the noise of a room; the square root of the mean square, where 1 is the loudest that there is. */
const LOUD = 0.015;
/** A gap between two words is shorter. */
const GAP_MS = 500;
/** So many samples are judged together: 21 ms at 48 kHz. */
const STRETCH = 1024;

export class Speech {
  #until = Number.NEGATIVE_INFINITY;

  /** Whether somebody speaks who is as loud as that now. */
  hear(loudness: number, now: number): boolean {
    if (loudness >= LOUD) this.#until = now + GAP_MS;
    return now < this.#until;
  }
}

/** How loud the loudest stretch of samples is: the square root of its mean square. A short sound counts in full. */
export function loudnessOf(samples: Float32Array): number {
  let loudest = 0;
  for (let at = 0; at < samples.length; at += STRETCH) {
    const stretch = samples.subarray(at, at + STRETCH);
    let sum = 0;
    for (const sample of stretch) sum += sample * sample;
    loudest = Math.max(loudest, sum / stretch.length);
  }
  return Math.sqrt(loudest);
}
