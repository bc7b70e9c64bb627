// The way into a swarm: fetches contents from whoever has them, and gives what it has to whoever wants it.

import { callable } from "../callable.ts";
import { StreamError } from "../error.ts";
import { Emitter } from "../events.ts";
import { type MuxDemux, sessionOf } from "../mux-demux.ts";
import { demand } from "../options.ts";
import { prefixOf, StreamClient } from "../stream-client.ts";
import { Announcer } from "./announcer.ts";
import { Download } from "./download.ts";
import { checkFetch, Fetching, type FetchOptions } from "./fetching.ts";
import type { From } from "./ledger.ts";
import { Links } from "./links.ts";
import { checkId, Hashing, inPieces, type Manifest } from "./manifest.ts";
import { Policy } from "./policy.ts";
import { Serving } from "./serving.ts";
import { type Content, Shelf } from "./shelf.ts";
import { checkStore, type Store, type StoreKind } from "./store.ts";
import type { SwarmEvents, SwarmState, SwarmStats } from "./swarm-events.ts";
import { Tracker } from "./tracker.ts";
import { Uplink } from "./uplink.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const PREFIX = "/swarm";
const STORE_BYTES_MAX = 256 * 1024 * 1024;

export interface SwarmOptions {
  prefix?: string | undefined;
  /** Where pieces are kept: `"opfs"` (unless stated; where there is none the Cache API, then memory), `"cache"`, `"memory"`, or a store of one's own. */
  store?: StoreKind | Store | undefined;
  /** The most that is kept; what was used least of late goes first. 256 MiB unless stated. */
  storeBytesMax?: number | undefined;
  /** The most that is given to peers: bytes a second. As much as goes unless stated. */
  uploadBytesPerSecond?: number | undefined;
  /** `false`: nothing goes directly from peer to peer, and none learns our network address. */
  direct?: boolean | undefined;
  /** `false`: gives nothing. */
  serve?: boolean | undefined;
}

/** What can be seeded. */
export type Seedable = Blob | Bytes | string | URL;

export interface SeedOptions {
  signal?: AbortSignal | undefined;
  /** Is told after each piece that was hashed. */
  onProgress?: ((progress: { readonly bytes: number; readonly total: number }) => void) | undefined;
}

/** A content that is here, whole or in part. */
export interface KeptContent {
  readonly id: string;
  readonly size: number;
  readonly pieces: number;
  /** How many of them are here. */
  readonly have: number;
}

/** How many have a content. */
export interface Holdings {
  readonly seeders: number;
  readonly partial: number;
}

