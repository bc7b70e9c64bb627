// The images of a page from whoever has them: `swarmImages(mdm)` is all that a page needs.

import { StreamError } from "../error.ts";
import { Emitter } from "../events.ts";
import type { MuxDemux } from "../mux-demux.ts";
import { settler } from "../settler.ts";
import type { Fetching, FetchOptions } from "./fetching.ts";
import { PageImage } from "./image.ts";
import type { Sources } from "./ledger.ts";
import { Swarm, type SwarmOptions } from "./swarm.ts";

/** Images with the id of their content. */
const SELECTOR = "img[data-swarm]";
const AT_ONCE = 6;
/** Codes of an id that is none, or another content's than the origin has. */
const STALE = ["bad_request", "tampered"];
/** What is so near to what is seen comes first: three quarters of a screen above and below. */
const NEAR = "75% 0px";

export interface SwarmImagesOptions {
  /** Where images are looked for; the whole document unless said. */
  root?: Document | Element | undefined;
  /** How many are fetched at the same time: 6 unless said. */
  atOnce?: number | undefined;
  /** Of the swarm, where none is handed in. */
  swarm?: SwarmOptions | undefined;
}

/** An image, and what became of it. */
export interface SwarmImage {
  readonly img: HTMLImageElement;
  readonly id: string;
}

export interface SwarmImagesEvents {
  /** One is shown, verified: from where its bytes came. */
  image: [image: SwarmImage & { readonly sources: Sources }];
  /** More of one is there. */
  progress: [image: SwarmImage & { readonly sources: Sources }];
  /** One could not be had, or is no image to this browser: it is left to its origin, if it has one. `bad_request`: its id is none; `tampered`: it is of something else than the origin has. */
  failed: [image: SwarmImage & { readonly error: StreamError }];
}

// biome-ignore lint/suspicious/noExplicitAny: whatever the connection's streams give, a swarm gives bytes
type Source = Swarm | MuxDemux<any>;

/**
 * Gives the images of a page that say in `data-swarm` which content they are their bytes, from visitors first and from their origin last: `data-src`, or what `src` was. Those that
 * are seen, or nearly, come first, and those with `loading="lazy"` only then. Images that come into the page later are taken as well.
 *
 * What cannot be had is left to its origin, so that no image is missing that the origin has; `alt`, size and the events `load` and `error` are as ever. Images among which the browser
 * chooses (`srcset`, `<picture>`) it loads by itself.
 */
export function swarmImages(source: Source, selector = SELECTOR, options: SwarmImagesOptions = {}): SwarmImages {
  return new SwarmImages(source, selector, options);
}

export class SwarmImages extends Emitter<SwarmImagesEvents> {
  readonly swarm: Swarm;
  readonly #isOurs: boolean;
  readonly #selector: string;
  readonly #root: Document | Element;
  readonly #atOnce: number;
  /** All that are taken over, until they are shown or left to their origin. */
  readonly #waiting = new Map<Element, PageImage>();
  readonly #going = new Set<PageImage>();
  /** By which id an image was taken: it is once, unless it says another. */
  readonly #taken = new WeakMap<Element, string>();
  readonly #failed = new Map<Element, PageImage>();
  readonly #near = new Set<Element>();
  readonly #seen: IntersectionObserver;
  readonly #changed: MutationObserver;
  readonly #settled = settler();
  #hasWarned = false;
  /** Whether it was found out what is seen. */
  #hasLooked = false;

