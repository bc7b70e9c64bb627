// Sizes, times and counts for people, always as wide as they may get.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

export function size(bytes: number): string {
  let unit = 0;
  let number = bytes;
  for (; number >= 999.5 && unit < UNITS.length - 1; unit++) number /= 1000;
  return `${number.toFixed(unit === 0 || number >= 99.95 ? 0 : 1)} ${UNITS[unit]}`;
}

export function rate(bytes: number): string {
  return `${size(bytes)}/s`;
}

const grouped = new Intl.NumberFormat("en");

export function count(number: number): string {
  return grouped.format(number);
}

/** How long something has been: its two largest units. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The time of day, as the clock on the wall says it. */
export function clock(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** A time that can be looked up in a log. */
export function moment(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, " UTC");
}
