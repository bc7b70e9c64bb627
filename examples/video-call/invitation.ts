// Which call it is: the part of the address behind the #, which is what one passes on.

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH = 12;
/** What a call may be called: somebody may choose a name, and it becomes part of one at the proxy. */
const NAME = /^[\p{L}\p{N}_-]{1,60}$/u;

/** The call of this address. Without one, or with one that cannot be: a new one, which nobody guesses. */
export function readInvitation(hash: string): string {
  const name = decode(hash.slice(1));
  return NAME.test(name) ? name : makeName();
}

export function linkTo(room: string): string {
  return new URL(`#${encodeURIComponent(room)}`, location.href).href;
}

/** 60 random bits, as "h4k2-9xqd-7mwz". */
function makeName(): string {
  const random = crypto.getRandomValues(new Uint8Array(LENGTH));
  const plain = Array.from(random, (byte) => ALPHABET[byte % ALPHABET.length]).join("");
  return plain.replace(/.{4}(?=.)/g, "$&-");
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // A % that stands for nothing: no name of ours.
  }
}