  /** Images come from {@link swarmImages}. */
  constructor(source: Source, selector: string, { root = document, atOnce = AT_ONCE, swarm }: SwarmImagesOptions) {
    super();
    this.#isOurs = !("fetch" in source);
    this.swarm = "fetch" in source ? source : Swarm(source, swarm);
    [this.#selector, this.#root, this.#atOnce] = [selector, root, atOnce];
    this.#seen = new IntersectionObserver((entries) => this.#see(entries), { rootMargin: NEAR });
    this.#changed = new MutationObserver(() => this.#look());
    const attributeFilter = ["data-swarm", "loading"];
    this.#changed.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter });
    this.#look();
    // Of a page that nobody sees nothing is told to be seen.
    if (document.visibilityState === "hidden" || this.#waiting.size === 0) this.#hasLooked = true;
    this.#next();
  }

  /** Resolves when, for the first time, all that are wanted so far are shown or given up: lazy ones that nobody is about to see are not waited for. */
  get done(): Promise<void> {
    return this.#settled.promise;
  }

  /** Tries those again that could not be had. */
  retry(): void {
    for (const [img, image] of this.#failed) {
      if (image.img.naturalWidth === 0) this.#taken.delete(img);
    }
    this.#failed.clear();
    this.#look();
  }

  /** Takes no more images. Those that have none of their bytes yet are left to their origins. */
  close(): void {
    this.#seen.disconnect();
    this.#changed.disconnect();
    for (const image of [...this.#waiting.values(), ...this.#going]) {
      image.abort.abort();
      image.giveBack();
    }
    this.#waiting.clear();
    this.#settled.resolve();
    if (this.#isOurs) void this.swarm.close();
  }

  /** Takes the images that are new, and lets go of those that are not there any more. */
  #look(): void {
    const there = new Set<Element>(this.#root.querySelectorAll(this.#selector));
    for (const image of [...this.#waiting.values(), ...this.#going]) {
      if (there.has(image.img) && image.img.dataset.swarm === image.id) continue;
      image.abort.abort();
      this.#forget(image.img);
      this.#taken.delete(image.img);
    }
    for (const img of this.#failed.keys()) if (!there.has(img)) this.#failed.delete(img);
    for (const img of there) {
      const id = (img as HTMLElement).dataset.swarm ?? "";
      if (!(img instanceof HTMLImageElement) || this.#taken.get(img) === id) continue;
      const isAnother = this.#taken.has(img);
      this.#taken.set(img, id);
      const image = PageImage.of(img, isAnother);
      if (!image) continue;
      this.#waiting.set(img, image);
      this.#seen.observe(img);
    }
    this.#next();
  }

  #see(entries: IntersectionObserverEntry[]): void {
    this.#hasLooked = true;
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) this.#near.add(target);
      else this.#near.delete(target);
    }
    this.#next();
  }

  /** Begins as many as may go at once; what is near comes first. */
  #next(): void {
    while (this.#going.size < this.#atOnce) {
      const image = this.#wanted();
      if (!image) break;
      this.#forget(image.img);
      this.#going.add(image);
      void this.#bring(image);
    }
    if (this.#hasLooked && this.#going.size === 0) this.#settled.resolve();
  }

  #wanted(): PageImage | undefined {
    if (!this.#hasLooked) return undefined;
    const waiting = [...this.#waiting.values()];
    return waiting.find(({ img }) => this.#near.has(img)) ?? waiting.find(({ isLazy }) => !isLazy);
  }

  #forget(img: Element): void {
    this.#waiting.delete(img);
    this.#near.delete(img);
    this.#seen.unobserve(img);
  }

  async #bring(image: PageImage): Promise<void> {
    const { img, id, abort } = image;
    try {
      const got = this.#fetch(image);
      const blob = await got.blob();
      await image.show(image.type === "" ? blob : blob.slice(0, blob.size, image.type));
      this.emit("image", { img, id, sources: got.sources });
    } catch (error) {
      if (!abort.signal.aborted) {
        image.giveBack();
        this.#failed.set(img, image);
        const failed = StreamError.from(error);
        this.#warn(image, failed);
        this.emit("failed", { img, id, error: failed });
      }
    }
    this.#going.delete(image);
    this.#next();
  }

  /** Says once that the page's ids are to be mended: nobody else would see it, for the browser shows what the origin has. */
  #warn({ img, origin }: PageImage, { code }: StreamError): void {
    if (this.#hasWarned || !STALE.includes(code)) return;
    this.#hasWarned = true;
    // biome-ignore lint/suspicious/noConsole: for who writes the page; who looks at it misses nothing
    console.warn(
      `swarmImages: ${origin ?? img.alt} is not what its data-swarm says, and is shown unchecked. Its id is put into the page by: bss seed PAGE.html`,
    );
  }

  #fetch({ img, id, origin, abort }: PageImage): Fetching {
    const options: FetchOptions = {
      signal: abort.signal,
      onProgress: () => this.emit("progress", { img, id, sources: got.sources }),
    };
    const got = this.swarm.fetch(id, origin === undefined ? options : { ...options, origin });
    return got;
  }
}
