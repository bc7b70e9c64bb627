// How much we may give: what the page allows, and what its user and device can be asked for.

/** What a page can tell of its network, where its browser says so. */
interface NetworkInformation extends EventTarget {
  readonly saveData?: boolean;
  readonly type?: string;
}

/** Why nothing, or less, is given. */
export type Reserve = "none" | "off" | "saves-data" | "cellular" | "hidden";

export class Policy {
  readonly #serves: boolean;
  readonly #rate: number;
  readonly #changed: () => void;
  readonly #network = (globalThis.navigator as { connection?: NetworkInformation } | undefined)?.connection;

  /** Gives at most so many bytes a second; `changed` is called when that may be another. */
  constructor(serves: boolean, bytesPerSecond: number, changed: () => void) {
    this.#serves = serves;
    this.#rate = bytesPerSecond;
    this.#changed = changed;
    globalThis.document?.addEventListener?.("visibilitychange", changed);
    this.#network?.addEventListener?.("change", changed);
  }

  get reserve(): Reserve {
    if (!this.#serves || this.#rate === 0) return "off";
    if (this.#network?.saveData) return "saves-data";
    if (this.#network?.type === "cellular") return "cellular";
    return globalThis.document?.hidden ? "hidden" : "none";
  }

  /** Whether anything is given. */
  get gives(): boolean {
    return this.reserve === "none" || this.reserve === "hidden";
  }

  /** Whether others are told of more contents. */
  get announces(): boolean {
    return this.reserve === "none";
  }

  /** Bytes a second. */
  get rate(): number {
    return this.gives ? this.#rate / (this.reserve === "hidden" ? 2 : 1) : 0;
  }

  close(): void {
    globalThis.document?.removeEventListener?.("visibilitychange", this.#changed);
    this.#network?.removeEventListener?.("change", this.#changed);
  }
}
