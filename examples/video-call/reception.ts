// What comes from one person through the proxy, from when it is wanted until it is not any more.

import { type MuxDemux, StreamError } from "browser-stream-server";
import { Channel } from "browser-stream-server/channel";
import { readChunk, type Source } from "./chunk.ts";
import { AudioDecoding, VideoDecoding } from "./decode.ts";
import { Playback } from "./playback.ts";
import type { Totals } from "./traffic.ts";

export interface ReceptionHooks {
  /** Asks that person to send, and where. */
  ask(): Promise<string>;
  /** Asks it for a key frame. */
  key(source: Source): void;
  /** It cannot be had, in words; empty when it can again. */
  problem(text: string): void;
}

/** Between one attempt that failed and the next; longer where that person's browser cannot. */
const AGAIN_MS = 1000;
const UNABLE_MS = 30_000;

export class Reception {
  /** Where its pictures are painted. */
  readonly canvases = { camera: document.createElement("canvas"), screen: document.createElement("canvas") };
  readonly #mdm: MuxDemux;
  readonly #hooks: ReceptionHooks;
  readonly #over = new AbortController();
  readonly #playback: Playback;
  readonly #sound: AudioDecoding;
  readonly #pictures: Record<"camera" | "screen", VideoDecoding>;
  #received = 0;
  #came = 0;
  #missing = 0;

  constructor(mdm: MuxDemux, context: AudioContext, hooks: ReceptionHooks) {
    this.#mdm = mdm;
    this.#hooks = hooks;
    this.#playback = new Playback(context);
    this.#sound = new AudioDecoding((data) => this.#playback.play(data));
    const picture = (source: "camera" | "screen") =>
      new VideoDecoding(
        (frame) => paint(frame, this.canvases[source]),
        () => hooks.key(source),
      );
    this.#pictures = { camera: picture("camera"), screen: picture("screen") };
    void this.#run(this.#over.signal);
  }

  /** What is heard of that person. */
  get output(): AudioNode {
    return this.#playback.output;
  }

  get totals(): Totals {
    const frames = this.#pictures.camera.frames + this.#pictures.screen.frames;
    return { received: this.#received, sent: 0, came: this.#came, missing: this.#missing, frames, heard: this.#came };
  }

  close(): void {
    this.#over.abort();
    this.#playback.close();
    this.#sound.close();
    this.#pictures.camera.close();
    this.#pictures.screen.close();
  }

  /** Watches; what ends (a connection that broke, at either side) begins anew. */
  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let isUnable = false;
      try {
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        const { code } = StreamError.from(error);
        isUnable = code === "unsupported";
        this.#hooks.problem(isUnable ? "That browser cannot send through the proxy" : "");
        if (code === "internal") reportError(error);
      }
      await new Promise((resolve) => setTimeout(resolve, isUnable ? UNABLE_MS : AGAIN_MS));
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const name = await this.#hooks.ask();
    if (signal.aborted) return;
    const subscription = Channel(this.#mdm).subscribe(name, { signal });
    subscription.on("skipped", (messages) => {
      this.#missing += messages;
    });
    for await (const { data } of subscription.whole()) {
      this.#hooks.problem("");
      this.#take(data);
    }
  }

  #take(message: Uint8Array<ArrayBuffer>): void {
    if (this.#over.signal.aborted) return;
    this.#came++;
    this.#received += message.length;
    const chunk = readChunk(message);
    if (chunk?.source === "microphone") this.#sound.take(chunk);
    else if (chunk) this.#pictures[chunk.source].take(chunk);
  }
}

function paint(frame: VideoFrame, canvas: HTMLCanvasElement): void {
  if (document.hidden) return;
  const { displayWidth: width, displayHeight: height } = frame;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d")?.drawImage(frame, 0, 0, width, height);
}
