// The buttons for what this device takes in, and their keys.

import type { Capture, Device } from "./capture.ts";
import { element, say } from "./page.ts";

const DEVICES: readonly Device[] = ["microphone", "camera"];

export function controls(capture: Capture): void {
  for (const device of DEVICES) {
    for (const button of togglesOf(device)) button.addEventListener("click", () => void capture.toggle(device));
  }
  element("share").addEventListener("click", () => void capture.share());
  // Phones share no screens.
  element("share").hidden = !(navigator.mediaDevices && "getDisplayMedia" in navigator.mediaDevices);
  const paint = () => {
    for (const device of DEVICES) {
      for (const button of togglesOf(device)) press(button, capture.isOn(device), ["On", "Off"]);
    }
    press(element("share"), capture.isOn("screen"), ["Shared", "Not shared"]);
  };
  capture.listen({ changed: paint, problem: () => {} });
  paint();
}

/** Single letters, in a call, where nothing is typed; they can be switched off. */
export function keys(isInCall: () => boolean, toggleChat: () => void): void {
  const buttons: Record<string, HTMLElement> = { s: element("share") };
  for (const [key, device] of [["m", "microphone"] as const, ["v", "camera"] as const]) {
    const button = document.querySelector<HTMLElement>(`.controls [data-toggle="${device}"]`);
    if (button) buttons[key] = button;
  }
  const isOn = () => element<HTMLInputElement>("shortcuts").checked;
  const tell = () => {
    const all = { ...buttons, c: element("open-chat") };
    for (const [key, button] of Object.entries(all)) {
      if (isOn()) button.setAttribute("aria-keyshortcuts", key.toUpperCase());
      else button.removeAttribute("aria-keyshortcuts");
    }
  };
  element("shortcuts").addEventListener("change", tell);
  tell();
  addEventListener("keydown", (event) => {
    const { key, target, ctrlKey, metaKey, altKey, repeat } = event;
    const isTyping = target instanceof Element && target.closest("input, select, textarea, dialog");
    if (!isInCall() || !isOn() || isTyping || ctrlKey || metaKey || altKey || repeat) return;
    const letter = key.toLowerCase();
    if (letter === "c") toggleChat();
    else if (buttons[letter]) buttons[letter].click();
    else return;
    event.preventDefault();
  });
}

function togglesOf(device: Device): NodeListOf<HTMLElement> {
  return document.querySelectorAll<HTMLElement>(`[data-toggle="${device}"]`);
}

function press(button: HTMLElement, isPressed: boolean, [on, off]: readonly [string, string]): void {
  button.ariaPressed = `${isPressed}`;
  say(button.querySelector("small") as HTMLElement, isPressed ? on : off);
}
