// One image of a page, whose bytes come by its id: where its origin is, how it is shown, and that it is shown all the same where nobody has the content.

/** How an image waits for its bytes. */
export class PageImage {
  readonly img: HTMLImageElement;
  /** Of the content that it wants. */
  readonly id: string;
  /** Where it came from before there were others who have it. */
  readonly origin: string | undefined;
  /** Aborts when nobody wants it any more. */
  readonly abort = new AbortController();

  /** Takes the image over: its `src` is not loaded any more. */
  private constructor(img: HTMLImageElement, id: string) {
    this.img = img;
    this.id = id;
    const { dataset } = img;
    const src = img.getAttribute("src");
    // Kept there, for when it is taken over again.
    if (src !== null && !src.startsWith("blob:")) dataset.src ??= src;
    img.removeAttribute("src");
    const said = dataset.origin ?? dataset.src;
    this.origin = said === undefined ? undefined : absolute(said, img.baseURI);
  }

  /** Nothing where there is nothing to do: the browser chooses among several (`srcset`), or has loaded the image already, and that is not `another`. */
  static of(img: HTMLImageElement, another: boolean): PageImage | undefined {
    const { swarm, src } = img.dataset;
    const isChosen = img.hasAttribute("srcset") || img.parentElement?.localName === "picture";
    const isLoaded = !another && img.hasAttribute("src") && img.complete && img.naturalWidth > 0;
    if (!swarm || isLoaded) return undefined;
    if (!isChosen) return new PageImage(img, swarm);
    if (src !== undefined && !img.hasAttribute("src")) img.src = src;
    return undefined;
  }

  /** Whether the page wants it only when somebody is about to see it. */
  get isLazy(): boolean {
    return this.img.loading === "lazy";
  }

  /** What it is, by the page's word alone: of bytes a browser finds out all but SVG by itself. */
  get type(): string {
    const path = this.origin === undefined ? "" : new URL(this.origin).pathname;
    return this.img.dataset.type ?? (/\.svg$/i.test(path) ? "image/svg+xml" : "");
  }

  /** Shows it, so that `load` happens once; throws where the browser can make nothing of it, and nothing has happened yet. */
  async show(blob: Blob): Promise<void> {
    const url = URL.createObjectURL(blob);
    try {
      await loaded(new Image(), url);
      this.abort.signal.throwIfAborted();
      await loaded(this.img, url);
    } finally {
      URL.revokeObjectURL(url);
    }
  }

  /** Lets the browser load it as if there were nobody else. */
  giveBack(): void {
    // The page may have given it another one.
    if (this.origin !== undefined && !this.img.hasAttribute("src")) this.img.src = this.origin;
  }
}

function loaded(img: HTMLImageElement, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const heard = new AbortController();
    const { signal } = heard;
    img.addEventListener("load", () => [heard.abort(), resolve()], { signal });
    img.addEventListener("error", () => [heard.abort(), reject(new TypeError("no image to this browser"))], { signal });
    img.src = url;
  });
}

/** Nothing where it is none that could be fetched. */
function absolute(said: string, base: string): string | undefined {
  const url = URL.canParse(said, base) ? new URL(said, base) : undefined;
  return url && /^https?:$/.test(url.protocol) ? url.href : undefined;
}
