// The room that the page's address names: behind the `#`, so that a link leads there.

const BYTES_MAX = 128;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}]/u;

/** The room's name, or nothing. */
export function roomInAddress(): string {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return location.hash.slice(1); // A lone % stands for itself.
  }
}

export function fragmentOf(room: string): string {
  return `#${encodeURIComponent(room)}`;
}

export function linkTo(room: string): string {
  return new URL(fragmentOf(room), location.href).href;
}

/** What is wrong with a name for a room, for people; empty if nothing is. */
export function problemWith(room: string): string {
  if (!room.trim()) return "A room needs a name.";
  if (room === "." || room === "..") return "“.” and “..” are no names: take another.";
  if (UNSEEN.test(room)) return "There is a character in this name that nobody sees: take another.";
  if (new TextEncoder().encode(room).length > BYTES_MAX)
    return `This name is too long: it may have ${BYTES_MAX} bytes.`;
  return "";
}
