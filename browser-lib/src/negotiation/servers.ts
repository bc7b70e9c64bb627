// Which STUN and TURN servers the proxy has for its peers (PROTOCOL.md, section 13).

import type { JsonObject } from "../json.ts";
import type { Session } from "../session.ts";

/** Where the proxy is asked. */
const PATH = "/ice";
/** It answers at once, or is an old one; nobody waits longer for a connection to ask it over. */
const PATIENCE_MS = 3000;

/** What the proxy says. */
interface Told {
  readonly stun_port?: number;
  readonly servers?: readonly (RTCIceServer & { readonly expires_in?: number })[];
}

/** Asks the proxy at `target` over that session; rejects where it does not answer. */
export async function askForServers(session: Session, target: string): Promise<RTCIceServer[]> {
  let told: Told = {};
  const replied = ({ ice }: JsonObject) => {
    told = (ice ?? {}) as Told;
  };
  const stream = session.open({ path: PATH, patience: PATIENCE_MS, replied });
  await stream.opened;
  stream.reset();
  const { stun_port: port, servers = [] } = told;
  const stun = port ? [{ urls: `stun:${new URL(target).hostname}:${port}` }] : [];
  return [
    ...stun,
    ...servers.map(({ urls, username, credential }) => ({ urls, username, credential }) as RTCIceServer),
  ];
}
