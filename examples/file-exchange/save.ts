// Gives bytes to the browser's downloads: a stream by way of a service worker, so that they are in no memory; or a blob.

import { type Bytes, randomHex } from "./digest.ts";
import type { Listed } from "./wire.ts";

/** A service worker that is asked for nothing would be ended. */
const AWAKE_MS = 10_000;
/** How long a frame, or a blob's address, is kept for the download to begin. */
const LEFT_MS = 60_000;

/** The download was cancelled, or the browser did not want it. */
export class NotSaved extends Error {
  override readonly name = "NotSaved";
}

/** Only pages of https, and of this machine, have service workers; and some browsers hand no stream to one. */
export function canSaveStreams(): boolean {
  if (!isSecureContext || !("serviceWorker" in navigator)) return false;
  const stream = new ReadableStream();
  try {
    structuredClone(stream, { transfer: [stream as unknown as Transferable] });
    return true;
  } catch {
    return false;
  }
}

/** Downloads what the stream gives, under the file's name. Resolves when the browser has all of it; rejects {@link NotSaved}. */
export async function saveStream(file: Listed, bytes: ReadableStream<Bytes>): Promise<void> {
  const worker = await ready();
  const id = randomHex(16);
  const { port1: port, port2 } = new MessageChannel();
  worker.postMessage({ id, file, stream: bytes, port: port2 }, [bytes as unknown as Transferable, port2]);
  const awake = setInterval(() => worker.postMessage("stay"), AWAKE_MS);
  const frame = document.createElement("iframe");
  frame.hidden = true;
  try {
    await message(port, "taken");
    frame.src = new URL(`save/${id}`, location.href).href;
    document.body.append(frame);
    await message(port, "saved");
  } finally {
    clearInterval(awake);
    port.close();
    // The download may not have left its frame yet.
    setTimeout(() => frame.remove(), LEFT_MS);
  }
}

/** The service worker of this folder, once it runs. */
async function ready(): Promise<ServiceWorker> {
  await navigator.serviceWorker.register(new URL("save.worker.js", location.href));
  const { active } = await navigator.serviceWorker.ready;
  if (!active) throw new NotSaved("The service worker did not start.");
  return active;
}

function message(port: MessagePort, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    port.onmessage = ({ data }) => (data === wanted ? resolve() : reject(new NotSaved(String(data))));
  });
}

/** Downloads bytes that are there. */
export function saveBlob(file: Listed, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), LEFT_MS);
}
