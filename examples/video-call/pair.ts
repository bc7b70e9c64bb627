// The direct connection to one person: from the first attempt, over as many as it takes, until that person or we leave.

import { Negotiation } from "browser-stream-server/negotiation";
import type { Source } from "./chunk.ts";
import { Line, type Message } from "./line.ts";
import type { Tracks } from "./tracks.ts";
import { type Totals, totalsOf } from "./traffic.ts";

/** How what that person sends comes: it is looked for a direct way, there is one, or there is none. */
export type Way = "connecting" | "direct" | "proxy";

export interface PairHooks {
  /** Where the other side's `hear` is. */
  signal(attempt: number, note: string, value: unknown): void;
  /** How connections are made now. */
  config(): RTCConfiguration;
  /** What is sent. */
  readonly tracks: Tracks;
  /** The streams that the tracks belong to at the other side. */
  readonly streams: Record<"camera" | "screen", MediaStream>;
  /** Whether a stream of the other side has its screen. */
  isScreen(stream: string): boolean;
  heard(message: Message): void;
  throughRoom(message: Message): void;
  /** The way, or what comes, is another. */
  changed(): void;
}

/** What can be opened is open by then; until another attempt nobody waits for a picture. */
const OPEN_MS = 4000;
/** A path that breaks off may be back by itself. */
const BREAK_MS = 1000;
/** A new attempt, while there is no path; each wait is twice the one before. */
const AGAIN_MS = 15_000;
const AGAIN_MAX_MS = 120_000;

export class Pair {
  /** What comes directly. */
  readonly camera = new MediaStream();
  readonly screen = new MediaStream();
  readonly line: Line;
  way: Way = "connecting";
  readonly #hooks: PairHooks;
  readonly #isPolite: boolean;
  readonly #outgoing = new Map<Source, RTCRtpTransceiver>();
  #pc!: RTCPeerConnection;
  #negotiation!: Negotiation;
  /** Counts the attempts, of both sides. */
  #attempt = 0;
  #bits: number | undefined;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #againMs = AGAIN_MS;
  #isClosed = false;

  constructor(isPolite: boolean, hooks: PairHooks) {
    this.#isPolite = isPolite;
    this.#hooks = hooks;
    this.line = new Line(hooks.heard, hooks.throughRoom);
    this.#begin(1);
  }

  /** What the other side said about an attempt: of one before ours nothing counts any more, one after ours is begun here, too. */
  hear(attempt: unknown, note: unknown, value: unknown): void {
    if (this.#isClosed || !Number.isSafeInteger(attempt)) return;
    if ((attempt as number) > this.#attempt) this.#begin(attempt as number);
    if (attempt === this.#attempt) this.#negotiation.hear(String(note), value);
  }

  /** Connects anew, as connections are made now. */
  again(): void {
    if (!this.#isClosed) this.#begin(this.#attempt + 1);
  }

  /** A source has another track now, or none. Another track in the place of one needs no negotiation; the first screen does. */
  send(source: Source): void {
    const track = this.#hooks.tracks[source] ?? null;
    const transceiver = this.#outgoing.get(source);
    if (!transceiver) {
      if (track) this.#add(source, track);
      return;
    }
    // It rejects where the connection was closed meanwhile, which nobody needs to hear.
    transceiver.sender.replaceTrack(track).catch(() => {});
    if (source === "screen") transceiver.direction = track ? "sendonly" : "inactive";
  }

  /** How much one's camera may take, in bits per second. */
  limit(bits: number): void {
    this.#bits = bits;
    const sender = this.#outgoing.get("camera")?.sender;
    const parameters = sender?.getParameters();
    const [encoding] = parameters?.encodings ?? [];
    if (!sender || !parameters || !encoding || encoding.maxBitrate === bits) return;
    encoding.maxBitrate = bits;
    // As above.
    sender.setParameters(parameters).catch(() => {});
  }

  async totals(): Promise<Totals> {
    const report = await this.#pc.getStats();
    return totalsOf(report.values());
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#patience);
    clearTimeout(this.#again);
    this.#pc.close();
  }

  #begin(attempt: number): void {
    this.#attempt = attempt;
    this.#pc?.close();
    this.#outgoing.clear();
    const pc = new RTCPeerConnection(this.#hooks.config());
    this.#pc = pc;
    this.#negotiation = new Negotiation(pc, {
      isPolite: this.#isPolite,
      media: true,
      say: (note, value) => this.#hooks.signal(attempt, note, value),
      failed: () => pc === this.#pc && this.#miss(),
    });
    pc.ontrack = ({ track, streams: [stream] }) => pc === this.#pc && this.#take(track, stream?.id ?? "");
    pc.onconnectionstatechange = () => pc === this.#pc && this.#look(pc.connectionState);
    this.line.use(pc.createDataChannel("chat", { negotiated: true, id: 0 }));
    // They are there from the start, with or without a track: switching one on, off or over needs no negotiation.
    for (const source of ["microphone", "camera"] as const) this.#add(source, this.#hooks.tracks[source]);
    if (this.#hooks.tracks.screen) this.#add("screen", this.#hooks.tracks.screen);
    if (this.#bits) this.limit(this.#bits);
    // Who had a direct way has none now, and is not made to wait.
    this.#turn(this.way === "direct" ? "proxy" : this.way);
    this.#wait(OPEN_MS);
  }

  #add(source: Source, track: MediaStreamTrack | undefined): void {
    const kind = source === "microphone" ? "audio" : "video";
    const stream = this.#hooks.streams[source === "screen" ? "screen" : "camera"];
    const transceiver = this.#pc.addTransceiver(track ?? kind, { direction: "sendonly", streams: [stream] });
    this.#outgoing.set(source, transceiver);
  }

  #take(track: MediaStreamTrack, stream: string): void {
    const into = this.#hooks.isScreen(stream) ? this.screen : this.camera;
    for (const old of into.getTracks()) if (old.kind === track.kind && old !== track) into.removeTrack(old);
    into.addTrack(track);
    this.#hooks.changed();
  }

  #look(state: RTCPeerConnectionState): void {
    if (state === "connected") {
      clearTimeout(this.#patience);
      clearTimeout(this.#again);
      this.#againMs = AGAIN_MS;
      this.#turn("direct");
    } else if (state === "disconnected") this.#wait(BREAK_MS);
    else if (state === "failed" || state === "closed") this.#miss();
  }

  #wait(ms: number): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#miss(), ms);
  }

  /** There is no path, at least not now. */
  #miss(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#patience);
    clearTimeout(this.#again);
    this.line.flush();
    this.#turn("proxy");
    // One of the two tries again, and the other with it.
    if (this.#isPolite) return;
    this.#again = setTimeout(() => this.again(), this.#againMs);
    this.#againMs = Math.min(AGAIN_MAX_MS, 2 * this.#againMs);
  }

  #turn(way: Way): void {
    if (way === this.way) return;
    this.way = way;
    this.#hooks.changed();
  }
}
