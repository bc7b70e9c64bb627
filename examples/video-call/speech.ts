// Who speaks: loud at once, quiet only after a while, as there are gaps between words.

/** Louder than the noise of a room; the square root of the mean square, where 1 is the loudest that there is. */
const LOUD = 0.015;
/** A gap between two words is shorter. */
const GAP_MS = 500;

export class Speech {
  #until = Number.NEGATIVE_INFINITY;

  /** Whether somebody speaks who is as loud as that now. */
  hear(loudness: number, now: number): boolean {
    if (loudness >= LOUD) this.#until = now + GAP_MS;
    return now < this.#until;
  }
}

/** How loud samples are: the square root of their mean square. */
export function loudnessOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / Math.max(1, samples.length));
}
