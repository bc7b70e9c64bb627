// What these pages say to each other in a room, and what of it is believed.
//
// "message" asks everybody in the room, and each answers once it has it; what came before, by its id, is answered and not shown again. "seen" tells a writer, and nobody else, up to which of its messages
// somebody has looked. "typing" is volatile: who is not there at that moment does not miss it.

export interface Picture {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly width: number;
  readonly height: number;
  readonly name: string;
}

export interface Said {
  /** The writer's own name for the message. */
  readonly id: string;
  readonly text: string;
  /** When it was written, by the writer's clock: see {@link writtenAt}. */
  readonly at?: number;
  readonly picture?: Picture;
}

/** What one event may carry is 1 MiB; the rest is for what stands beside the picture. */
export const PICTURE_BYTES_MAX = (1 << 20) - (64 << 10);
export const TEXT_MAX = 12_000;
const SIDE_MAX = 16_384;
const ID_MAX = 64;
/** No message is older as it comes than this: who was away comes back before, or its clock is wrong. */
const WRITTEN_MS = 5 * 60_000;

/** Types that a page shows as pictures, and that can do nothing but be looked at. */
const TYPES: readonly string[] = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"];

export function canShow(type: string): boolean {
  return TYPES.includes(type);
}

/** A message as somebody sent it, or nothing where it is none. */
export function readSaid(value: unknown): Said | undefined {
  if (!isRecord(value)) return undefined;
  const { id, text, at } = value;
  if (!isId(id) || typeof text !== "string" || text.length > TEXT_MAX) return undefined;
  const said = { id, text, ...(typeof at === "number" && Number.isFinite(at) && { at }) };
  if (value.picture === undefined) return text.trim() ? said : undefined;
  const picture = readPicture(value.picture);
  return picture && { ...said, picture };
}

/** When it was written, as far as that can be true of what came at `now`. */
export function writtenAt({ at = Infinity }: Said, now = Date.now()): number {
  return Math.min(now, Math.max(now - WRITTEN_MS, at));
}

export function isId(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= ID_MAX;
}

function readPicture(value: unknown): Picture | undefined {
  if (!isRecord(value)) return undefined;
  const { bytes, type, width, height, name } = value;
  if (!(bytes instanceof Uint8Array) || typeof type !== "string" || !canShow(type)) return undefined;
  if (!isSide(width) || !isSide(height) || typeof name !== "string") return undefined;
  return { bytes: new Uint8Array(bytes), type, width, height, name: name.slice(0, 255) };
}

function isSide(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= SIDE_MAX;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
