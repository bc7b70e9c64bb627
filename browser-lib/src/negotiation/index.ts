// Connections of a page's own, negotiated as the library negotiates its direct ones. An entry of its own, `browser-stream-server/negotiation`.

import { type MuxDemux, sessionOf } from "../mux-demux.ts";
import { askForServers } from "./servers.ts";

export { Negotiation, type NegotiationOptions, type Say } from "./negotiation.ts";

/**
 * The STUN and TURN servers that the proxy has for its peers, for `new RTCPeerConnection({ iceServers })`: none where it has none, does not answer within 3 s, or there is no connection to it.
 * A login for a TURN server is good for hours, not for ever: ask again for each connection.
 */
// biome-ignore lint/suspicious/noExplicitAny: whatever the connection's streams give, servers are servers
export async function iceServers(mdm: MuxDemux<any>): Promise<RTCIceServer[]> {
  const { session, target } = sessionOf(mdm);
  return await askForServers(session, target).catch(() => []);
}
