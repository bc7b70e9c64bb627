// Sizes and times for people.

const UNITS = ["bytes", "KB", "MB", "GB", "TB"];

export function size(bytes: number): string {
  if (bytes === 1) return "1 byte";
  let unit = 0;
  let number = bytes;
  for (; number >= 1000 && unit < UNITS.length - 1; unit++) number /= 1000;
  return `${number.toFixed(unit === 0 || number >= 100 ? 0 : 1)} ${UNITS[unit]}`;
}

export function timeLeft(seconds: number): string {
  if (seconds < 1) return "less than a second left";
  if (seconds < 100) return `${Math.ceil(seconds)} s left`;
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} minutes left`;
  return `${(seconds / 3600).toFixed(1)} hours left`;
}
