// The service worker: answers the request of a hidden frame with the stream that a page handed over, as a download.

interface Handed {
  readonly id: string;
  readonly file: { readonly name: string; readonly size: number; readonly type: string };
  readonly stream: ReadableStream<Uint8Array>;
  readonly port: MessagePort;
}

/** TypeScript has these for service workers only, and the rest of this folder is a page's. */
interface Scope {
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
}
interface Extendable extends Event {
  waitUntil(promise: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(response: Response): void;
}

const scope = globalThis as unknown as Scope;
const handed = new Map<string, Handed>();

addEventListener("install", () => void scope.skipWaiting());
addEventListener("activate", (event) => (event as Extendable).waitUntil(scope.clients.claim()));

addEventListener("message", ({ data }: MessageEvent<Handed | "stay">) => {
  if (data === "stay") return;
  handed.set(data.id, data);
  data.port.postMessage("taken");
});

addEventListener("fetch", (event) => {
  const { request, respondWith } = event as Fetching;
  const save = /\/save\/([0-9a-f]+)$/.exec(new URL(request.url).pathname);
  if (!save?.[1]) return;
  const asked = handed.get(save[1]);
  handed.delete(save[1]);
  respondWith.call(event, asked ? answer(asked) : new Response("There is nothing to save here.", { status: 404 }));
});

/** As a download and nothing else, whatever is in it. */
function answer({ file, stream, port }: Handed): Response {
  const type = /^[\w.+-]+\/[\w.+-]+$/.test(file.type) ? file.type : "application/octet-stream";
  return new Response(watched(stream, port), {
    headers: {
      "content-type": type,
      "content-length": String(file.size),
      "content-disposition": `attachment; filename*=UTF-8''${encoded(file.name)}`,
      "content-security-policy": "sandbox; default-src 'none'",
      "x-content-type-options": "nosniff",
    },
  });
}

/** The same stream, which tells the page how it ended. */
function watched(stream: ReadableStream<Uint8Array>, port: MessagePort): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          controller.close();
          port.postMessage("saved");
        } catch (error) {
          controller.error(error);
          port.postMessage("The file broke off.");
        }
      },
      async cancel(reason) {
        port.postMessage("The download was cancelled.");
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** As RFC 8187 wants it. */
function encoded(name: string): string {
  return encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
}
