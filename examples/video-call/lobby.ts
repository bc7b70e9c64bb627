// Before the call: what others will see and hear, and what one is called.

import type { Capture } from "./capture.ts";
import type { Source } from "./chunk.ts";
import type { Ear } from "./ear.ts";
import { element, part, say } from "./page.ts";
import { initialsOf } from "./person.ts";

const KEPT_NAME = "video-call name";

/** Shows the preview; `enter` is called with the name. Nothing that is missing keeps anybody out. */
export function lobby(capture: Capture, ear: Ear, room: string, enter: (nickname: string) => void): void {
  const preview = element("preview");
  const video = preview.querySelector("video") as HTMLVideoElement;
  const name = element<HTMLInputElement>("name");
  const problems = new Map<Source, string>();
  const paint = () => {
    const { camera } = capture.tracks;
    const shown = video.srcObject as MediaStream | null;
    if (shown?.getVideoTracks()[0] !== camera) video.srcObject = camera ? new MediaStream([camera]) : null;
    preview.dataset.camera = camera ? "on" : "off";
    say(part(preview, "captions"), camera ? "Preview. Nobody sees you yet." : "Your camera is off");
    say(preview.querySelector(".initials") as HTMLElement, initialsOf(name.value || "Guest"));
    ear.listen(capture.tracks.microphone);
  };
  capture.listen({
    changed: paint,
    problem: (source, text) => {
      problems.set(source, text);
      const all = [...problems.values()].filter(Boolean).join("\n");
      for (const id of ["devices-problem", "call-problem", "settings-problem"]) say(element(id), all);
    },
  });
  name.value = localStorage.getItem(KEPT_NAME) ?? "";
  name.addEventListener("input", paint);
  say(element("room-note"), `The call is “${room}”. Its link is in the address bar, and in the call behind Invite.`);
  const loudness = element<HTMLMeterElement>("loudness");
  setInterval(() => {
    if (!element("lobby").hidden) loudness.value = Math.min(1, 4 * ear.loudness);
  }, 100);
  element<HTMLFormElement>("join").addEventListener("submit", (event) => {
    event.preventDefault();
    localStorage.setItem(KEPT_NAME, name.value.trim());
    enter(name.value.trim());
  });
  paint();
}
