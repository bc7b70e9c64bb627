// The twenty pictures: hills under a sun, drawn from a number. Only what IEEE 754 prescribes to the last bit is computed with, so that every browser and Node draw the same bytes,
// and the ids in index.html hold wherever they are drawn.

import { png } from "./png.mjs";

export const PICTURES = 20;
const [WIDTH, HEIGHT] = [640, 480];
const SKY = 128; // colours from the zenith to the horizon
const RIDGES = 4;
const SHADES = 28; // of each ridge, from its crest down into the haze
const SUN = SKY + RIDGES * SHADES; // its colours stand behind all others
const SUN_SHADES = 8;

/**
 * Draws the picture of that number, from 1.
 *
 * @param {number} number
 * @returns {Uint8Array<ArrayBuffer>} a PNG
 */
export function picture(number) {
  const hue = (number * 47) % 360;
  const crests = Array.from({ length: RIDGES }, (_, ridge) => crest(number * 16 + ridge, ridge));
  const sun = { x: WIDTH * (0.15 + 0.7 * random(number, 1)), y: HEIGHT * (0.16 + 0.3 * random(number, 2)) };
  const radius = 26 + 30 * random(number, 3);
  const pixels = new Uint8Array(WIDTH * HEIGHT);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      // Grain: else a sky in so few colours would be one of stripes.
      const grain = random(y * WIDTH + x, number) - 0.5;
      pixels[y * WIDTH + x] = colour(x, y, grain);
    }
  }
  return png(WIDTH, HEIGHT, palette(hue), pixels);

  /** @param {number} x @param {number} y @param {number} grain */
  function colour(x, y, grain) {
    for (let ridge = RIDGES - 1; ridge >= 0; ridge--) {
      const below = y - /** @type {number} */ (crests[ridge]?.[x]);
      if (below < 0) continue;
      return SKY + ridge * SHADES + held(below / 6 + 2 * grain, SHADES);
    }
    const away = Math.sqrt((x - sun.x) * (x - sun.x) + (y - sun.y) * (y - sun.y));
    if (away < radius) return SUN + held((away / radius) * SUN_SHADES + grain, SUN_SHADES);
    // The sky is lighter about the sun.
    const glow = away < 6 * radius ? (1 - away / (6 * radius)) * (1 - away / (6 * radius)) : 0;
    return held((y / HEIGHT) * 150 + glow * 44 + 2 * grain, SKY);
  }
}

/** The height of a ridge at each column, the farthest first: slopes, and smaller ones upon them. @param {number} seed @param {number} ridge */
function crest(seed, ridge) {
  const rows = new Float64Array(WIDTH);
  for (let x = 0; x < WIDTH; x++) {
    let height = 0;
    for (const [across, share] of /** @type {[number, number][]} */ ([
      [210, 0.62],
      [83, 0.25],
      [29, 0.1],
      [7, 0.03],
    ]))
      height += share * slope(seed * 8 + across, x / across);
    rows[x] = HEIGHT * (0.42 + 0.15 * ridge + (0.5 - height) * (0.34 - 0.05 * ridge));
  }
  return rows;
}

/** From one random height to the next, without a bend in between. @param {number} seed @param {number} at */
function slope(seed, at) {
  const left = Math.floor(at);
  const part = at - left;
  const [from, to] = [random(seed, left), random(seed, left + 1)];
  return from + (to - from) * part * part * (3 - 2 * part);
}

/** @param {number} hue */
function palette(hue) {
  const colours = new Uint8Array(256 * 3);
  const put = (/** @type {number} */ at, /** @type {number[]} */ rgb) => colours.set(rgb, at * 3);
  for (let at = 0; at < SKY; at++) {
    const down = at / (SKY - 1);
    put(at, rgb(hue + 40 * down, 0.55 - 0.1 * down, 0.32 + 0.54 * down));
  }
  for (let ridge = 0; ridge < RIDGES; ridge++) {
    for (let shade = 0; shade < SHADES; shade++) {
      const near = ridge / (RIDGES - 1);
      const haze = shade / (SHADES - 1);
      put(SKY + ridge * SHADES + shade, rgb(hue + 150, 0.22 + 0.16 * near, 0.5 - 0.38 * near + 0.2 * haze));
    }
  }
  for (let at = 0; at < SUN_SHADES; at++) put(SUN + at, rgb(hue + 60, 0.9, 0.95 - 0.015 * at));
  return colours;
}

/** Red, green and blue of a hue in degrees, a saturation and a lightness. @param {number} hue @param {number} saturation @param {number} lightness */
function rgb(hue, saturation, lightness) {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  return [0, 8, 4].map((third) => {
    const at = (third + (hue % 360) / 30) % 12;
    return Math.round(255 * (lightness - reach * Math.max(-1, Math.min(at - 3, 9 - at, 1))));
  });
}

/** The nearest of so many, counted from 0. @param {number} value @param {number} many */
function held(value, many) {
  return Math.max(0, Math.min(many - 1, Math.floor(value)));
}

/** From 0 to 1, the same for the same two: what is hashed are whole numbers of 32 bits. @param {number} seed @param {number} at */
function random(seed, at) {
  let mixed = Math.imul(seed + 1, 0x9e37_79b1) ^ Math.imul(at + 1, 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b_3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a_2d39);
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
}