class Swarms extends Emitter<SwarmEvents> {
  readonly #shelf: Shelf;
  readonly #tracker: Tracker;
  readonly #links: Links;
  readonly #serving: Serving;
  readonly #policy: Policy;
  readonly #uplink: Uplink;
  readonly #announcer: Announcer;
  readonly #downloads = new Map<string, Download>();
  readonly #sums: Record<From | "up" | "wasted", number> = {
    direct: 0,
    proxy: 0,
    origin: 0,
    kept: 0,
    up: 0,
    wasted: 0,
  };
  #isClosed = false;
  readonly #leaving: Set<() => void>;
  readonly #depart = (): void => void this.close();

  /** Contents over `mdm`. Throws `bad_request` for options that cannot be. */
  constructor(mdm: MuxDemux, options: SwarmOptions = {}) {
    super();
    const inside = sessionOf(mdm);
    const prefix = prefixOf({ prefix: PREFIX, ...options });
    const { store = "opfs", storeBytesMax = STORE_BYTES_MAX, direct = true, serve = true } = options;
    const { uploadBytesPerSecond = Number.POSITIVE_INFINITY } = options;
    demand(uploadBytesPerSecond >= 0, "uploadBytesPerSecond is a number from 0");
    demand(storeBytesMax >= 0, "storeBytesMax is a number from 0");
    checkStore(store);
    this.#policy = new Policy(serve, uploadBytesPerSecond, () => this.#reconsider());
    this.#uplink = new Uplink(this.#policy.rate);
    this.#shelf = new Shelf(store, storeBytesMax, {
      came: (content, piece) => this.#came(content, piece),
      went: (content, piece) => this.#went(content, piece),
      short: (error) => this.#tell({ about: "store", is: "memory", error }),
    });
    this.#tracker = new Tracker(inside, `${prefix}/track`, {
      holding: () => {
        const { name } = this.#serving;
        return name === undefined ? undefined : { name, contents: this.#announcer.all(this.#shelf.all) };
      },
      state: (is, error) => this.#tell({ about: "tracker", is, error }),
      refused: (_, error) => this.emit("error", error),
    });
    this.#announcer = new Announcer(
      (contents) => {
        if (this.#serving.name !== undefined) this.#tracker.announce(this.#serving.name, contents);
      },
      (ids) => this.#tracker.withdraw(ids),
    );
    const client = StreamClient(mdm, { prefix, direct });
    this.#links = new Links({
      connect: (name) => client.connect(name, { wait: 0 }),
      joined: ({ name }) => this.emit("peer", { name, is: "up", error: undefined }),
      left: ({ name }, error) => this.emit("peer", { name, is: "gone", error }),
      failed: (name, why) => this.#tracker.failed(name, why),
    });
    this.#serving = new Serving(
      mdm,
      { prefix, direct },
      {
        uplink: this.#uplink,
        find: (id) => this.#shelf.find(id),
        read: (content, piece) => this.#shelf.read(content, piece),
        served: ({ id, manifest }, piece, carrier, peer) => {
          const bytes = manifest.lengthOf(piece);
          this.#sums.up += bytes;
          this.emit("served", { id, piece, bytes, carrier, peer });
        },
        named: () => this.#tracker.again(),
        failed: (error) => this.#tell({ about: "serving", is: "off", error }),
      },
    );
    this.#leaving = inside.leaving;
    this.#leaving.add(this.#depart);
    void this.#shelf.ready.then(() => this.#reconsider());
  }

  /**
   * Offers a content to others, and resolves to its id when it was hashed. A Blob or File is read again whenever somebody wants a piece; bytes, and what is at an address, are kept in the
   * store. Rejects `bad_request` for what is none of these, `cancelled` where `signal` aborted, `limit` beyond 16 GiB, and with what reading it throws.
   */
  async seed(what: Seedable, { signal, onProgress }: SeedOptions = {}): Promise<string> {
    const blob = await blobOf(what, signal);
    const hashing = new Hashing();
    for await (const piece of inPieces(blob.stream() as ReadableStream<Bytes>)) {
      if (signal?.aborted || this.#isClosed) throw new StreamError("cancelled");
      await hashing.push(piece);
      onProgress?.({ bytes: hashing.size, total: blob.size });
    }
    const manifest = hashing.manifest();
    const id = await manifest.id();
    await this.#shelf.ready;
    const content = what instanceof Blob ? this.#shelf.hold(id, manifest, blob) : await this.#keep(id, manifest, blob);
    this.#announcer.grew(content);
    return id;
  }

  /**
   * Fetches a content: from peers who have it, from the origin what they do not give. What comes is kept, and given to others.
   *
   * Throws `bad_request` for what is no id, and for options that cannot be.
   */
  fetch(id: string, options: FetchOptions = {}): Fetching {
    checkId(id);
    checkFetch(options);
    demand(!this.#isClosed, "this swarm was closed");
    const { origin = [], manifest, slow } = options;
    const origins = typeof origin === "string" || origin instanceof URL ? [origin] : origin;
    let download = this.#downloads.get(id);
    const ways = { origins: origins.map(String), manifest: manifest === undefined ? undefined : `${manifest}`, slow };
    if (!download) {
      download = new Download(id, ways, {
        tracker: this.#tracker,
        links: this.#links,
        shelf: this.#shelf,
        random: Math.random,
        lied: (name) => this.emit("liar", { name, id }),
        wasted: (bytes) => {
          this.#sums.wasted += bytes;
        },
        over: (over) => {
          if (this.#downloads.get(id) === over) this.#downloads.delete(id);
        },
      });
      this.#downloads.set(id, download);
    } else download.widen(ways);
    const fetching = new Fetching(id, options, {
      shelf: this.#shelf,
      download,
      again: (range) => {
        const { signal } = options;
        return this.fetch(id, { origin, manifest, slow, signal, range }).done;
      },
    });
    fetching.done.then(
      () => {
        const { sources } = fetching;
        this.#sums.kept += sources.kept;
        this.emit("fetched", { id, sources });
      },
      () => {},
    );
    return fetching;
  }

  /**
   * How many others have all of a content, and a part of it. Waits for the tracker, for as long as it takes: give a `signal` that bounds it. Rejects `not_found` where the proxy has no
   * tracker, `forbidden`, `limit`, `cancelled`.
   */
  async find(id: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Holdings> {
    checkId(id);
    const { seeders, partial } = await this.#tracker.find(id, 1, signal ?? new AbortController().signal);
    return { seeders, partial };
  }

  /** What is here, once the store was read: contents, whole or in part. */
  async contents(): Promise<KeptContent[]> {
    await this.#shelf.ready;
    return this.#shelf.all.map(({ id, manifest, has }) => ({
      id,
      size: manifest.size,
      pieces: manifest.pieces,
      have: has.count,
    }));
  }

  /** Keeps a content no longer, and gives it to nobody; fetches of it end `gone`. Whether it was here. */
  remove(id: string): Promise<boolean> {
    return this.#shelf.remove(id);
  }

  stats(): SwarmStats {
    const { direct, proxy } = this.#sums;
    return {
      ...this.#sums,
      peers: direct + proxy,
      links: this.#links.all.length,
      clients: this.#serving.clients,
    };
  }

  /** Leaves the swarm: fetches end `cancelled`, peers hear that we are gone; what is kept stays. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#leaving.delete(this.#depart);
    this.#policy.close();
    for (const download of [...this.#downloads.values()]) download.fail(new StreamError("cancelled"));
    this.#announcer.stop();
    this.#tracker.close();
    this.#links.close();
    await this.#serving.stop();
    this.emit("close");
  }

  async #keep(id: string, manifest: Manifest, blob: Blob): Promise<Content> {
    const content = await this.#shelf.begin(id, manifest);
    content.pins++;
    try {
      let piece = 0;
      for await (const bytes of inPieces(blob.stream() as ReadableStream<Bytes>))
        await this.#shelf.put(content, piece++, bytes);
    } finally {
      content.pins--;
    }
    return content;
  }

  /** What we may give has changed, or is looked at for the first time. */
  #reconsider(): void {
    if (this.#isClosed) return;
    const { reserve, gives, announces, rate } = this.#policy;
    this.#uplink.rate = rate;
    const isMore = announces && !this.#announcer.tellsNew;
    this.#announcer.tellsNew = announces;
    this.#tell({ about: "serving", is: reserve, error: undefined });
    if (gives) this.#serving.start();
    else {
      this.#announcer.stop();
      void this.#serving.stop();
    }
    if (isMore) this.#tracker.again();
  }

  #came(content: Content, index: number): void {
    const { id } = content;
    const download = this.#downloads.get(id);
    download?.came(index);
    this.#serving.came(content, index);
    this.#announcer.grew(content);
    const from = download?.ledger.from(index);
    if (!from) return;
    this.#sums[from] += from === "kept" ? 0 : content.manifest.lengthOf(index);
    this.emit("piece", { id, index, from });
  }

  #went(content: Content, piece: number | undefined): void {
    const { id } = content;
    const isGone = piece === undefined || content.has.count === 0;
    this.#serving.went(content, isGone);
    if (isGone) this.#announcer.went(id);
    const download = this.#downloads.get(id);
    if (piece !== undefined) return download?.lost(piece);
    this.#tell({ about: "store", is: "removed", id });
    download?.fail(new StreamError("gone", "the content was removed"));
  }

  #tell(state: SwarmState): void {
    this.emit("state", state);
  }
}

async function blobOf(what: Seedable, signal: AbortSignal | undefined): Promise<Blob> {
  if (what instanceof Blob) return what;
  if (ArrayBuffer.isView(what)) return new Blob([what]);
  demand(typeof what === "string" || what instanceof URL, "what is seeded is a Blob or File, bytes, or an address");
  const response = await fetch(what, signal ? { signal } : {});
  if (!response.ok) throw new StreamError("not_found", `${what} answered ${response.status}`);
  return response.blob();
}

/** Contents that peers give each other, with or without `new`. */
export type Swarm = Swarms;
export const Swarm: SwarmClass = /* @__PURE__ */ callable(Swarms) as SwarmClass;

interface SwarmClass {
  // biome-ignore lint/suspicious/noExplicitAny: whatever the connection's streams give, a swarm gives bytes
  new (mdm: MuxDemux<any>, options?: SwarmOptions): Swarms;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  (mdm: MuxDemux<any>, options?: SwarmOptions): Swarms;
  readonly prototype: Swarms;
}
