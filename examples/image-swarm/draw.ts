// A tab that has no need of an origin: it draws the pictures itself, and gives them to whoever comes.

import type { Swarm } from "browser-stream-server/swarm";
import { PICTURES, picture } from "./picture.mjs";

/** Draws one after the other, and tells of each as soon as others can have it. */
export async function draw(swarm: Swarm, drawn: (number: number) => void): Promise<void> {
  for (let number = 1; number <= PICTURES; number++) {
    await swarm.seed(picture(number));
    drawn(number);
    // Somebody may want to scroll meanwhile.
    await new Promise((resolve) => setTimeout(resolve));
  }
}
