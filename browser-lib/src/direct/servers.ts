// Which STUN and TURN servers the proxy has for its peers (PROTOCOL.md, section 13).

import type { JsonObject } from "../json.ts";
import type { Ice } from "../resumable/direct.ts";
import type { Resumables } from "../resumable/resumables.ts";

/** Where the proxy is asked. */
const PATH = "/ice";
/** It answers at once, or is an old one; nobody waits longer for a connection to ask it over. */
const PATIENCE_MS = 3000;
/** What was told is good for this long, but for a login, which has to outlive a long call. */
const KEPT_MS = 60_000;

/** What the proxy says. */
interface Told {
  readonly stun_port?: number;
  readonly servers?: readonly (RTCIceServer & { readonly expires_in?: number })[];
}

export class Servers {
  readonly #all: Resumables;
  #known: Promise<RTCIceServer[]> | undefined;
  #until = 0;

  constructor(all: Resumables) {
    this.#all = all;
  }

  /** The page's own servers where it named some, else those of the proxy; none where it has none, or does not answer. */
  async within(ice: Ice): Promise<Ice> {
    if (ice.iceServers) return ice;
    const now = performance.now();
    if (!this.#known || now >= this.#until) {
      this.#until = now + KEPT_MS;
      this.#known = this.#ask().catch(() => []);
    }
    return { ...ice, iceServers: await this.#known };
  }

  async #ask(): Promise<RTCIceServer[]> {
    let told: Told = {};
    const replied = ({ ice }: JsonObject) => {
      told = (ice ?? {}) as Told;
    };
    const stream = this.#all.session.open({ path: PATH, patience: PATIENCE_MS, replied });
    await stream.opened;
    stream.reset();
    const { stun_port: port, servers = [] } = told;
    const stun = port ? [{ urls: `stun:${new URL(this.#all.target).hostname}:${port}` }] : [];
    return [
      ...stun,
      ...servers.map(({ urls, username, credential }) => ({ urls, username, credential }) as RTCIceServer),
    ];
  }
}
