// The choice of devices, which follows what is plugged in.

import type { Capture, Device } from "./capture.ts";
import { element } from "./page.ts";

const KINDS = { camera: "videoinput", microphone: "audioinput" } as const;

export function offerDevices(capture: Capture): void {
  const fill = async () => {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    for (const device of ["camera", "microphone"] as const) fillIn(device, all, capture);
  };
  for (const device of ["camera", "microphone"] as const) {
    const select = element<HTMLSelectElement>(`choose-${device}`);
    select.addEventListener("change", () => void capture.choose(device, select.value));
  }
  navigator.mediaDevices?.addEventListener("devicechange", () => void fill());
  // Names of devices are told only once one may be used.
  capture.listen({ changed: (_, isNew) => void (isNew && fill()), problem: () => {} });
  void fill();
}

function fillIn(device: Device, all: readonly MediaDeviceInfo[], capture: Capture): void {
  const select = element<HTMLSelectElement>(`choose-${device}`);
  const found = all.filter(({ kind }) => kind === KINDS[device]);
  const options = found.map(({ deviceId, label }, at) => new Option(label || `${name(device)} ${at + 1}`, deviceId));
  if (options.length === 0) options.push(new Option(`No ${device} found`, ""));
  const used = capture.tracks[device]?.getSettings().deviceId ?? capture.chosen[device];
  select.replaceChildren(...options);
  select.disabled = found.length === 0;
  if (found.some(({ deviceId }) => deviceId === used)) select.value = used;
}

function name(device: Device): string {
  return device === "camera" ? "Camera" : "Microphone";
}
