// A content that was asked for: its manifest and its bytes, from a page of the scope while there is one, and else from its origin.

import { StreamError } from "../error.ts";
import { Manifest } from "../swarm/manifest.ts";
import { fetchManifest, fetchPart, fetchWhole } from "./alone.ts";
import type { Asked } from "./asked.ts";
import { Line } from "./pages.ts";
import type { Part } from "./range.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Manifests that were known of late, by id: a video asks for one range after the other. */
const known = new Map<string, Manifest>();
const KNOWN_MAX = 64;

export class Content {
  readonly manifest: Manifest;
  readonly #asked: Asked;
  /** All of it, where it could only be had so. */
  readonly #whole: Blob | undefined;

  private constructor(asked: Asked, manifest: Manifest, whole?: Blob) {
    [this.#asked, this.manifest, this.#whole] = [asked, manifest, whole];
  }

  /** Throws why it cannot be had. */
  static async open(asked: Asked, signal: AbortSignal): Promise<Content> {
    const { id } = asked;
    const manifest = known.get(id) ?? (await fromPages(asked, signal)) ?? (await fetchManifest(asked, signal));
    const whole = manifest ? { manifest, blob: undefined } : await fetchWhole(asked, signal);
    known.delete(id);
    known.set(id, whole.manifest);
    for (const old of known.keys()) if (known.size > KNOWN_MAX) known.delete(old);
    return new Content(asked, whole.manifest, whole.blob);
  }

  /** A part of it. Each page is tried once; who goes in the middle hands over. */
  async *bytes({ first, last }: Part, signal: AbortSignal): AsyncGenerator<Bytes, void, undefined> {
    if (this.#whole) return yield new Uint8Array(await this.#whole.slice(first, last + 1).arrayBuffer());
    const tried = new Set<string>();
    let at = first;
    while (at <= last) {
      const line = await Line.first({ swarm: "read", ...wanted(this.#asked), first: at, last }, tried);
      if (!line) break;
      tried.add(line.client.id);
      try {
        for await (const bytes of line.bytes()) {
          at += bytes.length;
          yield bytes;
        }
      } catch {
        // Another page has it, or the origin.
        signal.throwIfAborted();
      }
    }
    if (at <= last) yield* fetchPart(this.#asked, this.manifest, { first: at, last }, signal);
  }
}

async function fromPages(asked: Asked, signal: AbortSignal): Promise<Manifest | undefined> {
  const tried = new Set<string>();
  while (true) {
    const line = await Line.first({ swarm: "open", ...wanted(asked) }, tried);
    if (!line) return undefined;
    tried.add(line.client.id);
    try {
      const said = await line.more();
      if (said.is !== "opened") throw new StreamError("internal", `a page said ${said.is}`);
      return Manifest.read(said.manifest);
    } catch {
      // Another page may know it.
      signal.throwIfAborted();
    } finally {
      line.leave();
    }
  }
}

function wanted({ id, origins, manifest }: Asked): Pick<Asked, "id" | "origins" | "manifest"> {
  return { id, origins, manifest };
}
