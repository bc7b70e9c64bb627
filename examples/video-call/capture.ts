// What this device takes in: its camera, its microphone, its screen.

import type { Source } from "./chunk.ts";
import { problemOf, unplugged } from "./problem.ts";
import type { Tracks } from "./tracks.ts";

export type Device = "camera" | "microphone";

export interface CaptureHooks {
  /** A source is on, off, or another. `isNew`: it has another track, or none. */
  changed(source: Source, isNew: boolean): void;
  /** Something is wrong with it, in words; empty when it is not any more. */
  problem(source: Source, text: string): void;
}

const WANTED = {
  camera: { width: { ideal: 960 }, height: { ideal: 540 }, frameRate: { ideal: 30, max: 30 } },
  microphone: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
};
/** What a screen needs to be read. */
const SCREEN = { width: { max: 1920 }, height: { max: 1080 }, frameRate: { max: 15 } };

export class Capture {
  /** What there is now. A microphone that is off keeps its track, which gives silence; a camera that is off has none, and its light is out. */
  readonly tracks: Tracks = {};
  /** Which device was chosen; the browser's own choice where none was. */
  readonly chosen: Record<Device, string> = { camera: "", microphone: "" };
  readonly #hooks = new Set<CaptureHooks>();
  /** What is done with a device is done one after the other. */
  #done: Promise<void> = Promise.resolve();

  listen(hooks: CaptureHooks): void {
    this.#hooks.add(hooks);
  }

  isOn(source: Source): boolean {
    return this.tracks[source]?.enabled === true;
  }

  /** The first time, both with one question to the person, then each by itself where that fails. */
  begin(): Promise<void> {
    return this.#next(async () => {
      const both = { video: this.#wanted("camera"), audio: this.#wanted("microphone") };
      const stream = await devices()?.getUserMedia(both).catch(keepRefusal);
      if (stream instanceof MediaStream) {
        this.#set("camera", stream.getVideoTracks()[0]);
        this.#set("microphone", stream.getAudioTracks()[0]);
        return;
      }
      for (const device of ["microphone", "camera"] as const) {
        if (stream) this.#tell(device, problemOf(device, stream));
        else await this.#open(device);
      }
    });
  }

  toggle(device: Device): Promise<void> {
    return this.#next(async () => {
      const track = this.tracks[device];
      if (device === "microphone" && track) {
        track.enabled = !track.enabled;
        this.#changed(device, false);
      } else if (track) this.#set(device, undefined);
      else await this.#open(device);
    });
  }

  /** Takes another device; a source that is off stays off. */
  choose(device: Device, id: string): Promise<void> {
    return this.#next(async () => {
      this.chosen[device] = id;
      const track = this.tracks[device];
      if (track) await this.#open(device, track.enabled);
    });
  }

  /** Shares the screen that the person chooses, or no longer. */
  share(): Promise<void> {
    if (this.tracks.screen) {
      this.#set("screen", undefined);
      return Promise.resolve();
    }
    // Not behind what is done with devices: a browser asks only while the click is fresh.
    return this.#take("screen", async () => {
      if (!devices()?.getDisplayMedia) throw new Error("this browser shares no screens");
      return await navigator.mediaDevices.getDisplayMedia({ video: SCREEN, audio: false });
    });
  }

  /** Gives everything back. */
  close(): void {
    for (const source of ["screen", "camera", "microphone"] as const) this.#set(source, undefined);
  }

  #next(act: () => Promise<void>): Promise<void> {
    const done = this.#done.then(act);
    this.#done = done.catch(() => {});
    return done;
  }

  #open(device: Device, isEnabled = true): Promise<void> {
    const open = async () => {
      const constraints = { [device === "camera" ? "video" : "audio"]: this.#wanted(device) };
      if (!devices()) throw Object.assign(new Error(), { name: "InsecureContextError" });
      return await navigator.mediaDevices.getUserMedia(constraints);
    };
    // Some devices cannot be had twice at once, or beside another.
    if (device === "camera") this.tracks.camera?.stop();
    return this.#take(device, open, isEnabled);
  }

  async #take(source: Source, open: () => Promise<MediaStream>, isEnabled = true): Promise<void> {
    try {
      const [track] = (await open()).getTracks();
      if (track) track.enabled = isEnabled;
      this.#set(source, track);
    } catch (error) {
      const { camera } = this.tracks;
      if (source === "camera" && camera?.readyState === "ended") this.#set("camera", undefined);
      this.#tell(source, problemOf(source, error));
    }
  }

  #wanted(device: Device): MediaTrackConstraints {
    const id = this.chosen[device];
    return { ...WANTED[device], ...(id ? { deviceId: { exact: id } } : {}) };
  }

  #set(source: Source, track: MediaStreamTrack | undefined): void {
    const before = this.tracks[source];
    if (!before && !track) return;
    before?.stop();
    if (track) this.tracks[source] = track;
    else delete this.tracks[source];
    track?.addEventListener("ended", () => {
      if (this.tracks[source] !== track) return;
      this.#set(source, undefined);
      if (source !== "screen") this.#tell(source, unplugged(source));
    });
    if (source === "screen" && track) track.contentHint = "detail";
    this.#tell(source, "");
    this.#changed(source, true);
  }

  #changed(source: Source, isNew: boolean): void {
    for (const hooks of this.#hooks) hooks.changed(source, isNew);
  }

  #tell(source: Source, text: string): void {
    for (const hooks of this.#hooks) hooks.problem(source, text);
  }
}

/** Nothing over plain http. */
function devices(): MediaDevices | undefined {
  return navigator.mediaDevices as MediaDevices | undefined;
}

/** A person who said no is not asked again at once; anything else may be wrong with one of the two only. */
function keepRefusal(error: unknown): Error | undefined {
  return error instanceof Error && error.name === "NotAllowedError" ? error : undefined;
}
