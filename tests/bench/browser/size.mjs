/** The size of what is handed over at once, on both sides of every comparison. */

export const CHUNK = 64 * 1024;
export const MIB = 1024 * 1024;
