// Encodes a track for the proxy's way: VP8 and Opus, chunk by chunk.

import { type Chunk, type Colours, type Source, writeChunk } from "./chunk.ts";
import { eachFrame } from "./frames.ts";
import { eachStretch } from "./samples.ts";

/** Where messages go. */
export interface Outlet {
  /** The number of the next chunk of a source. */
  number(source: Source): number;
  send(message: Uint8Array<ArrayBuffer>): void;
  /** More waits than the way to the proxy takes: what is not encoded yet is left out. */
  readonly isBehind: boolean;
  /** The encoder gave up. */
  failed(source: Source, error: unknown): void;
}

/** A source that is being encoded. */
export interface Encoding {
  /** The next frame is to be one that can be decoded by itself. */
  key(): void;
  stop(): void;
}

const VIDEO_BITS = { camera: 700_000, screen: 1_500_000 };
const AUDIO_BITS = 32_000;
const PLAIN: Colours = { isFull: false, isBt709: false };
/** So many frames in the encoder, and it does not keep up. */
const QUEUE_MAX = 2;
/** A key frame is many times as large as another: who asks again sooner gets the one that is on its way. */
const KEY_EVERY_MS = 300;

export function encodeVideo(source: "camera" | "screen", track: MediaStreamTrack, outlet: Outlet): Encoding {
  const over = new AbortController();
  let [width, height] = [0, 0];
  let wantsKey = true;
  let keyAt = Number.NEGATIVE_INFINITY;
  let colours = PLAIN;
  const encoder = new VideoEncoder({
    output: (chunk, metadata) => {
      const space = metadata?.decoderConfig?.colorSpace;
      if (space) colours = { isFull: space.fullRange === true, isBt709: space.matrix === "bt709" };
      if (!over.signal.aborted) outlet.send(messageOf(source, chunk, colours, outlet));
    },
    error: (error) => outlet.failed(source, error),
  });
  const take = (frame: VideoFrame) => {
    if (encoder.state === "closed" || encoder.encodeQueueSize > QUEUE_MAX || outlet.isBehind) return;
    if (frame.displayWidth !== width || frame.displayHeight !== height) {
      width = frame.displayWidth;
      height = frame.displayHeight;
      encoder.configure({ codec: "vp8", width, height, bitrate: VIDEO_BITS[source], latencyMode: "realtime" });
      wantsKey = true;
    }
    const keyFrame = wantsKey && performance.now() - keyAt >= KEY_EVERY_MS;
    encoder.encode(frame, { keyFrame });
    if (!keyFrame) return;
    wantsKey = false;
    keyAt = performance.now();
  };
  eachFrame(track, over.signal, take).catch((error) => outlet.failed(source, error));
  const close = () => {
    if (encoder.state !== "closed") encoder.close();
  };
  return {
    key() {
      wantsKey = true;
    },
    stop() {
      over.abort();
      // It keeps copies of the frames that wait in it: it is emptied first, and closed then.
      if (encoder.state === "configured") encoder.flush().then(close, close);
      else close();
    },
  };
}

export function encodeAudio(track: MediaStreamTrack, context: AudioContext, outlet: Outlet): Encoding {
  const over = new AbortController();
  const { sampleRate } = context;
  let frames = 0;
  const encoder = new AudioEncoder({
    output: (chunk) => outlet.send(messageOf("microphone", chunk, PLAIN, outlet)),
    error: (error) => outlet.failed("microphone", error),
  });
  encoder.configure({ codec: "opus", sampleRate, numberOfChannels: 1, bitrate: AUDIO_BITS });
  const take = (samples: Float32Array<ArrayBuffer>) => {
    if (encoder.state === "closed") return;
    const timestamp = Math.round((1e6 * frames) / sampleRate);
    frames += samples.length;
    // Silence that a muted microphone gives is nothing to send.
    if (!track.enabled || outlet.isBehind) return;
    const format = { format: "f32-planar", sampleRate, numberOfChannels: 1, timestamp } as const;
    const data = new AudioData({ ...format, numberOfFrames: samples.length, data: samples });
    encoder.encode(data);
    data.close();
  };
  eachStretch(context, track, over.signal, take).catch((error) => outlet.failed("microphone", error));
  return {
    key() {},
    stop() {
      over.abort();
      if (encoder.state !== "closed") encoder.close();
    },
  };
}

function messageOf(
  source: Chunk["source"],
  chunk: EncodedVideoChunk | EncodedAudioChunk,
  colours: Colours,
  outlet: Outlet,
): Uint8Array<ArrayBuffer> {
  const { type, timestamp: time } = chunk;
  const head = { source, isKey: type === "key", number: outlet.number(source), time, colours };
  return writeChunk(head, chunk.byteLength, (to) => chunk.copyTo(to));
}
