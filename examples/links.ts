// A text whose addresses can be followed. Everything else of it stays text.

const ADDRESS = /\bhttps?:\/\/[^\s<>"“”]+/gi;
/** What ends a sentence ends no address. */
const BEHIND = /[.,;:!?'…]+$/;

export function withLinks(text: string): (Node | string)[] {
  const parts: (Node | string)[] = [];
  let at = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = whole(found);
    if (!URL.canParse(address)) continue;
    parts.push(text.slice(at, index), link(address));
    at = index + address.length;
  }
  parts.push(text.slice(at));
  return parts;
}

/** Without what stands behind it: a full stop, or a bracket that was opened before it. */
function whole(found: string): string {
  const address = found.replace(BEHIND, "");
  const isOpen = address.endsWith(")") && !address.includes("(");
  return isOpen ? whole(address.slice(0, -1)) : address;
}

function link(address: string): HTMLAnchorElement {
  const made = document.createElement("a");
  made.textContent = address;
  made.href = address;
  made.target = "_blank";
  made.rel = "noopener noreferrer nofollow";
  return made;
}
