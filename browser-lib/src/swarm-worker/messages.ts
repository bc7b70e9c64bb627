// What the service worker and the pages of its scope say to each other. Types only.

type Bytes = Uint8Array<ArrayBuffer>;

/** What every question says of the content. */
interface Wanted {
  readonly id: string;
  readonly origins: readonly string[];
  /** Where its manifest may be had. */
  readonly manifest: string | undefined;
}

/** Asked of all pages at once, each with a port of its own; the first that says `here` is told to go on by `more`, the others hear `leave`. */
export type Question =
  /** How large it is, and of which pieces. Answered by `opened`. */
  | (Wanted & { readonly swarm: "open" })
  /** Bytes of it, both inclusive: one `bytes` for each `more`, and `end`. */
  | (Wanted & { readonly swarm: "read"; readonly first: number; readonly last: number });

/** From a page to the worker, not on a port: somebody still needs it to run; it shall be the page's, too. */
export interface Notice {
  readonly swarm: "stay" | "claim";
}

export type ToPage = "more" | "leave";

export type FromPage =
  | { readonly is: "here" }
  | { readonly is: "opened"; readonly manifest: Bytes }
  | { readonly is: "bytes"; readonly bytes: Bytes }
  | { readonly is: "end" }
  /** It cannot; another page may. */
  | { readonly is: "failed"; readonly code: string; readonly message: string };
