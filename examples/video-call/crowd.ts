// What a mesh costs: each person's picture leaves their device once for each of the others.

import { bits } from "./traffic.ts";

/** More than these, and a mesh is the wrong shape. */
export const PEOPLE_MAX = 6;
/** What all copies of one's camera may take of one's upload together, and one of them at most and at least, in bits per second. */
const UPLOAD = 4_000_000;
const BEST = 1_500_000;
const LEAST = 150_000;

/** Bits per second for one copy of one's camera, where so many people are in the call. */
export function bitsEach(people: number): number {
  return Math.round(Math.min(BEST, Math.max(LEAST, UPLOAD / Math.max(1, people - 1))));
}

/** What is wrong with so many people in a mesh; nothing where nothing is. `up`: bits per second that leave now. */
export function warningOf(people: number, up: number): string {
  if (people <= PEOPLE_MAX) return "";
  const copies = people - 1;
  const now = up > 0 ? ` That is ${bits(up)} of upload now.` : "";
  return (
    `${people} people are more than a mesh is good for: your picture leaves this device ${copies} times, once for each of the others, ` +
    `and each person who joins adds one more to everybody’s upload.${now} Pictures become smaller and worse. ` +
    `Beyond ${PEOPLE_MAX} a server in the middle that takes one copy and hands it to all (an SFU) is the right shape.`
  );
}
