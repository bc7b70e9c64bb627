// What a member of the call says of itself: its profile in the room. Anybody may say anything, so what is none of it is left out.

export interface Person {
  readonly name: string;
  readonly camera: boolean;
  readonly microphone: boolean;
  readonly screen: boolean;
  /** The id of the stream that has its screen, to tell that from the one with its camera. */
  readonly screenStream: string;
}

/** No longer than a tile is wide. */
export const NAME_MAX = 40;

export function personOf(profile: unknown): Person {
  const said = (Object(profile) === profile ? profile : {}) as Record<string, unknown>;
  const name = typeof said.name === "string" ? said.name.replace(/\s+/g, " ").trim() : "";
  return {
    name: Array.from(name).slice(0, NAME_MAX).join("") || "Guest",
    camera: said.camera === true,
    microphone: said.microphone === true,
    screen: said.screen === true,
    screenStream: typeof said.screenStream === "string" ? said.screenStream : "",
  };
}

const characters = new Intl.Segmenter();

/** The first letters, or digits, of the first two words that have one, for who shows no picture. */
export function initialsOf(name: string): string {
  return name
    .split(" ")
    .map((word) =>
      Array.from(characters.segment(word), ({ segment }) => segment).find((one) => /^[\p{L}\p{N}]/u.test(one)),
    )
    .filter((initial) => initial !== undefined)
    .slice(0, 2)
    .join("")
    .toLocaleUpperCase();
}
