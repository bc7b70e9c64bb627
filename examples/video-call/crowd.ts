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

const SHAPE = `Beyond ${PEOPLE_MAX} a server in the middle that takes one copy and hands it to all (an SFU) is the right shape.`;

/** What is wrong with so many people in a mesh; nothing where nothing is. `sends`: a picture of ours is among what goes. */
export function warningOf(people: number, sends: boolean): string {
  if (people <= PEOPLE_MAX) return "";
  return (
    `${people} people are more than a mesh is good for: your picture ${sends ? "leaves" : "would leave"} this device ${people - 1} times, ` +
    `once for each of the others, and each person who joins adds one more to everybody’s upload. Pictures become smaller and worse. ${SHAPE}`
  );
}

/** What leaves now, in bits per second, in words; nothing where nothing does. */
export function uploadOf(up: number): string {
  return up > 0 ? `That is ${bits(up)} of upload now.` : "";
}

/** The same for who would be one more than `people`, and is not in the call yet. */
export function adviceOf(people: number): string {
  if (people < PEOPLE_MAX) return "";
  return (
    `${people} people are in this call. With you it is ${people + 1}, more than a mesh is good for: each picture leaves its device ${people} times, ` +
    `and all become smaller and worse. ${SHAPE} You can join all the same.`
  );
}
