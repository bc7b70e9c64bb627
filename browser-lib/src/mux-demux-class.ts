// How a MuxDemux is made. Types only.

import type { Duplex } from "./duplex.ts";
import type { DuplexMux, DuplexMuxOptions } from "./duplex-mux.ts";
import type { Bytes, Plain, Text } from "./encoding.ts";
import type { MuxDemux } from "./mux-demux.ts";
import type { MuxDemuxOptions } from "./mux-demux-options.ts";

/** With or without `new`: the way to a proxy, or to the other end of a pair of streams. */
export interface MuxDemuxClass {
  new (url?: string | URL, options?: MuxDemuxOptions & Plain): MuxDemux<Bytes>;
  new (url: string | URL | undefined, options: MuxDemuxOptions & Text): MuxDemux<string>;
  new (url?: string | URL, options?: MuxDemuxOptions): MuxDemux;
  new (duplex: Duplex, options?: DuplexMuxOptions): DuplexMux;
  (url?: string | URL, options?: MuxDemuxOptions & Plain): MuxDemux<Bytes>;
  (url: string | URL | undefined, options: MuxDemuxOptions & Text): MuxDemux<string>;
  (url?: string | URL, options?: MuxDemuxOptions): MuxDemux;
  (duplex: Duplex, options?: DuplexMuxOptions): DuplexMux;
  readonly prototype: MuxDemux;
}
