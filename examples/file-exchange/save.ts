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

/** The service worker of this folder, once it was asked for; nothing where there can be none. */
let registering: Promise<ServiceWorkerRegistration | undefined> | undefined;

/**
 * Whether a stream can be handed to a service worker. Only pages of https and of this machine have one, not where a certificate was believed by hand, and some browsers hand no
 * stream to it.
 */
export async function canSaveStreams(): Promise<boolean> {
  if (!isSecureContext || !("serviceWorker" in navigator) || !canHandOver()) return false;
  registering ??= register().catch(() => undefined);
  return (await registering) !== undefined;
}

function canHandOver(): boolean {
  const stream = new ReadableStream();
  try {
    structuredClone(stream, { transfer: [stream as unknown as Transferable] });
    return true;
  } catch {
    return false;
  }
}

async function register(): Promise<ServiceWorkerRegistration> {
  await navigator.serviceWorker.register(new URL("save.worker.js", location.href));
  return await navigator.serviceWorker.ready;
}

/** Downloads what the stream gives, under the file's name. Resolves when the browser has all of it; rejects {@link NotSaved}. Only after {@link canSaveStreams}. */
export async function saveStream(file: Listed, bytes: ReadableStream<Bytes>): Promise<void> {
  const worker = (await registering)?.active;
  if (!worker) throw new NotSaved("The service worker does not run.");
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
