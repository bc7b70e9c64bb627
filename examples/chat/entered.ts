// The rooms that this tab is in, kept so that it enters them again when it is loaded again.

const KEY = "browser-stream-server chat rooms";
const ROOMS_MAX = 32;

export interface Entered {
  readonly name: string;
  readonly isPublic: boolean;
}

export function keptRooms(): Entered[] {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter(isEntered).slice(0, ROOMS_MAX) : [];
  } catch {
    return []; // It is not what this page wrote: there is nothing to enter.
  }
}

export function keepRooms(rooms: readonly Entered[]): void {
  sessionStorage.setItem(KEY, JSON.stringify(rooms.map(({ name, isPublic }) => ({ name, isPublic }))));
}

function isEntered(value: unknown): value is Entered {
  const { name, isPublic } = Object(value) as Partial<Entered>;
  return typeof name === "string" && typeof isPublic === "boolean";
}
