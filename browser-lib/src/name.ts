// The name of a server: what may be one, and how it stands in a path (PROTOCOL.md, section 5).

import { demand } from "./options.ts";

const NAME_BYTES_MAX = 128;

/** Control characters, line separators, bidi controls, and what has no width: nobody sees them, or they change how neighbours look. */
const INVISIBLE =
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: each of them is refused on its own
  /[\p{Cc}\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}-\u{180f}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{3164}\u{fe00}-\u{fe0f}\u{feff}\u{ffa0}\u{fff9}-\u{fffb}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/u;

/** The path's segment for a name, which is put into NFC first. Throws `bad_request` where it can be none. */
export function nameSegment(name: string): string {
  demand(typeof name === "string", "a name is a string");
  const normal = name.normalize("NFC");
  // A surrogate without its other half has no UTF-8.
  const broken = /\p{Cs}/u.test(normal);
  const length = new TextEncoder().encode(normal).length;
  const isLong = length < 1 || length > NAME_BYTES_MAX;
  demand(
    !(broken || isLong || normal === "." || normal === ".." || INVISIBLE.test(normal)),
    `a name has 1 to ${NAME_BYTES_MAX} bytes of UTF-8 without control, bidi or zero-width characters, and is not . or ..`,
  );
  return encodeURIComponent(normal).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
