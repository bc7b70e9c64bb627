// The entry "browser-stream-server/http": a web site in a tab.

export { type FileOptions, fileResponse } from "./file-response.ts";
export { setCookie } from "./outgoing.ts";
export {
  type Answered,
  type Handler,
  type HttpServer,
  type HttpServerEvents,
  type ServeHttpOptions,
  serveHttp,
} from "./serve-http.ts";
export type { ServerSocket, ServerSocketEvents, SocketCloseEvent } from "./server-socket.ts";
export { type UpgradeOptions, upgradeWebSocket } from "./upgrade.ts";
