// A page's side of the service worker: registers it, and fetches what it is asked for.

import { StreamError } from "../error.ts";
import { later } from "../later.ts";
import type { FromPage, Notice, Question, ToPage } from "../swarm-worker/messages.ts";
import type { Fetching } from "./fetching.ts";
import type { Swarm } from "./swarm.ts";

/** Where the proxy serves it. */
const FILE = "/browser-stream-server-swarm-worker.js";
/** A service worker that hears nothing is ended after 30 s. */
const STAY_MS = 10_000;
/** A worker that wants nothing for so long, as of a video that stands still, asks again when it does. */
const PATIENCE_MS = 300_000;

export interface SwarmWorkerOptions {
  /** Which pages it answers: those below this path, which is `/` unless said. */
  scope?: string | undefined;
  /** The worker's file, of this page's own origin: that of the proxy unless said. */
  url?: string | URL | undefined;
}

export interface SwarmAddress {
  /** What the content is to this page: an image, a video, sound, a font, plain text or PDF. Whatever else is shown as bytes, for nothing of a swarm may run as the page's. */
  type?: string | undefined;
  /** Where it may be had beside. */
  origin?: string | URL | readonly (string | URL)[] | undefined;
  /** Where its manifest may be had, so that without any page large contents are checked piece by piece, too. */
  manifest?: string | URL | undefined;
}

/**
 * Makes contents of the swarm addresses of this page: `<img src="/swarm/ID?type=image/png">`, `<video>`, `fetch`, with ranges. A service worker answers them; the swarm is this page's,
 * or that of any other page of the scope that is open. Without any it fetches from the `origin` in the address.
 */
export function swarmWorker(swarm: Swarm, options: SwarmWorkerOptions = {}): SwarmWorker {
  return new SwarmWorker(swarm, options);
}

export class SwarmWorker {
  /** Resolves when addresses of this page are answered; rejects `unsupported` where a page has no service worker, as without https. */
  readonly ready: Promise<void>;
  readonly #swarm: Swarm;
  readonly #scope: URL;
  readonly #abort = new AbortController();
  readonly #asked = new Set<AbortController>();
  #registration: ServiceWorkerRegistration | undefined;

  /** Workers come from {@link swarmWorker}. */
  constructor(swarm: Swarm, { scope = "/", url = FILE }: SwarmWorkerOptions) {
    this.#swarm = swarm;
    this.#scope = new URL(scope, location.href);
    this.ready = this.#register(url);
    this.ready.catch(() => {});
  }

  /** Where a content is. */
  url(id: string, { type, origin = [], manifest }: SwarmAddress = {}): string {
    const url = new URL(`swarm/${id}`, this.#scope);
    if (type !== undefined) url.searchParams.set("type", type);
    for (const one of [origin].flat()) url.searchParams.append("origin", new URL(one, document.baseURI).href);
    if (manifest !== undefined) url.searchParams.set("manifest", new URL(manifest, document.baseURI).href);
    return url.pathname + url.search;
  }

  /** This page answers no more; others of the scope do. The worker stays registered, `registration.unregister()` ends it. */
  close(): void {
    this.#abort.abort();
    this.#handOver();
  }

  #handOver(): void {
    for (const asked of this.#asked) asked.abort();
  }

  async #register(url: string | URL): Promise<void> {
    const { serviceWorker } = navigator;
    if (!serviceWorker) throw new StreamError("unsupported", "service workers need https, or this machine");
    const { signal } = this.#abort;
    serviceWorker.addEventListener("message", (event) => this.#hear(event), { signal });
    // Messages wait until somebody wants them, or the document is loaded.
    serviceWorker.startMessages();
    // Whoever goes hands over at once.
    addEventListener("pagehide", () => this.#handOver(), { signal });
    this.#registration = await serviceWorker.register(url, { scope: this.#scope.pathname });
    const active = await activeOf(this.#registration);
    const isHere = location.pathname.startsWith(this.#scope.pathname);
    if (isHere) await this.#takeOver(serviceWorker, active);
  }

  /** A page that was loaded before the worker was there, or around it, is none of the worker's pages yet. */
  async #takeOver(container: ServiceWorkerContainer, worker: ServiceWorker): Promise<void> {
    const registration = await container.getRegistration();
    const isOurs = registration?.scope === this.#registration?.scope;
    if (!isOurs) throw new StreamError("unsupported", "another service worker has this page");
    while (container.controller?.scriptURL !== worker.scriptURL) {
      const changed = new Promise((resolve) => container.addEventListener("controllerchange", resolve, { once: true }));
      worker.postMessage({ swarm: "claim" } satisfies Notice);
      await changed;
    }
  }

  #hear({ data, ports: [port] }: MessageEvent): void {
    const question = Object(data) as Question;
    if (!port || (question.swarm !== "open" && question.swarm !== "read")) return;
    const abort = new AbortController();
    this.#asked.add(abort);
    const stay = setInterval(
      () => this.#registration?.active?.postMessage({ swarm: "stay" } satisfies Notice),
      STAY_MS,
    );
    let patience = later(() => abort.abort(), PATIENCE_MS);
    const say = (said: FromPage) => port.postMessage(said);
    abort.signal.addEventListener("abort", () => {
      say({ is: "failed", code: "gone", message: "this page goes" });
      clearInterval(stay);
      clearTimeout(patience);
      this.#asked.delete(abort);
      port.close();
    });
    const words = question.swarm === "open" ? this.#opened(question, abort.signal) : this.#read(question, abort.signal);
    port.onmessage = async ({ data }: MessageEvent<ToPage>) => {
      if (data !== "more") return abort.abort();
      clearTimeout(patience);
      patience = later(() => abort.abort(), PATIENCE_MS);
      try {
        say((await words.next()).value ?? { is: "end" });
      } catch (thrown) {
        const { code, detail } = StreamError.from(thrown);
        say({ is: "failed", code, message: detail });
      }
    };
    say({ is: "here" });
  }

  /** Begins with the first `more`: the worker asks all pages, and takes one. */
  async *#opened(question: Question, signal: AbortSignal): AsyncGenerator<FromPage> {
    const { manifest } = await this.#fetch(question, signal, [0, 0]).opened;
    yield { is: "opened", manifest };
  }

  async *#read(question: Question & { swarm: "read" }, signal: AbortSignal): AsyncGenerator<FromPage> {
    const reader = this.#fetch(question, signal, [question.first, question.last]).readable.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      yield { is: "bytes", bytes: next.value };
    }
  }

  #fetch({ id, origins, manifest }: Question, signal: AbortSignal, range: [number, number]): Fetching {
    const options = { order: "sequential", range, signal, origin: [...origins] } as const;
    return this.#swarm.fetch(id, manifest === undefined ? options : { ...options, manifest });
  }
}

async function activeOf(registration: ServiceWorkerRegistration): Promise<ServiceWorker> {
  const { active, installing, waiting } = registration;
  if (active) return active;
  const coming = installing ?? waiting;
  if (!coming) throw new StreamError("internal", "the service worker is not there");
  await new Promise<void>((resolve, reject) => {
    const look = () => {
      if (coming.state === "activated") resolve();
      if (coming.state === "redundant")
        reject(new StreamError("internal", "the service worker could not be installed"));
    };
    coming.addEventListener("statechange", look);
    look();
  });
  return coming;
}
