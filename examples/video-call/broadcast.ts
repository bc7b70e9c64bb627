// What this device sends through the proxy, to all who have no direct way to it: one channel, which each of them reads.

import { type MuxDemux, StreamError } from "browser-stream-server";
import { Channel, type Publication } from "browser-stream-server/channel";
import type { Source } from "./chunk.ts";
import { type Encoding, encodeAudio, encodeVideo, type Outlet } from "./encode.ts";
import type { Tracks } from "./tracks.ts";

/** More bytes than these wait for the way to the proxy: it is behind. */
const WAITING_MAX = 256 * 1024;

export class Broadcast {
  /** Bytes that were sent. */
  sent = 0;
  readonly #mdm: MuxDemux;
  readonly #context: AudioContext;
  readonly #room: string;
  readonly #tracks: Tracks;
  readonly #watchers = new Set<string>();
  readonly #encodings = new Map<Source, Encoding>();
  readonly #numbers = new Map<Source, number>();
  #publication: Publication | undefined;
  #name = "";
  #waiting = 0;

  /** Nothing is encoded before somebody is admitted. */
  constructor(mdm: MuxDemux, context: AudioContext, room: string, tracks: Tracks) {
    this.#mdm = mdm;
    this.#context = context;
    this.#room = room;
    this.#tracks = tracks;
  }

  /** How many watch through the proxy. */
  get watchers(): number {
    return this.#watchers.size;
  }

  /** A member watches from now on: the name of the channel that it subscribes to. Rejects `unsupported` where this browser cannot encode. */
  async admit(id: string): Promise<string> {
    if (!("VideoEncoder" in globalThis && "AudioEncoder" in globalThis))
      throw new StreamError("unsupported", "this browser cannot send pictures through the proxy");
    this.#watchers.add(id);
    this.#publication ??= this.#publish();
    const [publication, name] = [this.#publication, this.#name];
    await publication.opened;
    return name;
  }

  /** It watches no longer; behind the last one nothing is encoded any more. */
  dismiss(id: string): void {
    this.#watchers.delete(id);
    if (this.#watchers.size > 0) return;
    const publication = this.#publication;
    this.#over(publication);
    // A clean end, which a connection that is gone does not let through.
    publication?.end().catch(() => {});
  }

  /** A source has another track now, or none. */
  changed(source: Source): void {
    if (this.#publication) this.#encode(source);
  }

  /** Somebody waits for a key frame. */
  key(source: Source): void {
    this.#encodings.get(source)?.key();
  }

  close(): void {
    for (const id of [...this.#watchers]) this.dismiss(id);
  }

  #publish(): Publication {
    const random = crypto.getRandomValues(new Uint32Array(3));
    this.#name = `call-${this.#room}-${Array.from(random, (part) => part.toString(36)).join("")}`;
    const publication = Channel(this.#mdm).publish(this.#name, { policy: "drop" });
    this.#publication = publication;
    publication.on("came", () => {
      for (const encoding of this.#encodings.values()) encoding.key();
    });
    // Whoever still watches hears of it by its subscription, and asks again.
    publication.on("close", () => this.#over(publication));
    for (const source of ["microphone", "camera", "screen"] as const) this.#encode(source);
    return publication;
  }

  #over(publication: Publication | undefined): void {
    if (publication !== this.#publication) return;
    this.#publication = undefined;
    this.#watchers.clear();
    this.#waiting = 0;
    for (const encoding of this.#encodings.values()) encoding.stop();
    this.#encodings.clear();
  }

  #encode(source: Source): void {
    this.#encodings.get(source)?.stop();
    this.#encodings.delete(source);
    const track = this.#tracks[source];
    const publication = this.#publication;
    if (!track || !publication) return;
    const outlet = this.#outlet(publication);
    const encoding =
      source === "microphone" ? encodeAudio(track, this.#context, outlet) : encodeVideo(source, track, outlet);
    this.#encodings.set(source, encoding);
  }

  #outlet(publication: Publication): Outlet {
    const isBehind = () => this.#waiting > WAITING_MAX;
    return {
      number: (source) => {
        const number = this.#numbers.get(source) ?? 0;
        this.#numbers.set(source, number + 1);
        return number;
      },
      send: (message) => {
        if (publication !== this.#publication) return;
        this.#waiting += message.length;
        this.sent += message.length;
        const left = () => {
          if (publication === this.#publication) this.#waiting -= message.length;
        };
        // What it fails with ends the publication, which is heard above.
        publication.send(message).then(left, left);
      },
      get isBehind() {
        return isBehind();
      },
      failed: (source, error) => {
        this.#encodings.get(source)?.stop();
        reportError(error);
      },
    };
  }
}
