// What both tabs say of a picture.

export const BYTES_MAX = 32 << 20;

export interface Picture {
  readonly name: string;
  readonly type: string;
  readonly size: number;
}

/** The picture that the other tab announces; nothing if that is none. Its word alone: what comes may differ. */
export function pictureOf(meta: unknown): Picture | undefined {
  const { name, type, size } = (meta ?? {}) as Partial<Record<keyof Picture, unknown>>;
  const isPicture = typeof type === "string" && /^image\/(?!svg)[\w.+-]+$/.test(type);
  if (!isPicture || typeof name !== "string" || typeof size !== "number" || size > BYTES_MAX) return undefined;
  return { name: name.slice(0, 200), type, size };
}

export function inWords(bytes: number): string {
  return bytes < 1 << 20 ? `${Math.max(1, Math.round(bytes / 1024))} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}
