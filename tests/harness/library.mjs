/** The browser library as it is built, for programs in Node, with the types of its source. */

import * as https from "../../browser-lib/dist/http/index.js";
import * as main from "../../browser-lib/dist/index.js";
import * as rooms from "../../browser-lib/dist/room/index.js";
import * as swarms from "../../browser-lib/dist/swarm/index.js";

export const { MuxDemux, StreamClient, StreamServer } = /** @type {typeof import("browser-stream-server")} */ (
  /** @type {unknown} */ (main)
);
export const { Room } = /** @type {typeof import("/browser-stream-server-room.js")} */ (/** @type {unknown} */ (rooms));
export const { Swarm } = /** @type {typeof import("/browser-stream-server-swarm.js")} */ (
  /** @type {unknown} */ (swarms)
);
export const http = /** @type {typeof import("/browser-stream-server-http.js")} */ (/** @type {unknown} */ (https));
