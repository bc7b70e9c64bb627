// Turns a request into a WebSocket, in the manner of Deno.

import { ServerSocket } from "./server-socket.ts";
import { sha1Base64 } from "./sha1.ts";

export interface UpgradeOptions {
  /** The subprotocol that is agreed upon: one of those that the client offers. */
  protocol?: string | undefined;
  /** The most bytes of a message; a client that sends a longer one is told 1009. 16 MiB unless stated. */
  messageMax?: number | undefined;
}

/** What is done where an answer is sent. */
export interface Upgrade {
  readonly socket: ServerSocket;
  readonly head: string;
}

const upgrades = new WeakMap<Response, Upgrade>();
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const MESSAGE_MAX = 16 * 1024 * 1024;

/**
 * The server's end of the WebSocket that `request` asks for, and the response to give back for it: the socket opens when that was sent.
 *
 * Throws `TypeError` for a request that asks for none, and a subprotocol that it does not offer.
 */
export function upgradeWebSocket(
  request: Request,
  { protocol = "", messageMax = MESSAGE_MAX }: UpgradeOptions = {},
): { socket: ServerSocket; response: Response } {
  const { headers } = request;
  const key = headers.get("sec-websocket-key") ?? "";
  const isOne =
    /(^|,)\s*websocket\s*(,|$)/i.test(headers.get("upgrade") ?? "") &&
    headers.get("sec-websocket-version") === "13" &&
    /^[+/0-9A-Za-z]{22}==$/.test(key);
  if (!isOne) throw new TypeError("this request asks for no WebSocket: look at its header `upgrade` first");
  const offered = (headers.get("sec-websocket-protocol") ?? "").split(",").map((word) => word.trim());
  if (protocol && !offered.includes(protocol))
    throw new TypeError(`the client does not offer the subprotocol ${protocol}`);
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "connection: upgrade",
    "upgrade: websocket",
    `sec-websocket-accept: ${sha1Base64(key + GUID)}`,
  ];
  if (protocol) lines.push(`sec-websocket-protocol: ${protocol}`);
  const socket = new ServerSocket(request.url.replace(/^http/, "ws"), protocol, messageMax);
  const response = new Response(null);
  upgrades.set(response, { socket, head: `${lines.join("\r\n")}\r\n\r\n` });
  return { socket, response };
}

/** What stands behind a response of `upgradeWebSocket`. */
export function upgradeOf(response: Response): Upgrade | undefined {
  return upgrades.get(response);
}
