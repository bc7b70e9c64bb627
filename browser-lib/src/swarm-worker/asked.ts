// What a request wants: `swarm/ID` below the scope, with `type`, `origin` (any number) and `manifest`.

/** A content, and how it is to be shown. */
export interface Asked {
  readonly id: string;
  readonly origins: readonly string[];
  readonly manifest: string | undefined;
  /** One that runs nothing, whoever made up the address. */
  readonly type: string;
}

const UNKNOWN = "application/octet-stream";
/** SVG is among them: where it could run what is in it the policy of the answer keeps it from that. */
const HARMLESS =
  /^(?:(?:image|video|audio|font)\/[\w.+-]+|text\/plain|application\/pdf)(?:; ?(?:charset|codecs)=[\w.,"\- ]+)?$/i;
/** What takes an answer for code, or for rules of the page. */
const CODE = [
  "audioworklet",
  "json",
  "paintworklet",
  "script",
  "serviceworker",
  "sharedworker",
  "style",
  "worker",
  "xslt",
];

/** Nothing where the request is not for us. */
export function askedOf(url: string, scope: string): Asked | undefined {
  const { pathname, origin, searchParams } = new URL(url);
  const base = new URL("swarm/", scope);
  const id = pathname.startsWith(base.pathname) ? pathname.slice(base.pathname.length) : "";
  if (origin !== base.origin || !/^[0-9a-f]{64}$/.test(id)) return undefined;
  const [manifest] = addresses(searchParams.getAll("manifest"), scope);
  return {
    id,
    origins: addresses(searchParams.getAll("origin"), scope),
    manifest,
    type: harmless(searchParams.get("type")),
  };
}

/** Whether what asks would run what comes. */
export function isCode(destination: string): boolean {
  return CODE.includes(destination);
}

function harmless(type: string | null): string {
  return type !== null && HARMLESS.test(type) ? type : UNKNOWN;
}

function addresses(said: readonly string[], scope: string): string[] {
  return said.flatMap((text) => {
    const url = URL.canParse(text, scope) ? new URL(text, scope) : undefined;
    return url && /^https?:$/.test(url.protocol) ? [url.href] : [];
  });
}
