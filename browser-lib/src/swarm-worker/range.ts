// Which bytes a request wants (RFC 9110, section 14).

export interface Part {
  readonly first: number;
  /** The last of them. */
  readonly last: number;
}

/** Of a content of that size. All of it where nothing, several ranges or nonsense is asked for, or another content is meant; nothing where it has no such bytes. */
export function partOf(headers: Headers, size: number, etag: string): Part | "whole" | undefined {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(headers.get("range") ?? "") ?? [];
  const condition = headers.get("if-range");
  if ((from === "" && to === "") || (condition !== null && condition !== etag)) return "whole";
  if (from === "") {
    const first = Math.max(0, size - Number(to));
    return first < size ? { first, last: size - 1 } : undefined;
  }
  const [first, last] = [Number(from), to === "" ? size - 1 : Math.min(Number(to), size - 1)];
  if (to !== "" && Number(to) < first) return "whole";
  return first < size ? { first, last } : undefined;
}
